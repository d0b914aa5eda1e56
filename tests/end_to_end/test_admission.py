"""An SSD of 150 MB takes ten times as much, faster than it leaves: nothing is closed, lost or left stopped."""

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xmlrpc import client as xmlrpc

import pytest

from supervisor.jobs import State
from tests.support.rtorrents import VERSIONS, RTorrentProcess, until
from tests.support.seedbox import MIB, Seedbox, free
from tests.support.supervisors import SUBMIT
from tests.support.swarms import EVERYWHERE, Swarm
from tests.support.torrents import Torrent, contents, make_torrent, write_tree

pytestmark = pytest.mark.real

SSD = 150
EACH, MANY = 30 * MIB, 50
LARGE = (SSD + 10) * MIB
LOW = 4 * MIB  # with less free, rTorrent closes what is being downloaded; it looks every second


def client_settings(state: Path) -> str:
    """The second hook, and rTorrent's own watch over the space."""
    return (
        # Nearly a fifth of the SSD each second. A hold takes up to two on a busy machine; a full SSD kills rTorrent by
        # SIGBUS, with seedcache or without (docs/admission.md).
        "throttle.global_down.max_rate.set_kb = 30000\n"
        f'schedule = low_space, 1, 1, "close_low_diskspace={LOW}"\n'
        f'method.set_key = event.download.inserted_new, seedcache, "execute.nothrow.bg={SUBMIT},-d,{state},'
        '-e,inserted,$d.hash="\n'
    )


@dataclass
class Flood:
    """Torrents without number, and what was seen meanwhile."""

    box: Seedbox
    seeder: RTorrentProcess
    torrents: list[Torrent] = field(default_factory=list)
    closings: set[str] = field(default_factory=set)
    least_free: int = 1 << 62
    shy: set[str] = field(default_factory=set)  # those that meet nobody before they have left the SSD
    _leave: threading.Event = field(default_factory=threading.Event)

    def make(self, name: str, size: int) -> Torrent:
        """Have the seeder seed a file, of the same data as others of its size."""
        data = self.box.home / "data" / str(size)
        if not data.exists():
            write_tree(data.parent, {os.fsencode(data.name): size})
        where = data.parent / "named" / name
        where.parent.mkdir(exist_ok=True)
        os.link(data, where)
        torrent = make_torrent(where, self.box.home / f"{name}.torrent", piece_length=1 << 20)
        self.seeder.load(torrent, where.parent)
        self.torrents.append(torrent)
        return torrent

    def arrived(self, torrent: Torrent) -> bool:
        """Say whether its HDD copy stands."""
        return self.box.supervisor.state_of(torrent.hash) in (State.CACHED, State.RELOCATED)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Introduce the client's downloads to the seeder, as a tracker does, and look for closings."""
        thread = threading.Thread(target=self._watch)
        thread.start()
        try:
            yield
        finally:
            self._leave.set()
            thread.join()

    def _watch(self) -> None:
        fields = ("d.hash=", "d.is_active=", "d.peers_connected=", "d.hashing_failed=", "d.directory=")
        swarm = Swarm(self.box.client, self.seeder)
        while not self._leave.wait(0.1):
            self.least_free = min(self.least_free, free(self.box.ssd))
            with contextlib.suppress(OSError, xmlrpc.Error):
                rows = self.box.client.call("d.multicall2", "", "incomplete", *fields)
                self.closings |= {row[0] for row in rows if row[3]}  # the message may be overwritten
                swarm.introduce(
                    job_hash
                    for job_hash, active, peers, _, directory in rows
                    if active and not peers and not (job_hash in self.shy and directory == str(self.box.ssd))
                )


@pytest.fixture(params=VERSIONS)
def flood(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flood]:
    with Seedbox(tmp_path, request.param, ssd_mib=SSD, hdd_mib=1850) as box:
        yield Flood(box, box.rtorrent("seeder", extra=EVERYWHERE))


@pytest.mark.timeout(600)  # 1.5 GiB are hashed six times over, beside whatever else runs
def test_ten_times_the_ssd_comes_through_it(flood):
    box = flood.box
    torrents = [flood.make(f"film {number:02}.mkv", EACH) for number in range(MANY)]
    large = flood.make("large.mkv", LARGE)
    flood.shy.add(large.hash)  # no tracker answers within the few tenths of a second that it takes to redirect it
    for torrent in flood.torrents:
        flood.seeder.wait_complete(torrent, 60)
    box.start(extra=client_settings(box.state), max_concurrent_processes=2)
    original = contents(box.home / "data" / str(EACH))
    with flood.watched():
        for torrent in [*torrents[: MANY // 2], large, *torrents[MANY // 2 :]]:
            box.client.load(torrent, box.ssd)
        until(lambda: not box.client.alive or all(map(flood.arrived, flood.torrents)), "all are on the HDD", 420)
    assert box.client.alive
    assert flood.closings == set()
    assert flood.least_free > LOW
    for torrent in torrents:
        assert contents(box.path(box.hdd, torrent)) == original
    assert contents(box.path(box.hdd, large)) == contents(box.home / "data" / str(LARGE))
    rows = box.client.call(
        "d.multicall2", "", "main", "d.is_active=", "d.complete=", "d.hashing=", "d.custom=seedcache_held"
    )
    assert rows == [[1, 1, 0, ""]] * len(flood.torrents)
    held = [
        torrent for torrent in torrents if "held" in {event.action for event in box.supervisor.events(torrent.hash)}
    ]
    assert len(held) > MANY // 2
    assert [event.action for event in box.supervisor.events(large.hash)][:2] == ["inserted", "redirected"]
    assert box.supervisor.metric("seedcache_torrents_held") == 0
    assert box.supervisor.metric("seedcache_admissions_total", change="revived") == 0
