"""The two file systems that every comparison runs on: ext4 in images, loop-mounted. Needs root."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def mounted(image: Path, where: Path, gib: int, *, spins: bool = False) -> Iterator[Path]:
    """Mount a new ext4 of so many GiB at a place.

    Its image is allocated before, so that the host's disk allocates nothing while we measure. `spins` is what the
    kernel says of the loop device: it takes that over from the host's disk, and virtual disks say anything.
    """
    where.mkdir(parents=True)
    with image.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, gib << 30)
    lazy = "lazy_itable_init=0,lazy_journal_init=0,nodiscard"
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-E", lazy, image], check=True)
    subprocess.run(["mount", "-o", "loop,noatime", image, where], check=True)
    major, minor = os.major(where.stat().st_dev), os.minor(where.stat().st_dev)
    Path(f"/sys/dev/block/{major}:{minor}/queue/rotational").write_text("1" if spins else "0")
    try:
        yield where
    finally:
        subprocess.run(["umount", where], check=True)
        image.unlink()


@contextmanager
def spinning(below: Path, where: Path, gib: int) -> Iterator[Path]:
    """As mounted, on the simulated disk of spinning.py, with direct IO: its requests are what the disk gets."""
    below.mkdir(parents=True)
    where.mkdir(parents=True)
    program = [sys.executable, Path(__file__).with_name("spinning.py"), below, str(gib)]
    with subprocess.Popen(program, stdout=subprocess.PIPE) as server:
        if server.stdout is None or server.stdout.readline() != b"mounted\n":
            raise RuntimeError("the simulated disk did not start")
        try:
            lazy = "lazy_itable_init=1,lazy_journal_init=1,nodiscard"
            subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-E", lazy, below / "disk"], check=True)
            found = ["losetup", "-f", "--show", "--direct-io=on", below / "disk"]
            device = subprocess.run(found, check=True, capture_output=True, text=True).stdout.strip()
            try:
                Path(f"/sys/block/{os.path.basename(device)}/queue/rotational").write_text("1")
                subprocess.run(["mount", "-o", "noatime,noinit_itable", device, where], check=True)
                try:
                    yield where
                finally:
                    subprocess.run(["umount", where], check=True)
            finally:
                subprocess.run(["losetup", "-d", device], check=True)
        finally:
            subprocess.run(["umount", below], check=True)


def forget() -> None:
    """Write everything out and drop the page cache, as before the first look at a torrent."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")
