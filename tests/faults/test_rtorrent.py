"""RTorrent is down, hangs, is restarted, forgets torrents: no wrong removal, no busy loop, a clear state."""

import time
from contextlib import contextmanager

import pytest

from supervisor.jobs import State
from tests.support.mounts import loop_mounted
from tests.support.rtorrents import VERSIONS, until
from tests.support.seedbox import MIB, Seedbox, fill
from tests.support.torrents import contents, make_torrent

pytestmark = pytest.mark.real

FILES = {b"a": 300_000, b"b/c": 70_001, b"b/empty": 0}


@pytest.fixture(params=VERSIONS)
def box(request, tmp_path):
    with Seedbox(tmp_path, request.param) as made:
        yield made


def original(box, torrent):
    return contents(box.path(box.ssd, torrent))


@contextmanager
def calmly(box, seconds):
    """For so many seconds from the start of the block: little processor time, few calls, no line after another."""
    began = time.monotonic()
    calls = box.supervisor.metric("seedcache_rtorrent_call_duration_seconds_count")
    lines = box.supervisor.said().count("\n")
    cpu = box.supervisor.cpu_seconds()  # after the page of metrics, which costs more than all that follows
    yield
    until(lambda: time.monotonic() >= began + seconds, "time goes by", seconds + 20)
    used = box.supervisor.cpu_seconds() - cpu
    more = box.supervisor.metric("seedcache_rtorrent_call_duration_seconds_count") - calls
    more_lines = box.supervisor.said().count("\n") - lines
    lasted = time.monotonic() - began  # what happens in the block may take longer
    assert used < 0.15 * lasted + 0.2, f"{used:.2f} s of processor time in {lasted:.1f} s"
    assert more <= 2 * lasted + 4, f"{more} calls in {lasted:.1f} s"
    assert more_lines < 20 * lasted, f"{more_lines} lines in {lasted:.1f} s"


def hang_at_the_switch(box, torrent):
    """Have rTorrent hang when the space worker has the torrent and has not asked yet."""
    worker = box.supervisor.victim("space")
    worker.suspend()
    box.supervisor.ask(torrent.hash, "relocate")
    box.supervisor.wait_for(torrent.hash, State.RELOCATING)
    box.client.freeze()
    worker.resume()


def unreachable(box):
    until(lambda: box.supervisor.live()["rtorrent"]["reachable"] is False, "it says that rTorrent is away")


def test_while_rtorrent_is_down_submissions_wait_and_are_done_when_it_is_back(box):
    box.start()
    torrent = box.seed("Show", FILES, submit=False)
    expected = original(box, torrent)
    box.client.kill()
    box.supervisor.submit(torrent.hash)
    with calmly(box, 3):
        unreachable(box)
    assert (box.supervisor.state_of(torrent.hash), box.supervisor.job(torrent.hash).attempts) == (State.SUBMITTED, 0)
    assert box.supervisor.get("/-/ready")[0] == 503
    box.client.start()
    box.supervisor.wait_for(torrent.hash, State.CACHED)
    assert contents(box.path(box.hdd, torrent)) == expected


def test_an_rtorrent_that_hangs_holds_up_nothing_but_what_needs_it(box):
    box.start(rpc_timeout=1)
    first, second = box.seed("first", 12 * MIB, submit=False), box.seed("second", FILES, submit=False)
    expected = original(box, first)
    with box.copying(first):
        box.client.freeze()
        box.supervisor.submit(second.hash)
        with calmly(box, 4):
            unreachable(box)
    box.supervisor.wait_for(first.hash, State.CACHED)
    assert contents(box.path(box.hdd, first)) == expected
    assert box.supervisor.state_of(second.hash) is State.SUBMITTED
    box.client.thaw()
    box.supervisor.wait_for(second.hash, State.CACHED)


def test_an_rtorrent_that_hangs_at_the_switch_loses_nothing_and_the_switch_is_done_later(box):
    box.start(rpc_timeout=1, retry_delay=1)
    torrent = box.seed("Show", FILES)
    expected = original(box, torrent)
    box.supervisor.wait_for(torrent.hash, State.CACHED)
    hang_at_the_switch(box, torrent)
    with calmly(box, 5):
        job = box.supervisor.wait_for(torrent.hash, State.WAITING)
    assert "cannot be asked" in job.reason
    assert job.attempts == 0
    assert original(box, torrent) == expected
    box.client.thaw()
    box.relocated(torrent, expected)


def test_an_rtorrent_that_dies_at_the_switch_comes_back_with_the_torrent_and_it_is_switched_then(box):
    box.start(rpc_timeout=1)
    torrent = box.seed("Show", FILES)
    expected = original(box, torrent)
    box.supervisor.wait_for(torrent.hash, State.CACHED)
    hang_at_the_switch(box, torrent)
    box.supervisor.wait_for(torrent.hash, State.WAITING)
    box.client.kill()
    assert original(box, torrent) == expected
    box.client.start()
    box.relocated(torrent, expected)


