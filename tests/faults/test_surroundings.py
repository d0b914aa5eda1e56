"""What the supervisor lives among fails: disks vanish, change, fill up, rot; the journal cannot be written."""

import itertools
import os
import shutil
import subprocess
import time
from contextlib import contextmanager, suppress

import pytest

from supervisor import spool
from supervisor.jobs import Proof, State
from tests.support.mounts import loop_mounted
from tests.support.rtorrents import until
from tests.support.seedbox import MIB, Seedbox, cached, fill, forget
from tests.support.torrents import contents

pytestmark = pytest.mark.real

FILES = {b"a": 300_000, b"b/c": 70_001, b"b/empty": 0}


@pytest.fixture
def box(tmp_path):
    with Seedbox(tmp_path, hdd_mib=48) as made:
        yield made


def unmount(where):
    """As a person does: again, if the supervisor is looking at it at that moment."""
    until(lambda: subprocess.run(["umount", where], check=False).returncode == 0, f"{where} is unmounted")


def mount(where):
    subprocess.run(["mount", "-o", "loop", f"{where}.image", where], check=True)


def original(box, torrent):
    return contents(box.path(box.ssd, torrent))


def untouched(box, torrent, expected):
    """The SSD has it, rTorrent seeds it from there, and at its final name on the HDD there is nothing."""
    assert contents(box.path(box.ssd, torrent)) == expected
    assert box.seeds_from(box.ssd, torrent)
    assert not box.path(box.hdd, torrent).exists()


def is_cached(box, torrent, expected):
    box.supervisor.wait_for(torrent.hash, State.CACHED)
    assert contents(box.path(box.hdd, torrent)) == expected
    assert not any(torrent.hash in partial.name for partial in box.partials())


@contextmanager
def idle(box, seconds=3.0):
    """What happens inside must cost next to no processor time."""
    began, before = time.monotonic(), box.supervisor.cpu_seconds()
    yield
    until(lambda: time.monotonic() - began >= seconds, "time goes by")
    used, lasted = box.supervisor.cpu_seconds() - before, time.monotonic() - began
    assert used < 0.15 * lasted + 0.2, f"{used:.2f} s of processor time in {lasted:.1f} s"


# -- disks that are not there ------------------------------------------------------------------------------------------


def test_an_hdd_that_is_not_mounted_at_the_start_is_refused_and_not_filled_and_taken_when_it_is_back(box):
    box.start()
    torrent = box.seed("Show", FILES, submit=False)
    expected = original(box, torrent)
    box.supervisor.stop()
    unmount(box.hdd)
    box.supervisor.start()
    try:
        box.supervisor.submit(torrent.hash)
        box.supervisor.wait_for(torrent.hash, State.SUBMITTED)
        until(lambda: box.supervisor.get("/-/ready")[0] == 503, "it says that it is not ready")
        with idle(box):
            pass
        assert box.supervisor.state_of(torrent.hash) is State.SUBMITTED
        assert os.listdir(box.hdd) == []
    finally:
        mount(box.hdd)
    is_cached(box, torrent, expected)


def test_an_hdd_that_goes_between_two_looks_costs_no_attempt_and_nothing_is_written_below_it(box):
    box.start(space_check_interval=60, retry_delay=0.3)
    torrent = box.seed("Show", FILES, submit=False)
    expected = original(box, torrent)
    unmount(box.hdd)
    try:
        box.supervisor.submit(torrent.hash)
        reason = box.supervisor.wait_for_event(torrent.hash, State.WAITING).text
        assert str(box.hdd) in reason
        assert "mounted" in reason
        until(lambda: box.supervisor.state_of(torrent.hash) is State.SUBMITTED, "it waits for the disk")
        assert os.listdir(box.hdd) == []
        assert box.supervisor.job(torrent.hash).attempts == 0
    finally:
        mount(box.hdd)
    box.supervisor.ask("all", "space")  # or up to the next look
    is_cached(box, torrent, expected)


def test_another_file_system_in_the_hdds_place_is_refused_until_a_person_trusts_it(box, tmp_path):
    box.start()
    torrent = box.seed("Show", FILES, submit=False)
    expected = original(box, torrent)
    unmount(box.hdd)
    with loop_mounted(tmp_path, "other") as other:
        subprocess.run(["mount", "--bind", other, box.hdd], check=True)
        try:
            box.supervisor.submit(torrent.hash)
            until(lambda: box.supervisor.metric("seedcache_disk_trusted", disk="hdd") == 0, "it is not trusted")
            until(lambda: box.supervisor.state_of(torrent.hash) is State.SUBMITTED, "the job waits")
            assert os.listdir(box.hdd) == ["lost+found"]
            box.supervisor.ask("all", "trust")
            is_cached(box, torrent, expected)
            box.supervisor.stop()
        finally:
            unmount(box.hdd)
    mount(box.hdd)


