"""What `check` looks for beside us: other supervisors, and what the predecessor left running or waiting."""

import os
from collections.abc import Iterator

from supervisor.commands import legacy, reader
from supervisor.commands.findings import Finding, error, ok, warning
from supervisor.errors import ConfigurationError
from supervisor.settings import Settings

_PREDECESSORS = {"--child-process", "--space-management"}  # options of its main.py when it works in the background


def neighbours(settings: Settings, now: float) -> Iterator[Finding]:
    """Look for other processes, then for a queue."""
    yield from _processes(settings, now)
    yield _queue(settings)


def _processes(settings: Settings, now: float) -> Iterator[Finding]:
    ours = reader.daemon(settings.state_dir, now)
    known = ours.snapshot.pid if ours.snapshot else 0
    alone = True
    for pid, words in _command_lines():
        names = [os.path.basename(word) for word in words[:3]]
        if "seedcache" in names and "run" in words and pid != known:
            alone = False
            yield warning(
                "other supervisors", f"pid {pid} is one: {' '.join(words)}{_state_of(pid)}",
                "all is well if it serves another rTorrent; else stop it: two must not share one",
            )  # fmt: skip
        if "main.py" in names and _PREDECESSORS & set(words):
            alone = False
            yield error(
                "predecessor", f"pid {pid} is at work: {' '.join(words)}",
                "let it end, and take its lines out of rTorrent's rc file: it removes SSD data without a proof",
            )  # fmt: skip
    if alone:
        yield ok("other supervisors", "none is seen")


def _command_lines() -> Iterator[tuple[int, list[str]]]:
    for name in os.listdir("/proc"):
        if name.isdecimal() and int(name) != os.getpid():
            try:
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    yield int(name), os.fsdecode(file.read()).split("\0")[:-1]
            except OSError:  # it has ended, or is hidden from us
                continue


def _state_of(pid: int) -> str:
    """Return where a supervisor has its state, as far as we may know: it works in that directory."""
    try:
        return f", state in {os.readlink(f'/proc/{pid}/cwd')}"
    except OSError:
        return ""


def _queue(settings: Settings) -> Finding:
    """Look whether the predecessor's queue has torrents that we have not been given."""
    try:
        journal = reader.Reader(settings.state_dir)
    except ConfigurationError:
        journal = None
    for place in legacy.queues(settings.lock_dir):
        queue = legacy.read_queue(place)
        new = [job_hash for job_hash in queue.waiting if journal is None or journal.job(job_hash) is None]
        if new:
            return warning(
                "predecessor's queue", f"{len(new)} torrents wait in {place}, such as {new[0]}",
                f"have them imported: seedcache import-legacy --queue {place}",
            )  # fmt: skip
    return ok("predecessor's queue", "there is none with torrents we do not know")
