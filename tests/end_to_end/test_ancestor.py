"""The twenty failures of the script this grew from. Each test fails on what that did."""

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from supervisor.adapters import session
from supervisor.jobs import Proof, State, Telling
from tests.fakes.arr import KEY, FakeArr
from tests.support.rtorrents import until
from tests.support.seedbox import MIB, Seedbox, fill, hook, slowly_written
from tests.support.supervisors import SUBMIT
from tests.support.torrents import Torrent, contents, write_tree

pytestmark = pytest.mark.real

FILES = {b"a": 120_000, b"b/c": 70_001, b"b/empty": 0}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Seedbox, FakeArr]]:
    with Seedbox(tmp_path_factory.mktemp("ancestor"), ssd_mib=128, hdd_mib=160) as made, FakeArr("sonarr") as service:
        made.start(sonarr_url=service.url, sonarr_api_key=KEY, sonarr_tag="tv", copy_retry_attempts=100)
        yield made, service


@pytest.fixture
def box(shared):
    return shared[0]


@pytest.fixture
def arr(shared):
    return shared[1]


@pytest.fixture
def own(tmp_path):
    """Return a seedbox that is not started, for what the others must not suffer from."""
    with Seedbox(tmp_path) as made:
        yield made


def on_ssd(box: Seedbox, torrent: Torrent) -> dict[bytes, bytes]:
    return contents(box.path(box.ssd, torrent))


def cached(box, torrent, label=""):
    box.supervisor.wait_for(torrent.hash, State.CACHED)
    assert contents(box.path(box.hdd, torrent, label)) == on_ssd(box, torrent)


def flip(path):
    """Change a byte; size and mtime stay."""
    info = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


def test_01_a_partial_copy_on_the_hdd_is_completed_and_proven_before_the_ssd_data_goes(box):
    """It removed the SSD data as soon as the HDD path existed."""
    torrent = box.seed("01", FILES, submit=False)
    expected, target = on_ssd(box, torrent), box.path(box.hdd, torrent)
    target.mkdir()
    shutil.copy2(box.path(box.ssd, torrent) / "a", target / "a")
    box.supervisor.submit(torrent.hash)
    box.supervisor.ask(torrent.hash, "relocate")
    job = box.supervisor.wait_for(torrent.hash, State.CACHED)
    assert (contents(target), job.proof) == (expected, Proof.READ_BACK)
    box.supervisor.ask(torrent.hash, "relocate")
    box.relocated(torrent, expected)


def test_02_somebody_elses_data_of_the_same_name_is_not_touched(box):
    """It removed a target that failed its check, whoever it belonged to."""
    torrent = box.seed("02", FILES, submit=False)
    expected, target = on_ssd(box, torrent), box.path(box.hdd, torrent)
    theirs = {b"a": 5, b"b/c": 70_001, b"their own": 9}
    before = contents(write_tree(target, theirs, seed=99))
    box.supervisor.submit(torrent.hash)
    job = box.supervisor.wait_for(torrent.hash, State.FAILED)
    assert str(target) in job.reason
    assert contents(target) == before
    assert on_ssd(box, torrent) == expected
    assert box.seeds_from(box.ssd, torrent)


@pytest.mark.parametrize("label", ["../../outside", "..", "/outside", "tv/../../outside", "%2e%2e%2foutside"])
def test_03_a_label_cannot_lead_out_of_the_hdd_root(box, label):
    """It joined the label to the path as it was."""
    torrent = box.seed(f"03 {label.replace('/', '_')}", FILES, label=label)
    before = on_ssd(box, torrent)
    job = box.supervisor.wait_for(torrent.hash, State.FAILED)
    assert "label" in job.reason
    assert not [path for path in box.hdd.parent.rglob("outside*") if path.name == "outside"]
    assert on_ssd(box, torrent) == before


