"""Real file systems in files: loop mounts and tmpfs, always unmounted again."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.needs import need_program, need_root

# mkfs of each; all quiet and forced. ext4's lazy initialisation would write in the background of a test.
MAKE = {
    "ext4": ["mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0"],
    "xfs": ["mkfs.xfs", "-q", "-f"],
    "btrfs": ["mkfs.btrfs", "-q", "-f"],
}
SMALLEST_MIB = {"ext4": 8, "xfs": 300, "btrfs": 128}  # below, mkfs refuses


def _unmount(where: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        done = subprocess.run(["umount", where], capture_output=True, text=True, check=False)
        if done.returncode == 0 or not os.path.ismount(where):
            return
        if time.monotonic() > deadline:
            subprocess.run(["umount", "--lazy", where], check=False)
            raise AssertionError(f"a test left {where} in use: {done.stderr.strip()}")
        time.sleep(0.05)


@contextmanager
def loop_mounted(parent: Path, name: str, filesystem: str = "ext4", mib: int = 64) -> Iterator[Path]:
    """Mount a new file system of at least `mib` MiB at `parent/name`, from a sparse image beside it; yield the place.

    `filesystem` is ext4, xfs, btrfs or tmpfs. Leaving unmounts it, which also detaches the loop device (autoclear,
    losetup(8)), and raises AssertionError if somebody still uses it.
    """
    need_root()
    where = parent / name
    where.mkdir(parents=True)
    if filesystem == "tmpfs":
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=755", "tmpfs", where], check=True)
    else:
        need_program(MAKE[filesystem][0])
        image = parent / f"{name}.image"
        with image.open("wb") as file:
            file.truncate(max(mib, SMALLEST_MIB[filesystem]) << 20)
        subprocess.run([*MAKE[filesystem], image], check=True, capture_output=True)
        subprocess.run(["mount", "-o", "loop", image, where], check=True, capture_output=True)
    try:
        yield where
    finally:
        _unmount(where)
        if filesystem != "tmpfs":
            image.unlink()
