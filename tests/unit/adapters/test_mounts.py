"""What tells one mounted file system from another: on real ones."""

import os
import subprocess
from contextlib import contextmanager

import pytest

from supervisor.adapters import mounts
from tests.support.mounts import MAKE, SMALLEST_MIB, loop_mounted
from tests.support.needs import need_program, need_root


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def loops():
    """Return loops(image) -> a loop device of its own that has the image; all are gone after the test."""
    need_root()
    devices = []

    def attach(image):
        devices.append(run("losetup", "--find", "--show", image))
        return devices[-1]

    yield attach
    for device in devices:
        run("losetup", "--detach", device)


def image(tmp_path, name, kind):
    need_program(MAKE[kind][0])
    made = tmp_path / f"{name}.image"
    with made.open("wb") as file:
        file.truncate(SMALLEST_MIB[kind] << 20)
    run(*MAKE[kind], made)
    return made


@contextmanager
def mounted(source, where, *options):
    where.mkdir(exist_ok=True)
    run("mount", *options, source, where)
    try:
        yield os.fsencode(where)
    finally:
        run("umount", where)


@pytest.mark.real
@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs"])
def test_a_disk_is_itself_under_another_device_number_and_another_disk_under_its_number_is_not(tmp_path, loops, kind):
    images = image(tmp_path, "ours", kind), image(tmp_path, "other", kind)
    ours, other = map(loops, images)
    with mounted(ours, tmp_path / "disk") as disk:
        known, number = mounts.identity(disk), os.stat(disk).st_dev
    for path in images:
        run("cp", "--sparse=always", path, f"{path}.old")
    for path, device in zip(images, (other, ours), strict=True):  # the disks change places
        run("dd", f"if={path}.old", f"of={device}", "bs=1M", "conv=fsync")
    with mounted(ours, tmp_path / "disk") as disk:
        if kind != "btrfs":  # which numbers its file systems itself
            assert os.stat(disk).st_dev == number
        assert not mounts.same(known, mounts.identity(disk))
    with mounted(other, tmp_path / "disk") as disk:
        assert mounts.same(known, mounts.identity(disk))


@pytest.mark.real
@pytest.mark.parametrize("kernel", ["as it is", "one that tells the UUID of btrfs"])
def test_a_subvolume_that_is_not_mounted_is_another_file_system(tmp_path, loops, monkeypatch, kernel):
    if kernel != "as it is":
        monkeypatch.setattr(mounts.syscalls, "filesystem_uuid", lambda _descriptor: bytes(15) + b"1")
    device = loops(image(tmp_path, "disk", "btrfs"))
    with mounted(device, tmp_path / "top") as top:
        run("btrfs", "subvolume", "create", os.path.join(os.fsdecode(top), "media"))
        os.mkdir(os.path.join(top, b"mnt"))
        with mounted(device, tmp_path / "top" / "mnt", "-o", "subvol=media") as mount:
            known = mounts.identity(mount)
            assert mounts.mount_point(mount) == mount
        assert not mounts.same(known, mounts.identity(mount))


@pytest.mark.real
def test_a_bind_mount_is_the_disk_that_it_shows(tmp_path, loops):
    device = loops(image(tmp_path, "disk", "ext4"))
    with mounted(device, tmp_path / "disk") as disk:
        os.mkdir(os.path.join(disk, b"media"))
        with mounted(tmp_path / "disk" / "media", tmp_path / "hdd", "--bind") as bound:
            assert mounts.same(mounts.identity(disk), mounts.identity(bound))
            known = mounts.identity(bound)
        assert not mounts.same(known, mounts.identity(bound))


@pytest.mark.real
def test_a_file_system_in_memory_is_another_one_when_it_is_mounted_again(tmp_path):
    need_root()
    with mounted("tmpfs", tmp_path / "disk", "-t", "tmpfs") as disk:
        known = mounts.identity(disk)
        assert mounts.same(known, mounts.identity(disk))
    with mounted("tmpfs", tmp_path / "disk", "-t", "tmpfs") as disk:
        assert not mounts.same(known, mounts.identity(disk))