def test_of_two_hdds_one_that_is_away_stops_only_its_own_torrents(tmp_path):
    with Seedbox(tmp_path, hdd_mib=48) as box:
        other = box.enter(loop_mounted(tmp_path, "other", "xfs", 300))
        roots = [str(box.hdd), str(other)]
        box.start(final_dest_base_hdd=roots, destinations=[f"films={other}/films"], copy_retry_attempts=1)
        film = box.seed("film.mkv", MIB, label="films")
        expected = original(box, film)
        box.supervisor.wait_for(film.hash, State.CACHED)
        assert contents(other / "films" / "film.mkv") == expected
        unmount(other)
        try:
            until(lambda: box.supervisor.metric("seedcache_disk_trusted", path=str(other)) == 0, "it is not trusted")
            away = box.seed("second.mkv", MIB, label="films")
            show = box.seed("Show", FILES, label="tv")
            box.supervisor.wait_for(show.hash, State.CACHED)
            box.supervisor.ask(show.hash, "relocate")
            box.supervisor.wait_for(show.hash, State.RELOCATED)
            box.supervisor.ask(film.hash, "relocate")
            assert box.supervisor.state_of(away.hash) is State.SUBMITTED
            assert os.listdir(other) == []
            assert box.seeds_from(box.ssd, film)
        finally:
            subprocess.run(["mount", "-o", "loop", f"{other}.image", other], check=True)
        job = box.supervisor.wait_for(away.hash, State.CACHED)
        assert (job.attempts, os.fsdecode(job.destination)) == (0, f"{other}/films")
        box.supervisor.stop()


# -- disks that are full ----------------------------------------------------------------------------------------------


def test_a_torrent_that_does_not_fit_waits_with_the_reason_and_is_done_when_there_is_room(box):
    box.start(copy_retry_attempts=1)
    ballast = fill(box.hdd, 2 * MIB)
    torrent = box.seed("film.mkv", 8 * MIB)
    expected = original(box, torrent)
    waiting = box.supervisor.wait_for(torrent.hash, State.WAITING)
    assert str(box.hdd) in waiting.reason
    assert "0.01 GiB more must be free" in waiting.reason
    until(lambda: box.supervisor.metric("seedcache_torrents_waiting", reason="room") == 1, "it says so")
    smaller = box.seed("small.mkv", MIB)
    is_cached(box, smaller, original(box, smaller))
    untouched(box, torrent, expected)
    assert box.supervisor.job(torrent.hash).attempts == 0
    ballast.unlink()
    is_cached(box, torrent, expected)


def test_an_hdd_that_lacks_something_that_df_does_not_show_costs_no_attempt_either(tmp_path):
    """It has run out of inodes: as with a quota, what is free says nothing."""
    with Seedbox(tmp_path) as box:
        box.start(copy_retry_attempts=1)
        with suppress(OSError):
            for number in itertools.count():
                (box.hdd / f"x{number}").touch()
        for number in range(5):
            (box.hdd / f"x{number}").unlink()
        torrent = box.seed("Show", {b"%02d" % number: 100_000 for number in range(16)})
        expected = original(box, torrent)
        waiting = box.supervisor.wait_for(torrent.hash, State.WAITING)
        assert "no space is left" in waiting.reason
        untouched(box, torrent, expected)
        until(lambda: len(box.supervisor.events(torrent.hash)) > 12, "it is tried again and again")
        job = box.supervisor.job(torrent.hash)
        assert (job.attempts, job.state is State.FAILED) == (0, False)
        for path in box.hdd.glob("x*"):
            path.unlink()
        is_cached(box, torrent, expected)


def test_an_hdd_that_fills_up_in_mid_copy_is_waited_for_and_the_copy_resumed(box):
    box.start(copy_retry_attempts=1)
    torrent = box.seed("Show", {b"%02d" % number: MIB for number in range(24)}, submit=False)
    expected = original(box, torrent)
    with box.copying(torrent):
        ballast = fill(box.hdd, 0)
        reason = box.supervisor.wait_for_event(torrent.hash, State.WAITING).text
    assert "space" in reason or "free" in reason
    untouched(box, torrent, expected)

    def lacking():
        return "GiB more must be free" in box.supervisor.job(torrent.hash).reason

    until(lacking, "it says how much is missing")
    partial = next(path for path in box.partials() if path.is_dir())
    subprocess.run(["sync", "--file-system", partial], check=True)
    forget(partial)
    tried = box.supervisor.metric("seedcache_step_attempts_total", step="copy")
    began = os.times().elapsed
    until(lambda: os.times().elapsed - began >= 3, "time goes by")
    assert box.supervisor.metric("seedcache_step_attempts_total", step="copy") == tried
    assert cached(partial) == 0  # nobody has read what was copied
    assert box.supervisor.job(torrent.hash).attempts == 0
    ballast.unlink()
    is_cached(box, torrent, expected)
    until(lambda: box.supervisor.metric("seedcache_resumed_bytes_total") > 0, "it is counted")


