"""An HDD behind a server that hangs or dies: a file system in user space (bindfs) whose server is stopped or killed."""

import os
import signal
import subprocess

import pytest

from supervisor.jobs import State
from tests.support.mounts import loop_mounted
from tests.support.needs import need_program
from tests.support.rtorrents import until
from tests.support.seedbox import Seedbox
from tests.support.torrents import contents

pytestmark = pytest.mark.real

MIB = 1 << 20
FILES = {b"a": 300_000, b"b/c": 70_001, b"b/empty": 0}


class Nas:
    """What is behind it is a directory on the HDD of the seedbox, behind two servers, one after the other.

    So there are two ways to hang. The outer one takes no request any more: who asks can be killed. Or it has taken one
    and waits for the inner: who asked sleeps in the kernel until the answer, and nothing can end it before.
    """

    def __init__(self, behind, where):
        self.where = where
        self._mounts = [(behind, where.with_name("inner")), (where.with_name("inner"), where)]
        behind.mkdir()
        for _, at in self._mounts:
            at.mkdir()
        self.serve()

    def serve(self):
        self._servers = []
        for behind, at in self._mounts:
            self._servers.append(subprocess.Popen([need_program("bindfs"), "-f", behind, at]))
            until(lambda at=at: os.path.ismount(at), "it is mounted")

    def hang(self, *, holding_requests=False):
        self._servers[0 if holding_requests else 1].send_signal(signal.SIGSTOP)

    def go_on(self):
        for server in self._servers:
            server.send_signal(signal.SIGCONT)

    def die(self):
        for server in reversed(self._servers):
            server.kill()
            server.wait()

    def unmount(self):
        for _, at in reversed(self._mounts):
            subprocess.run(["umount", "--lazy", at], check=True)


@pytest.fixture
def box(tmp_path):
    with Seedbox(tmp_path) as made:
        yield made


@pytest.fixture
def nas(box, tmp_path):
    made = Nas(box.hdd / "behind", tmp_path / "nas")
    yield made
    made.die()  # whoever waits for it is told so
    box.supervisor.close()
    box.client.close()
    made.unmount()


def is_relocated(box, nas, torrent, expected):
    job = box.supervisor.wait_for(torrent.hash, State.RELOCATED)
    assert job.attempts == 0
    assert contents(nas.where / "Show") == expected
    assert not (box.ssd / "Show").exists()
    assert box.seeds_from(nas.where, torrent)


def is_on_the_ssd(box, torrent, expected):
    assert contents(box.ssd / "Show") == expected
    assert box.seeds_from(box.ssd, torrent)


def is_not_trusted(box, nas):
    until(lambda: box.supervisor.metric("seedcache_disk_trusted", path=str(nas.where)) == 0, "it is not trusted")
    assert str(nas.where) in box.supervisor.get("/-/ready")[1]


def status_says_so(box):
    def words():
        return " ".join(box.supervisor.run("status").stdout.split())

    until(lambda: "nas is not mounted, does not answer, or is another disk" in words(), "status says so")


@pytest.mark.parametrize("first", ["asked", "noticed"])
def test_a_server_that_hangs_holds_up_its_own_torrents_only_and_they_go_on_with_it(box, nas, tmp_path, first):
    other = box.enter(loop_mounted(tmp_path, "other"))
    box.start(
        final_dest_base_hdd=[str(nas.where), str(other)], destinations=[f"films={other}", f"tv={nas.where}"],
        stop_grace=3,
    )  # fmt: skip
    show = box.seed("Show", FILES, label="tv")
    expected = contents(box.ssd / "Show")
    box.supervisor.wait_for(show.hash, State.CACHED)
    nas.hang()
    if first == "asked":
        box.supervisor.ask(show.hash, "relocate")
    is_not_trusted(box, nas)
    if first == "noticed":
        box.supervisor.ask(show.hash, "relocate")
        until(lambda: not os.listdir(box.state / "spool"), "it is read")
    film = box.seed("film", FILES, label="films")
    box.supervisor.wait_for(film.hash, State.CACHED)
    box.supervisor.signal(signal.SIGHUP)
    until(lambda: "action=reloaded" in box.supervisor.said(), "it has read its settings")
    assert box.supervisor.get("/-/healthy")[0] == 200
    status_says_so(box)
    check = box.supervisor.run("check")
    assert f"{nas.where} does not answer" in check.stdout
    below = box.supervisor.run("status", environment={"FINAL_DEST_BASE_HDD": f"{nas.where}/media"})
    assert (below.returncode, f"'{nas.where}/media' does not answer" in below.stderr) == (3, True)
    is_on_the_ssd(box, show, expected)
    assert box.supervisor.stop() == 0
    box.supervisor.start()
    is_not_trusted(box, nas)
    nas.go_on()
    is_relocated(box, nas, show, expected)


def test_a_server_that_dies_costs_nothing_and_its_torrents_go_on_with_the_next(box, nas):
    box.start(final_dest_base_hdd=[str(nas.where)], copy_retry_attempts=1)
    show = box.seed("Show", FILES)
    expected = contents(box.ssd / "Show")
    box.supervisor.wait_for(show.hash, State.CACHED)
    nas.die()
    box.supervisor.ask(show.hash, "relocate")
    film = box.seed("film", FILES)
    is_not_trusted(box, nas)
    status_says_so(box)
    is_on_the_ssd(box, show, expected)
    nas.unmount()
    nas.serve()
    is_relocated(box, nas, show, expected)
    assert box.supervisor.wait_for(film.hash, State.CACHED).attempts == 0


