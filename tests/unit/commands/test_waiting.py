from dataclasses import replace

import pytest

from supervisor import spool
from supervisor.commands.asking import ask
from supervisor.commands.waiting import Look, OneTorrent, SpacePass, plainly
from supervisor.errors import Exit
from supervisor.jobs import Event, Job, Proof, State
from supervisor.observation.snapshot import Disk, RTorrent, Worker
from tests.unit.commands.test_status import NOW, fill, hash_of, live, snapshot, state  # noqa: F401  (a fixture)

HASH = hash_of(7)
SSD = Disk("ssd", "/ssd", 100, 50, trusted=True)
HDD, OTHER = (Disk("hdd", path, 100, 50, trusted=True) for path in ("/hdd", "/hdd2"))
AWAY = RTorrent(reachable=False, since=NOW, error="nobody listens")


def begun(state, event, **changes):  # noqa: F811
    """Return a request that the supervisor has not read yet."""
    live(state, snapshot(**{"disks": (SSD, HDD, OTHER)} | changes))
    job = Job(HASH, State.CACHED, NOW, NOW, proof=Proof.READ_BACK, destination=b"/hdd/label/name")
    fill(state, [job], events=[Event(NOW, HASH, "failed", "long ago"), Event(NOW, HASH, "proven", "long ago")])
    subject = spool.ALL if event == "space" else HASH
    return ask(str(state), subject, event, "it", NOW - 5, follow=True)


@pytest.mark.parametrize(
    ("event", "action", "end"),
    [
        ("verify", "proven", Exit.DONE),
        ("verify", "unproven", Exit.FAILED),
        ("verify", "refused", Exit.FAILED),
        ("verify", "told", None),
        ("verify", "cached", None),
        ("relocate", "relocated", Exit.DONE),
        ("relocate", "waiting", Exit.FAILED),
        ("relocate", "gone", Exit.FAILED),
        ("relocate", "relocating", None),
        ("relocate", "proven", None),
    ],
)
def test_the_journal_tells_the_end_and_only_what_came_after_the_request_counts(state, event, action, end):  # noqa: F811
    waited = OneTorrent(begun(state, event))
    assert waited.look(NOW).end is None
    fill(state, events=[Event(NOW, hash_of(9), action, "another one"), Event(NOW, HASH, action, "why")])
    look = waited.look(NOW)
    assert look.end == end
    assert end is None or look.text == f"{action}: why"


def test_how_far_its_worker_is_is_shown(state):  # noqa: F811
    worker = Worker("copier-1", "copier", 1, True, NOW, HASH, "x", "prove", NOW, 25, 100, 5.0)
    look = OneTorrent(begun(state, "verify", workers=(worker,))).look(NOW)
    assert (look.text, look.share) == ("proves the HDD copy", " 25 %  25 of 100 B  5 B/s  ETA 15 s")


@pytest.mark.parametrize(
    ("event", "changes", "end"),
    [
        ("verify", {"rtorrent": AWAY}, None),
        ("relocate", {"rtorrent": AWAY}, Exit.UNREACHABLE),
        ("verify", {"disks": (SSD, replace(HDD, trusted=False), OTHER)}, Exit.FAILED),
        ("verify", {"disks": (SSD, HDD, replace(OTHER, trusted=False))}, None),
        ("relocate", {"disks": (replace(SSD, trusted=False), HDD)}, Exit.FAILED),
    ],
)
def test_what_a_person_must_mend_first_is_said_at_once(state, event, changes, end):  # noqa: F811
    look = OneTorrent(begun(state, event, **changes)).look(NOW)
    assert look.end == end
    assert end is None or "once that is mended" in look.text


def test_a_supervisor_that_is_gone_ends_the_waiting(state):  # noqa: F811
    waited = OneTorrent(begun(state, "verify"))
    (state / "run" / "live.json").unlink()
    assert waited.look(NOW).end is Exit.FAILED


def test_a_look_at_the_space_counts_what_has_left(state):  # noqa: F811
    waited = SpacePass(begun(state, "space"))
    assert "about to look" in waited.look(NOW).text
    (state / "spool" / "all.space").unlink()
    live(state, snapshot(space_looked=NOW - 60))
    assert waited.look(NOW).end is None, "that look was before it was asked for"
    worker = Worker("space", "space", 1, True, NOW, HASH, "A torrent", "switch", NOW)
    live(state, snapshot(space_looked=NOW, relieving=True, low_space=True, relocations_planned=2, workers=(worker,)))
    fill(state, events=[Event(NOW, hash_of(1), "relocated", "")])
    look = waited.look(NOW)
    assert (look.text, look.share, look.end) == ("A torrent: switches rTorrent", "1 of 4", None)
    live(state, snapshot(space_looked=NOW, low_space=True))
    assert waited.look(NOW).end is Exit.FAILED
    live(state, snapshot(space_looked=NOW))
    assert waited.look(NOW) == Look("1 torrent has left the SSD", end=Exit.DONE)


def test_one_of_two_hdds_that_is_away_does_not_end_a_pass_and_both_do(state):  # noqa: F811
    away = [replace(disk, trusted=False) for disk in (HDD, OTHER)]
    waited = SpacePass(begun(state, "space"))
    (state / "spool" / "all.space").unlink()
    low = {"space_looked": NOW, "relieving": True, "low_space": True}
    live(state, snapshot(disks=(SSD, away[0], OTHER), **low))
    assert waited.look(NOW).end is None
    live(state, snapshot(disks=(SSD, *away), **low))
    assert waited.look(NOW).end is Exit.FAILED


def test_without_a_terminal_only_what_is_new_is_a_line():
    lines = []
    show = plainly(lines.append)
    for look in (Look("begins"), Look("copies", 1, 9), Look("copies", 5, 9), Look("copied", end=Exit.DONE)):
        show(look)
    assert lines == ["begins", "copies", "copied"]