def test_04_rtorrent_is_not_pointed_at_a_copy_that_is_not_proven(box):
    """It re-pointed the torrent before it had copied, and no failure pointed it back."""
    torrent = box.seed("04", FILES, submit=False)
    flip(box.path(box.ssd, torrent) / "a")
    box.supervisor.submit(torrent.hash)
    until(lambda: getattr(box.supervisor.job(torrent.hash), "attempts", 0) > 1, "it was tried more than once")
    assert "wrong" in box.supervisor.job(torrent.hash).reason
    assert not box.was_closed(torrent)  # at no time
    assert box.seeds_from(box.ssd, torrent)
    assert not box.path(box.hdd, torrent).exists()
    box.supervisor.ask(torrent.hash, "cancel")


def test_05_a_name_keeps_the_spaces_at_its_edges(box):
    """It stripped the name, and looked for another one."""
    torrent = box.seed("  05 edges  ", FILES)
    cached(box, torrent)
    assert "  05 edges  " in os.listdir(box.hdd)


def test_06_the_ssd_data_goes_only_when_rtorrent_has_the_copy_also_after_a_crash(own):
    """It removed first, started then, and neither looked whether the torrent came back nor saved the session."""
    own.start()
    torrent = own.seed("06", FILES)
    expected = on_ssd(own, torrent)
    own.supervisor.wait_for(torrent.hash, State.CACHED)
    own.supervisor.ask(torrent.hash, "relocate")
    first = own.path(own.ssd, torrent) / "a"
    until(lambda: not first.exists(), "the first file goes")
    own.client.kill()  # at that very moment
    saved = session.directory(os.fsencode(own.client.session), torrent.hash)
    assert saved == os.fsencode(own.path(own.hdd, torrent))
    own.client.start()
    until(lambda: own.seeds_from(own.hdd, torrent), "it seeds again")
    own.relocated(torrent, expected)


def test_07_the_same_size_and_number_of_files_is_no_proof(box):
    """It compared total size and number of items."""
    torrent = box.seed("07", FILES, submit=False)
    target = box.path(box.hdd, torrent)
    shutil.copytree(box.path(box.ssd, torrent), target)
    flip(target / "a")
    wrong = contents(target)
    box.supervisor.submit(torrent.hash)
    job = box.supervisor.wait_for(torrent.hash, State.FAILED)
    assert job.proof is Proof.NONE
    box.supervisor.ask(torrent.hash, "relocate")
    until(lambda: box.supervisor.events(torrent.hash)[-1].action == "refused", "it is refused")
    assert box.supervisor.state_of(torrent.hash) is State.FAILED
    assert contents(target) == wrong
    assert box.path(box.ssd, torrent).exists()


def test_08_sonarr_is_told_to_copy(box, arr):
    """It named no importMode: Sonarr may move the HDD copy away then, and delete its folder."""
    torrent = box.seed("08", FILES, label="tv")
    cached(box, torrent, "tv")
    (command,) = [command for command in arr.commands if command["downloadClientId"] == torrent.hash]
    assert command["importMode"] == "Copy"
    assert command["path"] == str(box.path(box.hdd, torrent, "tv"))


def test_09_a_label_that_changes_after_the_import_makes_no_second_copy(box):
    """It computed the target anew from the label of the moment, which Sonarr changes."""
    torrent = box.seed("09", FILES, label="tv")
    cached(box, torrent, "tv")
    before = box.supervisor.job(torrent.hash)
    expected = on_ssd(box, torrent)
    box.client.call("d.custom1.set", torrent.hash, "tv-imported")
    box.supervisor.submit(torrent.hash)
    until(lambda: box.supervisor.job(torrent.hash).submitted > before.submitted, "it is taken")
    cached(box, torrent, "tv")
    assert not (box.hdd / "tv-imported").exists()
    box.supervisor.ask(torrent.hash, "relocate")
    box.relocated(torrent, expected, "tv")


def test_10_two_hooks_for_one_torrent_make_one_copy(box):
    """It let both run: the second removed what the first was writing."""
    torrent = box.seed("10", 12 * MIB, submit=False)
    with slowly_written(box.hdd, 1):  # the hooks take a second where other tests run beside
        hooks = [threading.Thread(target=box.supervisor.submit, args=(torrent.hash,)) for _ in range(8)]
        for each in hooks:
            each.start()
        for each in hooks:
            each.join()
        until(lambda: box.supervisor.copying(torrent.hash), "the copy is on its way")
        box.supervisor.submit(torrent.hash)
    cached(box, torrent)
    assert [event.action for event in box.supervisor.events(torrent.hash)].count("copying") == 1


