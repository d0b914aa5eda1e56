"""Torrents are held for want of room, and something goes wrong: none is lost, and none stays stopped."""

import contextlib
import re
import signal
from types import SimpleNamespace
from xml.parsers.expat import ExpatError
from xmlrpc import client as xmlrpc

import pytest

from supervisor.commands import hook
from supervisor.jobs import State
from tests.support.rtorrents import VERSIONS, until
from tests.support.seedbox import MIB, Seedbox, fill
from tests.support.supervisors import SUBMIT
from tests.support.swarms import EVERYWHERE, Swarm
from tests.support.torrents import contents

pytestmark = pytest.mark.real

EACH, MANY = 20 * MIB, 4
FIT = 2  # of them, on an SSD of 64 MB


class Crowd:
    """A box that was given more than it has room for, and a seeder that nobody has met yet."""

    def __init__(self, box: Seedbox) -> None:
        self.box = box
        self.seeder = box.rtorrent("seeder", extra=EVERYWHERE)
        data = box.home / "data"
        # Of those that are added in the same second, the one with the smaller hash counts as the older one.
        made = [box.make(f"film {number}.mkv", EACH, data) for number in range(MANY)]
        self.torrents = sorted(made, key=lambda torrent: torrent.hash)
        for torrent in self.torrents:
            self.seeder.seed(torrent, data)
        told_at_once = hook.print_lines(SimpleNamespace(state_dir=str(box.state)), SUBMIT)[1] + "\n"
        box.start(extra=told_at_once + 'schedule = low_space, 1, 1, "close_low_diskspace=4M"\n')
        self.swarm = Swarm(box.client, self.seeder)

    def load(self, begin: int = 0, end: int = MANY) -> None:
        """Give it some, one after the other.

        How old each is, rTorrent notes once it has looked at its files: of several at once, in any order.
        """
        client = self.box.client
        for torrent in self.torrents[begin:end]:
            client.load(torrent, self.box.ssd)
            noted = ("d.timestamp.started", torrent.hash), ("d.custom", torrent.hash, "seedcache_held")
            until(lambda noted=noted: any(client.multi(*noted)), "it has started, or is held already")

    def ask(self, *fields: str) -> list[list]:
        """Return the fields of each torrent that is in rTorrent, in the order that they were added in."""
        rows = {row[0]: row[1:] for row in self.box.client.call("d.multicall2", "", "main", "d.hash=", *fields)}
        return [rows[torrent.hash] for torrent in self.torrents if torrent.hash in rows]

    def story(self, job_hash: str) -> list[str]:
        """Return what the journal has of one."""
        return [event.action for event in self.box.supervisor.events(job_hash)]

    def marks(self) -> list[str]:
        """Return what bears our mark."""
        return [mark for (mark,) in self.ask("d.custom=seedcache_held")]

    def is_held(self) -> bool:
        """Say whether the oldest run, and the others are held."""
        states = [(state, bool(mark)) for state, mark in self.ask("d.state=", "d.custom=seedcache_held")]
        return states == [(1, False)] * FIT + [(0, True)] * (MANY - FIT)

    def hold(self) -> None:
        """Give it all, and wait until it is as it should be."""
        self.load()
        until(self.is_held, "the newest are held")

    def meet(self) -> None:
        """Introduce those that run and have no peer to the seeder."""
        rows = self.box.client.call("d.multicall2", "", "incomplete", "d.hash=", "d.is_active=", "d.peers_connected=")
        self.swarm.introduce(job_hash for job_hash, active, peers in rows if active and not peers)

    def ends_well(self) -> None:
        """Let them meet the seeder; all arrive, and seed from the HDD with no mark of ours."""
        box = self.box

        def arrived() -> bool:
            self.meet()
            return all(
                box.supervisor.state_of(torrent.hash) in (State.CACHED, State.RELOCATED) for torrent in self.torrents
            )

        until(arrived, "all are on the HDD", 150)
        for torrent in self.torrents:
            assert contents(box.path(box.hdd, torrent)) == contents(box.home / "data" / torrent.name.decode())
        until(lambda: self.ask("d.is_active=", "d.complete=") == [[1, 1]] * MANY, "all seed")
        assert set(self.marks()) <= {"", "own"}
        until(lambda: box.supervisor.metric("seedcache_torrents_held") == 0, "none is held")


@pytest.fixture(params=VERSIONS)
def crowd(request, tmp_path):
    with Seedbox(tmp_path, request.param) as box:
        yield Crowd(box)


def test_a_supervisor_that_is_killed_while_torrents_are_held_goes_on_from_the_marks(crowd):
    crowd.hold()
    crowd.box.supervisor.kill()
    until(lambda: not crowd.box.processes(), "its children have gone")
    assert crowd.is_held()
    crowd.box.supervisor.start()
    until(lambda: crowd.box.supervisor.metric("seedcache_torrents_held") == MANY - FIT, "it has found them")
    crowd.ends_well()


