import json
import os
from dataclasses import replace

import pytest

from supervisor.adapters import files
from supervisor.adapters.torrents import Torrent
from supervisor.commands import explaining, outlook
from supervisor.commands.explaining import Case
from supervisor.commands.outlook import Outlook
from supervisor.commands.reader import Daemon, Reader
from supervisor.dispatch.planning import Action, Outset, Plan, Step, When
from supervisor.errors import ConfigurationError
from supervisor.jobs import Event, Job, Notice, Proof, State, Telling
from supervisor.journal import Journal, place
from supervisor.measures import Marks
from supervisor.observation.snapshot import RTorrent, Snapshot, Worker
from supervisor.policies.base import Candidate
from supervisor.settings import Settings

NOW = 1_800_000_000.0
GIB = 1 << 30
HASH = "A" * 40


FINISHED = Torrent(
    hash=HASH,
    name="A torrent",
    directory=b"/ssd/x",
    multi=True,
    size=GIB,
    label="",
    finished=NOW - 60,
    complete=True,
    hashing=0,
    meta=False,
    open=True,
    active=True,
    started=True,
    left_bytes=0,
    wanted_chunks=0,
    ratio=1.5,
    up_total=0,
    up_rate=0,
    peers=3,
    message="",
)


def torrent(number, directory, **changes):
    known = {"hash": f"{number:040X}", "name": f"Torrent {number}", "finished": NOW - number}
    return replace(FINISHED, directory=directory, **known, **changes)


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "ssd").mkdir()
    return Settings(
        download_path_ssd=str(tmp_path / "ssd"), final_dest_base_hdd=("/hdd",), scgi_url="/rpc", state_dir=str(tmp_path)
    )


def looked(free, mark, *steps, kept=(), when=When.LOW):
    made = []
    for number, (size, action) in enumerate(steps, 1):
        each = Candidate(f"{number:040X}", f"Torrent {number}", size, NOW - 60, 1.25, lately=2 * GIB)
        made.append(Step(each, action, when, "hardly uploaded of late", size, 0.0, (each.hash,)))
    outset = Outset(b"/ssd", NOW, free, Marks(mark, mark, 0), low_since=NOW - 60 if free < mark else 0.0)
    return Outlook(outset, Plan(tuple(made), kept), {"F" * 40: "Kept\x1b[2J"})


# -- the plan ----------------------------------------------------------------------------------------------------------


def test_the_plan_is_made_of_the_journal_and_of_rtorrent(settings, tmp_path, monkeypatch):
    ssd = os.fsencode(tmp_path / "ssd")
    monkeypatch.setattr(files, "usage", {ssd: files.Usage(GIB, 4711)}.__getitem__)  # others fill the real one meanwhile
    places = [ssd + b"/new", ssd + b"/proven", ssd + b"/failed", b"/elsewhere/x"]
    torrents = [torrent(number, where) for number, where in enumerate(places, 1)]
    journal = Journal(place(str(tmp_path)))
    proven = Job(
        f"{2:040X}", State.CACHED, 0, 0, source=ssd + b"/proven", destination=b"/hdd/proven", proof=Proof.READ_BACK
    )
    journal.write([proven, Job(f"{3:040X}", State.FAILED, 0, 0, reason="no space")])
    journal.close()
    seen = outlook.look(settings, Reader(str(tmp_path)), torrents, NOW)
    assert [(step.hash, step.action) for step in seen.plan.steps] == [
        (f"{2:040X}", Action.RELOCATE), (f"{1:040X}", Action.COPY),
    ]  # fmt: skip
    assert dict(seen.plan.kept) == {f"{3:040X}": "failed: no space", f"{4:040X}": "not on the SSD"}
    assert seen.outset.free == 4711