def test_11_a_torrent_whose_worker_dies_is_not_lost(own):
    """It removed the queue's file when it started the child: whatever happened then lost the torrent."""
    own.start()
    torrent = own.seed("11", 12 * MIB, submit=False)
    with own.copying(torrent):
        os.kill(next(worker["pid"] for worker in own.supervisor.crew() if worker["hash"]), signal.SIGKILL)
        assert "signal 9" in own.supervisor.wait_for_event(torrent.hash, State.WAITING).text
    cached(own, torrent)


def test_12_what_waits_is_done_by_the_clock_and_not_by_the_next_hook(box):
    """It looked at its queue only when the next torrent was finished."""
    torrent = box.seed("12", FILES, submit=False)
    where = box.path(box.ssd, torrent) / "a"
    where.rename(f"{where}.away")
    box.supervisor.submit(torrent.hash)
    box.supervisor.wait_for(torrent.hash, State.WAITING)
    where.with_name("a.away").rename(where)
    cached(box, torrent)


def test_13_who_does_not_get_the_lock_leaves_it_alone(box):
    """It unlinked the lock file that it had not got: the third had a lock of its own."""
    locks = [box.state / "run" / "supervisor.lock", *(box.state / "locks").glob("*.lock")]
    before = [lock.stat().st_ino for lock in locks]
    for _ in range(2):
        assert box.supervisor.run("run").returncode == 5
    assert [lock.stat().st_ino for lock in locks] == before
    assert box.supervisor.alive