def test_a_space_worker_that_is_killed_with_the_order_in_its_hands_is_replaced_and_they_are_held(crowd):
    worker = crowd.box.supervisor.victim("space")
    worker.suspend()
    crowd.load()
    until(lambda: "worker=space text=admit" in crowd.box.supervisor.said(), "it is to hold them")
    worker.kill()
    until(crowd.is_held, "its successor holds them")
    crowd.ends_well()


def test_an_rtorrent_that_is_killed_while_torrents_are_held_comes_back_with_the_marks(crowd):
    crowd.hold()
    files = [crowd.box.client.session / f"{torrent.hash}.torrent.rtorrent" for torrent in crowd.torrents]

    def saved():
        found = [file.read_bytes() if file.exists() else b"" for file in files]
        runs = all(b"5:statei1e" in each for each in found[:FIT])
        return runs and all(b"5:statei0e" in each and b"seedcache_held" in each for each in found[FIT:])

    # 0.16 writes some time later. Killed before, it has forgotten some, or comes back with them running, and they are
    # held again.
    until(saved, "it is in the session")
    crowd.box.client.kill()
    crowd.box.client.start()
    assert crowd.is_held()
    crowd.ends_well()


def test_one_that_a_person_starts_runs_and_is_not_held_again(crowd):
    crowd.hold()
    newest = crowd.torrents[-1].hash
    crowd.box.client.call("d.start", newest)
    until(lambda: crowd.marks()[-1] == "own", "it is seen")
    until(lambda: crowd.ask("d.state=") == [[1], [0], [0], [1]], "an older one makes room")
    # Its hook runs in the background: it may be held before that is heard of.
    until(lambda: sorted(crowd.story(newest)) == ["disowned", "held", "inserted"], "it is told")
    assert crowd.story(newest).index("held") < crowd.story(newest).index("disowned")
    crowd.ends_well()
    assert crowd.story(newest).count("held") == 1


def test_what_a_person_has_stopped_is_not_started(crowd):
    crowd.hold()
    first, last = crowd.torrents[0].hash, crowd.torrents[-1].hash
    crowd.box.client.call("d.stop", first)
    until(lambda: crowd.ask("d.state=") == [[0], [1], [1], [0]], "the next takes its room")
    crowd.box.client.call("d.erase", last)
    until(lambda: crowd.box.supervisor.metric("seedcache_torrents_held") == 0, "one that is erased is forgotten")
    assert crowd.ask("d.state=", "d.custom=seedcache_held") == [[0, ""], [1, ""], [1, ""]]


def test_space_release_starts_all_while_nobody_supervises_and_they_are_not_held_again(crowd):
    crowd.hold()
    assert crowd.box.supervisor.stop() == 0
    done = crowd.box.supervisor.run("space", "release")
    assert (done.returncode, done.stdout.count(": started\n")) == (0, MANY - FIT)
    assert crowd.ask("d.state=") == [[1]] * MANY
    assert crowd.marks() == [""] * FIT + ["own"] * (MANY - FIT)
    assert "nothing is held" in crowd.box.supervisor.run("space", "release").stdout
    crowd.box.supervisor.start()
    until(lambda: crowd.ask("d.state=") == [[0], [0], [1], [1]], "those that may be held are")
    crowd.ends_well()


def test_one_that_rtorrent_closed_for_low_disk_space_runs_again_when_there_is_room(crowd):
    box = crowd.box
    assert box.supervisor.stop() == 0
    crowd.load(end=1)
    ballast = fill(box.ssd, 3 * MIB)
    until(lambda: crowd.ask("d.hashing_failed=") == [[1]], "rTorrent closes it")
    box.supervisor.start()
    until(lambda: box.supervisor.metric("seedcache_torrents_held") == 1, "it is told of")
    assert crowd.ask("d.state=", "d.is_open=") == [[1, 0]]
    ballast.unlink()
    until(lambda: crowd.ask("d.is_active=") == [[1]], "it runs")
    until(lambda: crowd.story(crowd.torrents[0].hash)[-1] == "revived", "it is told")
    crowd.load(begin=1)
    until(crowd.is_held, "the newest are held")
    crowd.ends_well()


def test_what_a_full_disk_did_to_rtorrent_is_made_good_when_it_is_started_again(crowd):
    box = crowd.box
    assert box.supervisor.stop() == 0
    box.client.stop()
    box.client.extra = re.sub(r"close_low_diskspace=\w+", "close_low_diskspace=1", box.client.extra)
    box.client.start()
    ballast = fill(box.ssd, EACH)
    crowd.load()

    def dead() -> bool:
        with contextlib.suppress(OSError, xmlrpc.Error, ExpatError):
            crowd.meet()
        return not box.client.alive

    until(dead, "the disk is full, and rTorrent dies of it")
    assert box.client.wait() == -signal.SIGBUS
    ballast.unlink()
    box.client.start()
    box.supervisor.start()
    crowd.ends_well()