# -- data that is wrong -----------------------------------------------------------------------------------------------


def flip(path):
    """Change one byte in the middle behind everybody's back."""
    info = path.stat()
    with path.open("r+b") as file:
        file.seek(info.st_size // 2)
        byte = file.read(1)[0]
        file.seek(info.st_size // 2)
        file.write(bytes([byte ^ 1]))
        os.fsync(file.fileno())
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


def test_ssd_data_that_has_rotted_is_never_published_and_is_copied_once_it_is_right_again(box):
    box.start()
    torrent = box.seed("Show", FILES, submit=False)
    expected = original(box, torrent)
    flip(box.path(box.ssd, torrent) / "a")
    wrong = original(box, torrent)
    box.supervisor.submit(torrent.hash)
    job = box.supervisor.wait_for(torrent.hash, State.FAILED)
    assert "piece" in job.reason
    assert job.proof is Proof.NONE
    untouched(box, torrent, wrong)
    until(lambda: box.supervisor.metric("seedcache_proof_failures_total") > 0, "it is counted")
    flip(box.path(box.ssd, torrent) / "a")
    box.supervisor.ask(torrent.hash, "retry")
    is_cached(box, torrent, expected)


def test_an_hdd_copy_that_has_rotted_fails_its_verification_and_nothing_is_removed(box):
    box.start()
    torrent = box.seed("Show", FILES)
    expected = original(box, torrent)
    is_cached(box, torrent, expected)
    flip(box.path(box.hdd, torrent) / "a")
    box.supervisor.ask(torrent.hash, "verify")
    job = box.supervisor.wait_for(torrent.hash, State.FAILED)
    assert job.proof is Proof.NONE
    box.supervisor.ask(torrent.hash, "relocate")
    until(lambda: box.supervisor.events(torrent.hash)[-1].action == "refused", "it was asked for, and refused")
    assert box.supervisor.state_of(torrent.hash) is State.FAILED
    assert contents(box.path(box.ssd, torrent)) == expected
    assert box.seeds_from(box.ssd, torrent)


def test_an_ssd_file_of_another_size_is_refused_with_the_reason(box):
    box.start()
    torrent = box.seed("Show", FILES, submit=False)
    with (box.path(box.ssd, torrent) / "b" / "c").open("ab") as file:
        file.write(b"x")
    wrong = original(box, torrent)
    box.supervisor.submit(torrent.hash)
    job = box.supervisor.wait_for(torrent.hash, State.FAILED)
    assert "70002 bytes" in job.reason
    untouched(box, torrent, wrong)


def test_an_hdd_copy_that_was_taken_away_is_noticed_before_the_switch(box):
    box.start()
    torrent = box.seed("Show", FILES)
    expected = original(box, torrent)
    is_cached(box, torrent, expected)
    shutil.rmtree(box.path(box.hdd, torrent))
    box.supervisor.ask(torrent.hash, "relocate")
    job = box.supervisor.wait_for(torrent.hash, State.FAILED)
    assert "missing" in job.reason
    untouched(box, torrent, expected)


# -- the journal ------------------------------------------------------------------------------------------------------


def test_submissions_stay_in_the_spool_while_the_journals_disk_is_full_and_are_done_when_it_is_not(tmp_path):
    with Seedbox(tmp_path) as box:
        state = box.enter(loop_mounted(box.home / "seedcache", "state", mib=16))
        box.start()
        torrents = [box.seed(f"Show {number}", FILES, submit=False) for number in range(3)]
        ballast = fill(state, 0)
        for number in range(200):  # until the log of the journal wants more room
            box.supervisor.submit(f"{number:040X}", "inserted")
            if box.supervisor.metric("seedcache_journal_writable") == 0:
                break
        for torrent in torrents:
            box.supervisor.submit(torrent.hash)
        until(lambda: box.supervisor.metric("seedcache_journal_writable") == 0, "it says that it cannot write")
        assert box.supervisor.get("/-/ready")[0] == 503
        with idle(box, 6):
            pass
        assert all(spool.waits(str(state), torrent.hash, "finished") for torrent in torrents)
        assert not list(box.hdd.glob("Show*"))
        ballast.unlink()
        for torrent in torrents:
            is_cached(box, torrent, original(box, torrent))
        assert os.listdir(state / "spool") == []
        assert box.supervisor.get("/-/ready")[0] == 200
        box.supervisor.stop()
