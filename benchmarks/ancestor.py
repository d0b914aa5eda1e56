"""The ancestor's way to copy: shutil.copytree, then compare. ancestor.py size|sha1|direct SOURCE TARGET."""

import hashlib
import mmap
import os
import shutil
import subprocess
import sys
from pathlib import Path

BLOCK = 4 << 20


def digest(path: Path, buffer: mmap.mmap, *, direct: bool) -> bytes:
    """Return a file's SHA-1, read through the page cache or around it."""
    found = hashlib.sha1(usedforsecurity=False)
    descriptor = os.open(path, os.O_RDONLY | (os.O_DIRECT if direct else 0))
    try:
        offset = 0
        while count := os.preadv(descriptor, [buffer], offset):
            found.update(memoryview(buffer)[:count])
            offset += count
    finally:
        os.close(descriptor)
    return found.digest()


def main() -> int:
    """Copy and compare; return 1 if the copy differs."""
    how, source, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    shutil.copytree(source, target)
    if how != "size":
        subprocess.run(["sync", "-f", target], check=True)
    buffer = mmap.mmap(-1, BLOCK)
    for path in sorted(source.rglob("*")):
        if path.is_file():
            copy = target / path.relative_to(source)
            if how == "size":
                same = path.stat().st_size == copy.stat().st_size
            else:
                direct = how == "direct"
                same = digest(path, buffer, direct=direct) == digest(copy, buffer, direct=direct)
            if not same:
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