def make_room_for_one(box, torrents):
    """Fill the SSD so far that the space of one of the equal torrents is wanted."""
    fill(box.ssd, 3 * MIB)
    box.supervisor.configure(disk_space_threshold_gb=(3 * MIB + torrents[0].size // 2) / 1024**3)
    box.supervisor.signal(signal.SIGHUP)


def test_14_age_is_the_time_of_completion_that_every_rtorrent_knows(own):
    """It read the age from a custom field that a stock rTorrent does not set: no torrent was ever old enough."""
    own.start()
    seeder, data = own.rtorrent("seeder"), own.home / "seeder" / "data"
    torrents = [own.make(f"14 {number}", 4 * MIB, data) for number in range(3)]
    began = int(time.time())
    for torrent in torrents:  # downloaded one after the other, in different seconds: rTorrent's time has no finer ones
        seeder.seed(torrent, data)
        own.client.load(torrent, own.ssd)
        until(lambda torrent=torrent: own.client.call("d.is_active", torrent.hash), "it takes peers")
        own.client.add_peer(torrent, seeder)
        own.supervisor.wait_for(torrent.hash, State.CACHED)
        ended = int(time.time())
        until(lambda ended=ended: int(time.time()) > ended, "a second goes by")
    finished = [own.supervisor.job(torrent.hash).finished for torrent in torrents]
    assert began <= finished[0] < finished[1] < finished[2]
    expected = on_ssd(own, torrents[0])
    make_room_for_one(own, torrents)
    own.relocated(torrents[0], expected)
    until(lambda: own.supervisor.metric("seedcache_space_low") == 0, "there is space")
    assert [own.supervisor.state_of(torrent.hash) for torrent in torrents[1:]] == [State.CACHED] * 2  # no need


def test_15_a_torrent_that_cannot_be_switched_does_not_stop_the_pass(own):
    """One that failed ended the pass; it was the oldest, so it ended every pass."""
    own.start(retry_delay=300)
    torrents = [own.seed(f"15 {number}", 4 * MIB) for number in range(2)]
    expected = [on_ssd(own, torrent) for torrent in torrents]
    for torrent in torrents:
        own.supervisor.wait_for(torrent.hash, State.CACHED)
    own.path(own.hdd, torrents[0]).unlink()
    make_room_for_one(own, torrents)
    own.relocated(torrents[1], expected[1])
    assert own.supervisor.state_of(torrents[0].hash) is State.FAILED
    assert on_ssd(own, torrents[0]) == expected[0]
    assert own.seeds_from(own.ssd, torrents[0])


def test_16_a_directory_whose_name_begins_like_the_ssd_is_not_the_ssd(box):
    """It took /ssd2 for a part of /ssd."""
    beside = box.ssd.with_name("ssd2")
    torrent = box.make("16", FILES, beside)
    box.client.seed(torrent, beside)
    before = contents(beside / "16")
    box.supervisor.submit(torrent.hash)
    job = box.supervisor.wait_for(torrent.hash, State.FAILED)
    assert "outside DOWNLOAD_PATH_SSD" in job.reason
    assert contents(beside / "16") == before
    assert not box.path(box.hdd, torrent).exists()


def test_17_the_torrent_seeds_on_during_the_copy(box):
    """It stopped the torrent for the whole copy."""
    torrent = box.seed("17", 12 * MIB, submit=False)
    with box.copying(torrent):
        assert box.download(torrent, box.client, "leecher") == on_ssd(box, torrent)
        assert box.seeds_from(box.ssd, torrent)
    cached(box, torrent)
    assert not box.was_closed(torrent)


def test_18_a_torrent_that_does_not_fit_is_not_begun(box):
    """It never looked at the space on the HDD."""
    torrent = box.seed("18", 8 * MIB, submit=False)
    ballast = fill(box.hdd, 4 * MIB)
    box.supervisor.submit(torrent.hash)
    assert "must be free" in box.supervisor.wait_for(torrent.hash, State.WAITING).reason
    ballast.unlink()
    cached(box, torrent)


def test_19_a_service_that_is_down_is_told_when_it_is_back(box, arr):
    """It logged that a notification had failed, and that was all."""
    arr.stop()
    torrent = box.seed("19", FILES, label="tv")
    box.supervisor.wait_for(torrent.hash, State.COPIED)
    until(lambda: box.supervisor.notices(torrent.hash)[0].attempts > 1, "it was tried more than once")
    (notice,) = box.supervisor.notices(torrent.hash)
    assert (notice.service, notice.state) == ("sonarr", Telling.PENDING)
    assert notice.reason
    until(lambda: box.supervisor.metric("seedcache_notices", state="pending") == 1, "it is counted")
    arr.start()
    box.supervisor.ask("all", "process")  # or when it is due
    cached(box, torrent, "tv")
    assert torrent.hash in {command["downloadClientId"] for command in arr.commands}


def test_20_the_hook_does_not_hold_up_rtorrent(own):
    """Its hook was the blocking kind, and imported half a program before it did anything.

    Here the supervisor is frozen, and the disk of the spool slow: rTorrent answers all the same.
    """
    own.start()
    assert "execute.nothrow.bg=" in hook(own.state)
    printed = own.supervisor.run("hook", "print").stdout
    assert "execute.nothrow.bg=" in printed
    assert SUBMIT in printed or "seedcache-submit" in printed
    own.supervisor.signal(signal.SIGSTOP)
    try:
        data = own.home / "seeder" / "data"
        torrents = [own.make(f"20 {number}", FILES, data) for number in range(5)]
        seeder = own.rtorrent("seeder")
        for torrent in torrents:
            seeder.seed(torrent, data)
            own.client.load(torrent, own.ssd)
        for torrent in torrents:
            until(lambda torrent=torrent: own.client.call("d.is_active", torrent.hash), "it takes peers")
            own.client.add_peer(torrent, seeder)
        entries = set()
        while len(entries) < len(torrents):
            own.client.call("system.client_version")  # fails if there is no answer in time
            entries = set(os.listdir(own.state / "spool"))
        assert entries == {f"{torrent.hash}.finished" for torrent in torrents}
    finally:
        own.supervisor.signal(signal.SIGCONT)
    for torrent in torrents:
        cached(own, torrent)


def test_every_failure_has_its_number():
    names = [name for name in globals() if name.startswith("test_")]
    assert {name.split("_")[1] for name in names} - {"every"} == {f"{number:02}" for number in range(1, 21)}
