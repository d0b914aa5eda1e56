"""Delivery on real file systems: what they can, what they cannot, and what the device holds."""

import mmap
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.adapters import devices, mounts, syscalls
from supervisor.errors import Refused, Retryable
from supervisor.messages import Phase
from supervisor.transfer import delivery
from supervisor.transfer.proving import ProofFailed
from tests.support.needs import need_program, need_root
from tests.support.torrents import AWKWARD, write_tree
from tests.unit.transfer.box import Box, never, quiet

pytestmark = pytest.mark.real

SIZES = AWKWARD | {b"film.mkv": 21_000_003, b"a/b/c/d": 5_000_000} | {b"s/%d" % i: 7919 * i % 50_000 for i in range(90)}


@pytest.fixture
def ramfs(tmp_path: Path) -> Iterator[Path]:
    """A file system without O_DIRECT, without a size and without an identity."""
    need_root()
    where = tmp_path / "ramfs"
    where.mkdir()
    subprocess.run(["mount", "-t", "ramfs", "ramfs", where], check=True)
    yield where
    subprocess.run(["umount", where], check=True)


@pytest.mark.parametrize("ssd", ["ext4", "btrfs"])
@pytest.mark.parametrize("hdd", ["ext4", "xfs", "btrfs", "tmpfs"])
def test_a_torrent_is_delivered_and_resumed_on_every_file_system(tmp_path, loop_mount, ssd, hdd):
    box = Box(tmp_path, loop_mount("fast", ssd, 128), loop_mount("slow", hdd, 128))
    box.add(SIZES)
    box.deliver()
    assert box.on_hdd() == box.on_ssd()
    assert box.facts(box.destination) == box.facts(box.source)
    os.rename(box.destination, box.partial)
    os.truncate(box.partial / "film.mkv", 10_000_000)
    done = box.deliver()
    assert 0 < done.bytes_written < 12_000_000
    assert box.on_hdd() == box.on_ssd()
    box.prove()
    assert box.remove() > 0
    assert list(box.ssd.rglob("*")) in ([], [box.ssd / "lost+found"])


def test_a_file_system_without_direct_io_is_read_and_written_through_the_page_cache(tmp_path, ramfs, loop_mount):
    box = Box(tmp_path, hdd=ramfs)
    box.add(SIZES)
    box.deliver()
    assert box.on_hdd() == box.on_ssd()
    back = tmp_path / "back"
    back.mkdir()
    there = Box(back, ssd=ramfs / "label", hdd=loop_mount("disk"))
    there.torrent = box.torrent
    there.deliver()
    assert there.on_hdd() == box.on_ssd()


@pytest.mark.parametrize("filesystem", ["xfs", "btrfs"])
def test_on_one_file_system_the_copy_shares_the_blocks_and_is_proven(tmp_path, loop_mount, filesystem):
    disk = loop_mount("disk", filesystem, 300)
    box = Box(tmp_path, disk / "ssd", disk / "hdd")
    box.add_single(150 << 20, piece_length=1 << 20)
    os.sync()
    before = os.statvfs(disk)
    done = box.deliver(read_back=False)
    after = os.statvfs(disk)
    assert box.on_hdd() == box.on_ssd()
    assert box.facts(box.destination) == box.facts(box.source)
    assert (before.f_bfree - after.f_bfree) * before.f_bsize < 4 << 20
    assert (done.proof, done.bytes_written) == ("read-back", 0)


def test_wrong_data_that_is_shared_is_the_ssds(tmp_path, loop_mount):
    disk = loop_mount("disk", "btrfs", 128)
    box = Box(tmp_path, disk / "ssd", disk / "hdd")
    box.add_single(1_000_000)
    with (box.ssd / "film.mkv").open("r+b") as file:
        file.write(b"wrong")
    with pytest.raises(ProofFailed, match="SSD data wrong at piece 0"):
        box.deliver()


