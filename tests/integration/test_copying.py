"""What the settings make of a copy, and what stands in its way, with a real supervisor."""

import time

import pytest

from supervisor.jobs import Proof, State
from tests.support.rtorrents import until
from tests.support.supervisors import SupervisorProcess
from tests.support.torrents import make_torrent, write_tree

pytestmark = pytest.mark.real
MIB = 1 << 20


@pytest.fixture
def disks(tmp_path):
    found = tmp_path / "ssd", tmp_path / "hdd"
    for directory in found:
        directory.mkdir()
    return found


def seeded(rtorrent, ssd, tmp_path, size, name="Slow"):
    write_tree(ssd / name, {b"file.bin": size}, seed=len(name))
    torrent = make_torrent(ssd / name, tmp_path / f"{name}.torrent", piece_length=1 << 18)
    rtorrent.seed(torrent, ssd)
    return torrent


def test_a_rate_limit_is_kept_and_measured(rtorrents, disks, tmp_path):
    ssd, hdd = disks
    rtorrent = rtorrents()
    torrent = seeded(rtorrent, ssd, tmp_path, 12 * MIB)
    with SupervisorProcess(
        tmp_path / "box", ssd, hdd, rtorrent.url, copy_rate_limit=4, verification_enabled=False
    ) as box:
        began = time.monotonic()
        box.submit(torrent.hash)
        box.wait_for(torrent.hash, State.CACHED)
        seconds = time.monotonic() - began
        # 12 MiB at 4 MiB a second; the first block, of a second's worth, need not wait.
        assert seconds > 1.8
        until(
            lambda: box.metric("seedcache_copy_held_back_seconds_total", reason="rate") > 1.0,
            "the wait is in the metrics",
        )
        assert box.metric("seedcache_copy_held_back_seconds_total", reason="pressure") == 0


def test_a_second_torrent_waits_for_the_device_and_the_metric_says_so(rtorrents, disks, tmp_path):
    ssd, hdd = disks
    rtorrent = rtorrents()
    first = seeded(rtorrent, ssd, tmp_path, 32 * MIB, "First")  # so long that it is still being copied when we look
    second = seeded(rtorrent, ssd, tmp_path, MIB, "Second one")
    with SupervisorProcess(
        tmp_path / "box", ssd, hdd, rtorrent.url, copy_rate_limit=4, max_concurrent_processes=3
    ) as box:
        box.submit(first.hash)
        until(lambda: box.state_of(first.hash) is State.COPYING, "the first is being copied")
        box.submit(second.hash)
        until(lambda: box.metric("seedcache_copies_waiting_for_device") == 1, "the second waits for the device")
        assert box.state_of(first.hash) is State.COPYING
        assert box.state_of(second.hash) is State.SUBMITTED
        box.wait_for(second.hash, State.CACHED)
        until(lambda: box.metric("seedcache_copies_waiting_for_device") == 0, "nobody waits")


def test_a_slow_disk_is_read_back_when_no_copy_waits(rtorrents, disks, tmp_path):
    ssd, hdd = disks
    rtorrent = rtorrents()
    torrent = seeded(rtorrent, ssd, tmp_path, MIB)
    with SupervisorProcess(tmp_path / "box", ssd, hdd, rtorrent.url, proof="before-removal") as box:
        box.submit(torrent.hash)
        until(lambda: getattr(box.job(torrent.hash), "proof", None) is Proof.READ_BACK, "it is proven later")
        story = [event.text for event in box.events(torrent.hash)]
        assert story.index(f"{MIB} bytes written, proof: source") < story.index("the HDD copy was read back and proven")


def test_without_verification_a_copy_is_still_read_back_before_its_ssd_data_goes(rtorrents, disks, tmp_path):
    ssd, hdd = disks
    rtorrent = rtorrents()
    torrent = seeded(rtorrent, ssd, tmp_path, MIB)
    with SupervisorProcess(tmp_path / "box", ssd, hdd, rtorrent.url, verification_enabled=False) as box:
        box.submit(torrent.hash)
        assert box.wait_for(torrent.hash, State.CACHED).proof is Proof.SOURCE
        assert box.run("relocate", torrent.hash).returncode == 0
        box.wait_for(torrent.hash, State.RELOCATED)
        story = [(event.action, event.text) for event in box.events(torrent.hash)]
        proven = story.index(("cached", "the HDD copy was read back and proven"))
        assert proven < [action for action, _ in story].index("relocating")


def test_a_foreign_file_in_the_way_is_given_up_counted_and_left_alone(rtorrents, disks, tmp_path):
    ssd, hdd = disks
    rtorrent = rtorrents()
    torrent = seeded(rtorrent, ssd, tmp_path, MIB)
    (hdd / "Slow").mkdir()
    (hdd / "Slow" / "file.bin").write_bytes(b"somebody else's")
    with SupervisorProcess(tmp_path / "box", ssd, hdd, rtorrent.url) as box:
        box.submit(torrent.hash)
        assert "foreign" in box.wait_for(torrent.hash, State.FAILED).reason
        until(lambda: box.metric("seedcache_foreign_targets_total") == 1, "it is counted")
        assert (hdd / "Slow" / "file.bin").read_bytes() == b"somebody else's"
        (hdd / "Slow" / "file.bin").unlink()
        assert box.run("queue", "retry", torrent.hash).returncode == 0
        box.wait_for(torrent.hash, State.CACHED)
