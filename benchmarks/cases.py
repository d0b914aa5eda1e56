"""What is copied: each case fills a directory and says how long a piece of its torrent is."""

import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to copy; `scale` shrinks it for a quick look."""

    name: str
    title: str
    fill: Callable[[Path, float], None]
    piece_length: int  # bytes
    gib: int  # of each file system
    ways: tuple[str, ...] = ()  # those that begin so; none: all of peers.WAYS
    spins: bool = False  # the target is the simulated disk
    resumed: bool = False  # the first 60 % are there already


def write(path: Path, size: int) -> None:
    """Write random bytes."""
    with path.open("wb") as file:
        for at in range(0, size, 16 * MIB):
            file.write(os.urandom(min(16 * MIB, size - at)))


def one_file(top: Path, scale: float) -> None:
    """Make one file of 4 GiB."""
    write(top / "film.mkv", int(4096 * scale) * MIB)


def one_gib(top: Path, scale: float) -> None:
    """Make one file of 1 GiB, for the disk that spins."""
    write(top / "film.mkv", int(1024 * scale) * MIB)


def four_files(top: Path, scale: float) -> None:
    """Make four files of 256 MiB, for four jobs."""
    for number in range(4):
        write(top / f"film {number}.mkv", int(256 * scale) * MIB)


def twenty_files(top: Path, scale: float) -> None:
    """Make 20 files of about 200 MiB, none of which ends at a block."""
    for number in range(20):
        write(top / f"episode {number:02}.mkv", int(200 * scale) * MIB + 123 * number)


def small_files(top: Path, scale: float) -> None:
    """Make 20,000 files of 4 to 64 KiB in 200 directories."""
    sizes = random.Random(1)
    for number in range(int(20_000 * scale)):
        folder = top / f"{number // 100:03}"
        folder.mkdir(exist_ok=True)
        write(folder / f"{number:05}.jpg", sizes.randint(4096, 65536))


def sparse_file(top: Path, scale: float) -> None:
    """Make a file of 4 GiB, an eighth of it data."""
    with (top / "image.raw").open("wb") as file:
        file.truncate(int(4096 * scale) * MIB)
        for at in range(0, int(4096 * scale), 64):
            file.seek(at * MIB)
            file.write(os.urandom(8 * MIB))


DISK = ("cp", "rsync", "seedcache")
CASES = (
    Case("one", "one file of 4 GiB", one_file, 4 * MIB, 10),
    Case("twenty", "20 files of 200 MiB", twenty_files, 4 * MIB, 10),
    Case("small", "20,000 files of 4-64 KiB", small_files, MIB // 2, 4),
    Case(
        "sparse", "a sparse file of 4 GiB, 512 MiB of it data", sparse_file, 4 * MIB, 10, ("cp", "rsync", "seedcache")
    ),
    Case("resume", "one file of 4 GiB, 60 % of it there", one_file, 4 * MIB, 10, ("seedcache, proven",), resumed=True),
    Case("disk", "one file of 1 GiB to a disk that spins", one_gib, 4 * MIB, 3, DISK, spins=True),
    Case("disk-small", "5,000 small files to a disk that spins", small_files, MIB // 2, 3, DISK, spins=True),
    Case(
        "disk-four", "four files of 256 MiB to a disk that spins", four_files, 4 * MIB, 3, ("one", "four"), spins=True
    ),
)