@pytest.mark.parametrize("filesystem", ["ext4", "btrfs"])
@pytest.mark.parametrize("turns", [True, False])
def test_a_disk_that_spins_is_known_by_its_file_system_and_gets_the_same_copy(tmp_path, loop_mount, filesystem, turns):
    box = Box(tmp_path, hdd=loop_mount("disk", filesystem, 128))
    source = subprocess.run(["findmnt", "-no", "SOURCE", box.hdd], check=True, capture_output=True, text=True).stdout
    Path(f"/sys/block/{os.path.basename(source.strip())}/queue/rotational").write_text("1" if turns else "0")
    descriptor = os.open(box.hdd, os.O_RDONLY)
    try:
        assert devices.spins(descriptor) is turns
    finally:
        os.close(descriptor)
    box.add(SIZES)
    box.deliver()
    assert box.on_hdd() == box.on_ssd()
    os.rename(box.destination, box.partial)
    os.truncate(box.partial / "film.mkv", 10_000_000)
    assert 0 < box.deliver().bytes_written < 12_000_000
    assert box.on_hdd() == box.on_ssd()


# -- the proof is of the device ---------------------------------------------------------------------------------------


def place_on_device(path: Path, offset: int) -> int:
    """Return where on the block device a byte of a file lies (filefrag's FIEMAP)."""
    need_program("filefrag")
    lines = subprocess.run(["filefrag", "-v", "-b1", path], check=True, capture_output=True, text=True).stdout
    for line in lines.splitlines():
        fields = line.replace(":", " ").replace("..", " ").split()
        if fields and fields[0].isdigit() and int(fields[1]) <= offset <= int(fields[2]):
            return int(fields[3]) + offset - int(fields[1])
    raise AssertionError(lines)


def flip_on_device(image: Path, place: int) -> None:
    """Change a byte of the disk below the file system, which cannot notice."""
    with image.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 0x40]))
        os.fsync(file.fileno())
    subprocess.run(["sync"], check=True)


