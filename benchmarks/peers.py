"""The ways to copy that are compared. Each is a command that ends when the copy is on the device."""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

PYTHON = sys.executable
HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Way:
    """One way to copy a directory; {source}, {target} and {task} are filled in."""

    name: str
    command: str
    proves: str  # what is known of the copy at the end


WAYS = (
    Way("cp -a, sync -f", "cp -a {source} {target} && sync -f {target}", "nothing"),
    Way("rsync -a, sync -f", "rsync -a {source} {target}/ && sync -f {target}", "size"),
    Way(
        "rclone copy, sync -f",
        "rclone copy -q {source} {target}/data && sync -f {target}",
        "checksum, by the page cache",
    ),
    Way(
        "shutil, size check, sync -f",
        "{python} {here}/ancestor.py size {source} {target}/data && sync -f {target}",
        "size",
    ),
    Way(
        "shutil, SHA-1 of both sides",
        "{python} {here}/ancestor.py sha1 {source} {target}/data",
        "SHA-1, by the page cache",
    ),
    Way(
        "shutil, SHA-1 of both sides, direct",
        "{python} {here}/ancestor.py direct {source} {target}/data",
        "SHA-1 of the device",
    ),
    Way("seedcache, source proven", "{python} -m benchmarks.ours source {task}", "every piece of the source"),
    Way("seedcache, proven", "{python} -m benchmarks.ours proven {task}", "every piece, read back from the device"),
)
# The same bytes as one torrent and as several; a seedcache with WRITERS_PER_DEVICE = 1 copies one after the other.
JOBS = (
    Way("one job", "{python} -m benchmarks.ours source {task}", "every piece of the source"),
    Way("four jobs, in turn", "{python} -m benchmarks.ours source {task}-*", "every piece of the source"),
    Way(
        "four jobs, at once",
        "for job in {task}-*; do {python} -m benchmarks.ours source $job & done; wait",
        "every piece of the source",
    ),
)


def command(way: Way, source: Path, target: Path, task: Path) -> str:
    """Return the shell command of a way."""
    filled = {"source": source, "target": target, "task": task, "python": PYTHON, "here": HERE}
    return way.command.format(**{name: shlex.quote(str(value)) for name, value in filled.items()})