@pytest.mark.parametrize("mortal", [True, False], ids=["mortal", "immortal"])
def test_a_copy_to_a_server_that_hangs_leaves_its_worker_to_others(box, nas, tmp_path, mortal):
    other = box.enter(loop_mounted(tmp_path, "other"))
    box.start(
        final_dest_base_hdd=[str(nas.where), str(other)], destinations=[f"films={other}", f"tv={nas.where}"],
        max_concurrent_processes=1, copy_rate_limit=4, disk_timeout=2,
    )  # fmt: skip
    show = box.seed("Show", {b"a": 24 * MIB, b"b": 70_001}, label="tv")
    expected = contents(box.ssd / "Show")
    until(lambda: box.supervisor.copying(show.hash), "it is being copied")
    nas.hang(holding_requests=not mortal)
    is_not_trusted(box, nas)
    film = box.seed("film", FILES, label="films")
    assert box.supervisor.wait_for(film.hash, State.CACHED).attempts == 0
    nas.go_on()
    assert box.supervisor.wait_for(show.hash, State.CACHED).attempts == 0
    box.supervisor.ask(show.hash, "relocate")
    is_relocated(box, nas, show, expected)


@pytest.mark.parametrize("mortal", [True, False], ids=["mortal", "immortal"])
def test_a_relocation_to_a_server_that_hangs_leaves_the_space_worker_to_others(box, nas, tmp_path, mortal):
    other = box.enter(loop_mounted(tmp_path, "other"))
    box.start(
        final_dest_base_hdd=[str(nas.where), str(other)], destinations=[f"films={other}", f"tv={nas.where}"],
        disk_timeout=2,
    )  # fmt: skip
    show, film = box.seed("Show", FILES, label="tv"), box.seed("film", FILES, label="films")
    expected = contents(box.ssd / "Show")
    for torrent in (show, film):
        box.supervisor.wait_for(torrent.hash, State.CACHED)
    worker = box.supervisor.victim("space")
    worker.suspend()
    box.supervisor.ask(show.hash, "relocate")
    until(lambda: box.supervisor.worker("space")["hash"] == show.hash, "it is told to relocate it")
    nas.hang(holding_requests=not mortal)
    worker.resume()
    is_not_trusted(box, nas)
    box.supervisor.ask(film.hash, "relocate")
    box.supervisor.wait_for(film.hash, State.RELOCATED)
    assert box.supervisor.crew()
    if mortal:  # it was killed, and its end may take a moment
        until(lambda: not worker.is_running(), "it has ended")
    assert worker.is_running() is not mortal
    status_says_so(box)
    is_on_the_ssd(box, show, expected)
    nas.go_on()
    is_relocated(box, nas, show, expected)


def test_what_lies_behind_a_server_that_hangs_keeps_no_other_torrent_on_the_ssd(box, nas, tmp_path):
    other = box.enter(loop_mounted(tmp_path, "other"))
    box.start(
        final_dest_base_hdd=[str(nas.where), str(other)], destinations=[f"films={other}", f"tv={nas.where}"]
    )  # fmt: skip
    show = box.seed("Show", FILES, label="tv")
    expected = contents(box.ssd / "Show")
    box.supervisor.wait_for(show.hash, State.CACHED)
    box.supervisor.ask(show.hash, "relocate")
    is_relocated(box, nas, show, expected)
    nas.hang()
    film = box.seed("film", {b"f": 50_000}, label="films")
    box.supervisor.wait_for(film.hash, State.CACHED)
    box.supervisor.ask(film.hash, "relocate")
    box.supervisor.wait_for(film.hash, State.RELOCATED)
    twin = box.seed("twin", FILES, label="films")  # of the same size: what it shares with the one there is not known
    box.supervisor.wait_for(twin.hash, State.CACHED)
    box.supervisor.ask(twin.hash, "relocate")
    until(lambda: "no answer from its disk" in (box.supervisor.job(twin.hash).reason), "its reason says so")
    assert (box.ssd / "twin").exists()
    nas.go_on()
    box.supervisor.wait_for(twin.hash, State.RELOCATED)


def test_an_ssd_that_hangs_stops_everything_and_loses_nothing(box, nas):
    box.ssd = nas.where
    box.start(copy_rate_limit=4, disk_timeout=2)
    show = box.seed("Show", {b"a": 32 * MIB, b"b": 70_001})  # long enough to be in the middle of it
    expected = contents(box.ssd / "Show")
    until(lambda: box.supervisor.copying(show.hash), "it is being copied")
    nas.hang()
    is_not_trusted(box, nas)
    until(lambda: "action=given-up" in box.supervisor.said(), "its worker is given up")
    assert box.supervisor.get("/-/healthy")[0] == 200
    status_says_so(box)
    nas.go_on()
    assert box.supervisor.wait_for(show.hash, State.CACHED).attempts == 0
    box.supervisor.ask(show.hash, "relocate")
    box.relocated(show, expected)