def test_an_rtorrent_that_is_restarted_in_mid_copy_does_not_disturb_the_copy(box):
    box.start()
    torrent = box.seed("film.mkv", 24 * MIB, submit=False)
    expected = original(box, torrent)
    with box.copying(torrent):
        box.client.kill()
        box.client.start()
    box.supervisor.wait_for(torrent.hash, State.CACHED)
    assert box.supervisor.metric("seedcache_step_attempts_total", step="copy") == 1
    box.client.wait_complete(torrent)
    box.supervisor.ask(torrent.hash, "relocate")
    box.relocated(torrent, expected)


def test_a_torrent_that_is_erased_in_mid_copy_is_not_relocated_and_both_copies_stay(box):
    box.start()
    torrent = box.seed("film.mkv", 24 * MIB, submit=False)
    expected = original(box, torrent)
    with box.copying(torrent):
        box.client.call("d.erase", torrent.hash)
    box.supervisor.wait_for(torrent.hash, State.CACHED)
    box.supervisor.ask(torrent.hash, "relocate")
    job = box.supervisor.wait_for(torrent.hash, State.GONE, 90)
    assert "erased" in job.reason
    assert original(box, torrent) == expected
    assert contents(box.path(box.hdd, torrent)) == expected


def test_a_torrent_that_is_erased_before_it_is_looked_up_is_gone_and_nothing_is_copied(box):
    box.start()
    torrent = box.seed("Show", FILES, submit=False)
    expected = original(box, torrent)
    box.client.call("d.erase", torrent.hash)
    box.supervisor.submit(torrent.hash)
    with calmly(box, 2):
        box.supervisor.wait_for(torrent.hash, State.GONE, 90)
    assert original(box, torrent) == expected
    assert not box.path(box.hdd, torrent).exists()
    box.client.seed(torrent, box.ssd)  # added again, it is a new one
    box.supervisor.submit(torrent.hash)
    box.supervisor.wait_for(torrent.hash, State.CACHED)


def test_one_that_was_erased_before_its_switch_does_not_stop_the_others(box):
    box.start(disk_space_threshold_gb=1)
    box.supervisor.stop()
    gone, stays = box.seed("gone", FILES), box.seed("stays", FILES)
    expected = original(box, gone), original(box, stays)
    box.supervisor.configure(disk_space_threshold_gb=0)
    box.supervisor.start()
    for torrent in (gone, stays):
        box.supervisor.wait_for(torrent.hash, State.CACHED)
    box.client.call("d.erase", gone.hash)
    box.supervisor.ask(gone.hash, "relocate")
    box.supervisor.ask(stays.hash, "relocate")
    box.relocated(stays, expected[1])
    box.supervisor.wait_for(gone.hash, State.GONE, 90)
    assert original(box, gone) == expected[0]


def test_torrents_that_share_their_files_leave_the_ssd_together(box):
    """As cross-seeds do: the same data for another tracker, another info-hash."""
    box.start(disk_space_threshold_gb=0)
    first = box.seed("Show", FILES)
    expected = original(box, first)
    box.supervisor.wait_for(first.hash, State.CACHED)
    second = make_torrent(box.path(box.ssd, first), box.home / "second.torrent", piece_length=65536)
    box.client.seed(second, box.ssd)
    box.supervisor.ask(first.hash, "relocate")
    for torrent in (first, second):  # the second, of which no hook told, is copied for that
        box.supervisor.wait_for(torrent.hash, State.RELOCATED)
    for torrent in (first, second):  # what they share stays until both have left
        box.relocated(torrent, expected)
        story = [event.text for event in box.supervisor.events(torrent.hash)]
        assert any("asked for by hand; with 1 that share its files" in text for text in story)
        assert box.client.call("d.complete", torrent.hash) == 1


def test_an_rtorrent_that_cannot_save_its_session_keeps_the_ssd_data(tmp_path):
    """0.9.8 and 0.16 go on without a word when the session's disk is full; a restart would bring the old place back."""
    with Seedbox(tmp_path) as box:
        session = box.enter(loop_mounted(box.home / "client", "session", mib=8))
        box.start(retry_delay=1)
        torrent = box.seed("Show", FILES)
        expected = original(box, torrent)
        box.supervisor.wait_for(torrent.hash, State.CACHED)
        ballast = fill(session, 0)
        box.supervisor.ask(torrent.hash, "relocate")
        until(lambda: box.seeds_from(box.hdd, torrent), "it is switched")
        with calmly(box, 4):
            pass
        assert original(box, torrent) == expected
        assert box.supervisor.state_of(torrent.hash) is State.RELOCATING
        ballast.unlink()
        box.relocated(torrent, expected)
        box.client.close()