@pytest.mark.parametrize("name", ["film.mkv", "s/77"])
def test_bytes_that_are_wrong_on_the_device_are_found_although_the_page_cache_has_them_right(
    tmp_path, loop_mount, name
):
    box = Box(tmp_path, hdd=loop_mount("disk", "ext4", 128))
    box.add(SIZES)
    expected = (box.source / name).read_bytes()

    def report(phase, done, _total):
        path = box.partial / name
        if phase is Phase.PROVE and not done and path.exists():
            assert path.read_bytes() == expected  # now the page cache has it
            flip_on_device(tmp_path / "disk.image", place_on_device(path, len(expected) // 2))
            with path.open("rb") as file:
                assert file.read() == expected  # and still has it

    with pytest.raises(ProofFailed, match="the HDD copy does not match piece"):
        box.deliver(report=report)
    assert not box.destination.exists()
    done = box.deliver()  # and the next attempt mends it
    assert 0 < done.bytes_written < 100_000
    assert box.on_hdd() == box.on_ssd()


def test_bytes_that_are_wrong_in_the_page_cache_only_do_not_matter(tmp_path, loop_mount):
    box = Box(tmp_path, hdd=loop_mount("disk", "ext4", 128))
    box.add(SIZES)
    expected = (box.source / "film.mkv").read_bytes()
    seen = []

    def report(phase, done, _total):
        path = box.partial / "film.mkv"
        if phase is Phase.PROVE and not done and path.exists():
            place = place_on_device(path, 1_000_000)
            flip_on_device(tmp_path / "disk.image", place)
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                seen.append(file.read() != expected)  # the page cache has the wrong byte
            flip_on_device(tmp_path / "disk.image", place)

    box.deliver(report=report)
    assert seen == [True]
    assert box.on_hdd() == box.on_ssd()


# -- no space, read-only ----------------------------------------------------------------------------------------------


def test_what_does_not_fit_is_not_begun(tmp_path, loop_mount):
    box = Box(tmp_path, hdd=loop_mount("disk", "ext4", 16))
    box.add_single(40_000_000)
    with pytest.raises(Retryable, match=r"disk.*: 0\.0\d GiB more must be free"):
        box.deliver()


@pytest.mark.parametrize(
    "sizes", [{b"film": 40_000_000}, {b"%03d" % i: 400_000 for i in range(100)}], ids=["one", "many"]
)
def test_a_disk_that_becomes_full_fails_the_attempt_and_the_next_resumes(tmp_path, loop_mount, sizes):
    box = Box(tmp_path, hdd=loop_mount("disk", "ext4", 64))
    box.add(sizes)
    ballast = box.hdd / "ballast"

    def report(phase, _done, _total):
        if phase is Phase.COPY and not ballast.exists():
            with ballast.open("wb") as file:
                usage = os.statvfs(box.hdd)
                os.posix_fallocate(file.fileno(), 0, max(1, usage.f_bavail * usage.f_frsize - (1 << 20)))

    checked = delivery.surveying.check_space

    def filled(*arguments, **named):
        checked(*arguments, **named)
        report(Phase.COPY, 0, 0)

    delivery.surveying.check_space = filled
    try:
        with pytest.raises(Retryable, match="no space is left"):
            box.deliver()
    finally:
        delivery.surveying.check_space = checked
    assert not box.destination.exists()
    ballast.unlink()
    box.deliver()
    assert box.on_hdd() == box.on_ssd()


def test_a_read_only_disk_is_said_to_be_so(tmp_path, loop_mount):
    box = Box(tmp_path, hdd=loop_mount("disk", "ext4", 16))
    box.add_single(1000)
    subprocess.run(["mount", "-o", "remount,ro", box.hdd], check=True)
    with pytest.raises(Retryable, match="the file system is read-only"):
        box.deliver()


def test_an_unmounted_destination_is_refused_and_stays_empty(tmp_path, loop_mount):
    box = Box(tmp_path, hdd=loop_mount("disk", "ext4", 16))
    box.add_single(1000)
    trusted = mounts.identity(os.fsencode(box.hdd))
    subprocess.run(["umount", box.hdd], check=True)
    with pytest.raises(Refused, match="not mounted"):
        delivery.deliver(box.copy_task(hdd_filesystem=trusted), quiet, never)
    assert os.listdir(box.hdd) == []


# -- the page cache ---------------------------------------------------------------------------------------------------


def cached(path: Path) -> int:
    """Return how many bytes of a file are in the page cache."""
    with path.open("rb") as file:
        found = syscalls.cached_pages(file.fileno(), 0, 1 << 40)
    if found is None:
        pytest.skip("cachestat(2) needs Linux 6.5")
    return found * mmap.PAGESIZE


@pytest.mark.parametrize("filesystem", ["ext4", "xfs", "btrfs"])
@pytest.mark.parametrize("read_back", [True, False])
def test_next_to_nothing_stays_in_the_page_cache(tmp_path, loop_mount, filesystem, read_back):
    box = Box(tmp_path, loop_mount("fast", filesystem, 256), loop_mount("slow", filesystem, 256))
    box.add({b"film": 100_000_001} | {b"s/%03d" % i: 40_000 + i for i in range(500)})
    subprocess.run(["sync"], check=True)
    for path in [*box.source.rglob("*")]:
        if path.is_file():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    box.deliver(read_back=read_back)
    ours = [path for top in (box.source, box.destination) for path in top.rglob("*") if path.is_file()]
    assert sum(map(cached, ours)) < 2 * box.torrent.size * 0.01


@pytest.mark.parametrize("ssd", ["ext4", "xfs", "btrfs"])
def test_pages_of_the_source_that_were_hot_stay(tmp_path, loop_mount, ssd):
    box = Box(tmp_path, loop_mount("fast", ssd, 256), loop_mount("slow", "ext4", 256))
    write_tree(box.ssd / "T", {b"film": 50_000_000} | {b"s/%03d" % i: 40_000 for i in range(90)})
    box.make("T")
    subprocess.run(["sync"], check=True)
    large, small = [box.source / "film"], list((box.source / "s").iterdir())
    for path in large + small:
        path.read_bytes()
    before = [sum(map(cached, hot)) for hot in (large, small)]
    assert sum(before) >= 50_000_000
    box.deliver()
    # What we evicted would be gone as a whole; the kernel reclaims a few pages of an idle machine by itself.
    after = [sum(map(cached, hot)) for hot in (large, small)]
    assert [now >= then * 0.8 for then, now in zip(before, after, strict=True)] == [True, True]
