"""What a submission costs: the hook, the time until its copy begins, and ten thousand at once."""

import contextlib
import itertools
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from inotify_simple import INotify, flags

from benchmarks.costs_box import Box, Row, Took, a_hash, timed, wait_until
from supervisor import spool
from supervisor.journal import Journal, place
from tests.support.ports import free_port
from tests.support.rtorrents import OLD, VERSIONS, RTorrentProcess
from tests.support.supervisors import COMMAND, SUBMIT, SupervisorProcess
from tests.support.torrents import make_torrent, write_tree

_ROOT = Path(__file__).resolve().parent.parent
_PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable

_SYNCS = 4  # the submission in the journal, the torrent's metafile and its directory, the copy in the journal
_OURS, _BARE = "seedcache-submit, installed", "python3 -I -S -c pass"


def hook(box: Box, *, quick: bool) -> Iterator[Row]:
    """The hook against the least that a process, a Python process and the ancestor cost, in turns."""
    state = box.state / "hook"
    (state / "spool").mkdir(parents=True)
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(box.home), "LANG": "C.UTF-8"}
    ways = {
        "/bin/true": ["/bin/true"],
        "sh bin/seedcache-submit": ["/bin/sh", _ROOT / "bin" / "seedcache-submit", "-d", state, "HASH"],
        _OURS: [SUBMIT, "-d", state, "HASH"],
        "seedcache submit": [COMMAND, "submit", "-d", state, "HASH"],
        _BARE: [_PYTHON, "-I", "-S", "-c", "pass"],
        "the ancestor": [sys.executable, _ROOT / "benchmarks" / "costs_ancestor.py", "HASH"],
    }
    took: dict[str, list[Took]] = {name: [] for name in ways}
    numbers = itertools.count()
    for _ in range(20 if quick else 100):
        for name, command in ways.items():
            words = [a_hash(next(numbers)) if word == "HASH" else str(word) for word in command]
            took[name].append(timed(words, environment))
    for name, values in took.items():
        yield Row("hook", name, "ms", tuple(value.wall * 1000 for value in values))
    for name in (_OURS, _BARE):
        yield Row("hook", f"{name}: processor", "ms", tuple(value.processor * 1000 for value in took[name]))
    wall = {name: median(value.wall for value in values) for name, values in took.items()}
    yield Row("hook", "installed / bare python", "x", (wall[_OURS] / wall[_BARE],), 0.5)
    yield Row("hook", "the ancestor / installed", "x", (wall["the ancestor"] / wall[_OURS],), 50, least=True)


def latency(box: Box, *, quick: bool) -> Iterator[Row]:
    """From the hook's return until the directory of the copy is there, with a free worker, on real rTorrents."""
    environment = {"PATH": "/usr/bin:/bin"}
    for version in VERSIONS:
        with RTorrentProcess(version, box.home / f"latency-{version}") as rtorrent:
            torrents = []
            for number in range(8 if quick else 40):
                data = box.ssd / f"latency {version} {number}"
                write_tree(data, {b"a": 50_000, b"b/c": 20_000}, seed=number)
                torrents.append(make_torrent(data, box.home / f"{number}.torrent"))
                rtorrent.seed(torrents[-1], box.ssd)
            returned, began, floor = [], [], []
            with box.supervisor(f"latency-{version}", rtorrent.url) as supervisor, INotify() as seen:
                seen.add_watch(box.hdd, flags.CREATE)
                for torrent in torrents:
                    at = time.perf_counter()
                    hooked = timed([SUBMIT, "-d", str(supervisor.state), torrent.hash], environment).wall
                    while not any(event.name.startswith(".seedcache-") for event in seen.read(timeout=10_000)):
                        pass
                    took = time.perf_counter() - at
                    began.append(took * 1000)
                    returned.append(max(took - hooked, 0.0) * 1000)
                    # The next one finds the worker free: the copy before has been answered.
                    wait_until(lambda: _idle(supervisor), "the copy has ended")
                    floor.append(_synced(box.state / "floor") * 1000)
            yield Row("latency", f"{version}: hook's return to copy", "ms", tuple(returned), 20)
            yield Row("latency", f"{version}: hook's start to copy", "ms", tuple(began))
            yield Row("latency", f"{version}: {_SYNCS} fsyncs on that disk", "ms", tuple(floor))


def _synced(path: Path) -> float:
    """Return the seconds that the disk of a file needs for as many fsyncs as there are between hook and copy."""
    with path.open("ab") as file:
        began = time.perf_counter()
        for _ in range(_SYNCS):
            os.write(file.fileno(), bytes(4096))
            os.fsync(file.fileno())
        return time.perf_counter() - began


def _idle(supervisor: SupervisorProcess) -> bool:
    journal = Journal(place(str(supervisor.state)), read_only=True)
    try:
        return set(journal.counts()) == {"cached"}
    finally:
        journal.close()


def ingest(box: Box, *, quick: bool) -> Iterator[Row]:
    """Ten thousand submissions that rTorrent does not list: until all are in the journal and the spool is empty."""
    count = 2_000 if quick else 10_000
    numbers = itertools.count()
    with RTorrentProcess(OLD, box.home / "ingest") as rtorrent:
        for there, url in (("there", rtorrent.url), ("down", f"scgi://127.0.0.1:{free_port()}")):
            for running in (True, False):
                seconds = [
                    _ingested(box.supervisor(f"ingest-{next(numbers)}", url), count, running=running)
                    for _ in range(1 if quick else 3)
                ]
                when = "while running" if running else "waiting at its start"
                yield Row("ingest", f"{count} {when}, rTorrent {there}", "s", tuple(seconds), 10)


def _ingested(supervisor: SupervisorProcess, count: int, *, running: bool) -> float:
    box = supervisor.state / "spool"
    box.mkdir(parents=True)
    with contextlib.closing(supervisor):
        if running:
            supervisor.start()
        began = time.perf_counter()
        for number in range(count):  # as the hook does, but for its fsync, which would be the most of it
            os.close(os.open(box / f"{a_hash(number)}.finished", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
        if not running:
            began = time.perf_counter()
            supervisor.start(ready=False)
        ended = wait_until(lambda: not os.listdir(box), "the spool is empty", 120)
        supervisor.kill()  # what is in the journal then is all that survives
    journal = Journal(place(str(supervisor.state)), read_only=True)
    known = sum(journal.counts().values())
    lost = [number for number in range(count) if journal.job(a_hash(number)) is None]
    journal.close()
    if lost or known != count or spool.scan(str(supervisor.state)) != ([], []):
        raise RuntimeError(f"of {count} submissions {len(lost)} were lost, {known} are in the journal")
    return ended - began