def test_one_without_a_uuid_or_a_number_is_known_by_its_mount(monkeypatch):
    monkeypatch.setattr(mounts.syscalls, "filesystem_uuid", lambda _descriptor: b"")
    monkeypatch.setattr(mounts.os, "fstatvfs", lambda _descriptor: os.statvfs_result([0] * 11))
    assert mounts.identity(b"/proc") == "source=proc:proc"


def test_an_older_kernel_leaves_the_uuid_to_udev(monkeypatch, tmp_path):
    monkeypatch.setattr(mounts.syscalls, "filesystem_uuid", lambda _descriptor: b"")
    monkeypatch.setattr(mounts, "_UDEV", str(tmp_path))
    number = os.stat(tmp_path).st_dev
    found = tmp_path / f"b{os.major(number)}:{os.minor(number)}"
    assert "uuid=" not in mounts.identity(os.fsencode(tmp_path))
    found.write_text("S:disk/by-id/x\nE:ID_FS_UUID_ENC=no\nE:ID_FS_UUID=2DDCC46C-FD9C-467D-9FC5-E57D76DC6591\n")
    assert mounts.identity(os.fsencode(tmp_path)).startswith("uuid=2ddcc46cfd9c467d9fc5e57d76dc6591 fsid=")


@pytest.mark.parametrize(
    ("known", "found", "same"),
    [
        ("uuid=a fsid=1", "uuid=a fsid=2", True),  # XFS on another device number
        ("uuid=a fsid=1", "uuid=b fsid=1", False),  # another XFS on that number
        ("fsid=1", "uuid=a fsid=1", True),  # what older versions remembered
        ("fsid=1", "uuid=a fsid=2", False),
        ("uuid=a fsid=1", "fsid=1", True),  # an older kernel
        ("source=nfs4:nas:/media", "source=nfs4:nas:/media", True),
        ("source=nfs4:nas:/media", "uuid=a fsid=1", False),  # not mounted
        ("uuid=a", "source=nfs4:nas:/media", False),
        ("", "uuid=a", True),
    ],
)
def test_the_best_fact_that_both_have_decides(known, found, same):
    assert mounts.same(known, found) is same


def test_more_is_remembered_and_less_is_not():
    assert mounts.tells_more("uuid=a fsid=1", "fsid=1")
    assert mounts.tells_more("uuid=a fsid=2", "uuid=a fsid=1")
    assert not mounts.tells_more("fsid=1", "uuid=a fsid=1")
    assert not mounts.tells_more("uuid=a", "uuid=a")


@pytest.mark.real
def test_a_root_on_the_disk_that_anothers_is_mounted_in_is_suspicious(tmp_path, loops):
    assert mounts.on_anothers(b"/usr", []) == (b"/" if mounts.mount_point(b"/usr") == b"/" else b"")
    devices = [loops(image(tmp_path, name, "ext4")) for name in ("outer", "inner")]
    with mounted(devices[0], tmp_path / "data") as data:
        ssd, hdd = os.path.join(data, b"ssd"), os.path.join(data, b"hdd")
        os.mkdir(hdd)
        with mounted(devices[1], tmp_path / "data" / "ssd"):
            assert mounts.on_anothers(hdd, [ssd, hdd]) == data
            assert mounts.on_anothers(ssd, [ssd, hdd]) == b""
        assert mounts.on_anothers(hdd, [ssd, hdd]) == b""


def test_a_mount_point_is_told_by_its_exact_path(tmp_path):
    with loop_mounted(tmp_path, "a b", "tmpfs") as where:
        assert mounts.is_mounted(str(where))
        (where / "c").mkdir()
        assert not mounts.is_mounted(str(where / "c"))
        assert not mounts.is_mounted(str(tmp_path / "a"))
    assert not mounts.is_mounted(str(where))