def test_free_space_is_projected_until_it_is_enough():
    seen = looked(5 * GIB, 8 * GIB, (2 * GIB, Action.FINISH), (2 * GIB, Action.RELOCATE), (GIB, Action.COPY))
    assert [(free // GIB, needed) for _, free, needed in seen.projected] == [(7, True), (9, True), (10, False)]
    lines = list(outlook.render(seen))
    assert "low" in lines[0]
    assert next(n for n, line in enumerate(lines) if "not needed now" in line) == 8
    assert "hardly uploaded of late" in lines[5]
    assert "1.25    2.0 GiB" in lines[4]
    told = json.loads(json.dumps(outlook.as_dict(seen)))
    assert [step["needed_now"] for step in told["steps"]] == [True, True, False]
    assert (told["version"], told["low"], told["steps"][0]["action"]) == (2, True, "finish")
    assert told["steps"][1]["reason"] == "number 2 of 3: hardly uploaded of late"


def test_with_space_enough_nothing_is_needed():
    assert next(outlook.render(looked(9, 8))).endswith("nothing to do")


def test_reasons_to_stay_are_counted_and_their_examples_made_harmless():
    lines = "\n".join(outlook.render(looked(1, 2, kept=(("F" * 40, "not finished"), ("E" * 40, "not finished")))))
    assert "    2 not finished, such as FFFFFFFF Kept?[2J" in lines


def test_an_ssd_that_is_not_there_is_named(settings, tmp_path):
    Journal(place(str(tmp_path))).close()
    (tmp_path / "ssd").rmdir()
    with pytest.raises(ConfigurationError, match="DOWNLOAD_PATH_SSD"):
        outlook.look(settings, Reader(str(tmp_path)), [], NOW)


# -- the story of one --------------------------------------------------------------------------------------------------


def case(state=None, *, up=True, known=None, **changes):
    job = None if state is None else Job(HASH, state, NOW - 100, NOW - 60, name="A torrent", **changes)
    worker = Worker("copier-1", "copier", 1, True, NOW, HASH, "A torrent", "copy", NOW, 1, 4)
    shot = Snapshot(NOW, 1, NOW, "1", True, False, "", (worker,), (), RTorrent(reachable=True, since=NOW))
    return Case(NOW, HASH, job, (), (), Daemon(up, shot), known, "" if known else "down: start it", None)


def test_one_that_may_wait_for_its_hour_is_told_when_that_is():
    told = case(State.SUBMITTED)
    shot = replace(told.daemon.snapshot, waiting_for={"copy-hours": 3}, opens={"copy-hours": NOW + 7200})
    waits = " ".join(explaining.next_steps(replace(told, daemon=replace(told.daemon, snapshot=shot))))
    assert "3 torrents wait for COPY_HOURS, which open in 2 h" in waits


@pytest.mark.parametrize(
    ("state", "changes", "expected"),
    [
        (State.SUBMITTED, {}, "free copy worker"),
        (State.COPYING, {}, "copier-1: copy  25 %"),
        (State.WAITING, {"due": NOW + 120, "reason": "HDD full"}, "tried again in 2 min"),
        (State.WAITING, {"due": NOW - 1}, "tried again at once"),
        (State.FAILED, {"reason": "no"}, "queue retry AAAAAAAA"),
        (State.CANCELLED, {}, "cancelled"),
        (State.GONE, {}, "forgotten"),
        (State.RELOCATING, {}, "switched"),
        (State.RELOCATED, {}, "seeds from the HDD"),
        (State.CACHED, {"proof": Proof.READ_BACK}, "until space on the SSD is low"),
    ],
)
def test_every_state_says_what_happens_next(state, changes, expected):
    assert expected in " ".join(explaining.next_steps(case(state, **changes)))
    text = "\n".join(explaining.render(case(state, **changes)))
    assert text.startswith(f"{HASH}  A torrent")
    assert f"State:     {state} for 1 min" in text
    assert changes.get("reason", "") in text


@pytest.mark.parametrize(("state", "said"), [(State.SUBMITTED, True), (State.FAILED, False), (State.RELOCATED, False)])
def test_that_the_supervisor_is_down_is_said_where_it_matters(state, said):
    assert ("seedcache is down" in " ".join(explaining.next_steps(case(state, up=False)))) == said


def test_a_torrent_that_no_hook_told_of_says_how_to_hand_it_in():
    text = " ".join(explaining.next_steps(case(known=torrent(1, b"/ssd/x"))))
    assert f"seedcache submit {HASH}" in text
    assert "when it is finished" in " ".join(explaining.next_steps(case(known=torrent(1, b"/x", complete=False))))


def test_a_cached_one_knows_its_place_in_the_plan_or_why_it_stays():
    seen = looked(1, 2 * GIB, (GIB, Action.RELOCATE), (GIB, Action.PROVE), (GIB, Action.RELOCATE))
    second = replace(case(State.CACHED), hash=f"{2:040X}", outlook=seen)
    text = " ".join(explaining.next_steps(second))
    assert "number 2" in text
    assert "read back and proven" in text
    assert "it leaves now" in text
    third = replace(case(State.CACHED), hash=f"{3:040X}", outlook=seen)
    assert "those before it free enough" in " ".join(explaining.next_steps(third))
    kept = replace(case(State.CACHED), outlook=looked(1, 2, kept=((HASH, "another torrent uses the same files"),)))
    assert "it stays: another torrent uses" in " ".join(explaining.next_steps(kept))


def test_what_leaves_anyway_what_waits_for_quiet_and_what_leaves_together_is_told():
    seen = looked(9 * GIB, GIB, (GIB, Action.RELOCATE), when=When.ANYWAY)
    text = " ".join(explaining.next_steps(replace(case(State.CACHED), hash=f"{1:040X}", outlook=seen)))
    assert "it leaves the SSD, low space or not: hardly uploaded" in text
    seen = looked(1, GIB, (GIB, Action.RELOCATE), when=When.QUIET)
    step = replace(seen.plan.steps[0], not_before=NOW + 90, unit=(f"{1:040X}", "F" * 40))
    seen = replace(seen, plan=Plan((step,), ()))
    text = " ".join(explaining.next_steps(replace(case(State.CACHED), hash=f"{1:040X}", outlook=seen)))
    assert "it shares files with FFFFFFFF: they leave together" in text
    assert "waits for a quiet moment, 1 min 30 s at most" in text


def test_services_rtorrent_and_story_are_told_and_made_harmless():
    known = torrent(1, b"/ssd/\xff", active=False, message="Tracker: \x1b[2J")
    full = replace(
        case(State.CACHED, known=known),
        notices=(Notice(HASH, "sonarr", Telling.PENDING, NOW, due=NOW + 60, reason="it is down"),),
        events=(Event(NOW - 9, HASH, "copied", "9 bytes\x07"),),
    )
    text = "\n".join(explaining.render(full))
    assert "sonarr: pending, tried again in 1 min: it is down" in text
    assert "open (paused), complete, ratio 1.50, 3 peers" in text
    assert "in /ssd/\\xff" in text
    assert "copied       9 bytes?" in text
    assert "\x1b" not in text
    told = json.loads(json.dumps(explaining.as_dict(full)))
    assert (told["version"], told["rtorrent"]["directory"], told["job"]["state"]) == (1, "/ssd/\\xff", "cached")
    assert told["next"]


def test_without_rtorrent_it_says_why_and_tells_the_rest():
    assert "rTorrent:  down: start it" in "\n".join(explaining.render(case(State.CACHED)))
