"""What `seedcache status` shows, from the last snapshot and the journal, so also while the supervisor is down."""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from supervisor.adapters import clock
from supervisor.commands.display import WIDTH, bar, clean, fit, percent, share, size, span
from supervisor.commands.reader import Daemon, Reader, daemon
from supervisor.jobs import Event, Job, Notice, State, Telling
from supervisor.observation.snapshot import Snapshot, Worker

VERSION = 1  # of the JSON: raised when a name in it goes away or changes its meaning
_SHOWN = 5  # torrents of each list
_EVENTS = 8
_BAR = 20


@dataclass(frozen=True, slots=True)
class View:
    """Everything that is shown, at one moment."""

    now: float  # unix seconds
    state_dir: str
    daemon: Daemon
    jobs: dict[str, int]  # by state
    queue: tuple[Job, ...]  # the oldest of each list, not all
    waiting: tuple[Job, ...]
    failed: tuple[Job, ...]
    telling: dict[str, int]
    notices: tuple[Notice, ...]  # those that failed
    events: tuple[Event, ...]
    names: dict[str, str]  # of the torrents that events and notices are about


def gather(state_dir: str, now: float) -> View:
    """Given the state directory and the time, read what there is to show. The cost does not grow with the history.

    Raise ConfigurationError if there is no journal.
    """
    seen = daemon(state_dir, now)
    journal = Reader(state_dir)
    try:
        events = tuple(journal.events(limit=_EVENTS))
        telling = journal.telling()
        notices = tuple(journal.notices(Telling.FAILED)[:_SHOWN]) if telling["failed"] else ()
        names = {}
        for job_hash in {event.hash for event in events} | {notice.hash for notice in notices}:
            job = journal.job(job_hash)
            names[job_hash] = job.name if job else ""
        return View(
            now,
            state_dir,
            seen,
            dict.fromkeys((state.value for state in State), 0)
            | {state.value: count for state, count in journal.counts().items()},
            tuple(journal.jobs([State.SUBMITTED], _SHOWN)),
            tuple(journal.jobs([State.WAITING], _SHOWN)),
            tuple(journal.jobs([State.FAILED], _SHOWN)),
            telling,
            notices,
            events,
            names,
        )
    finally:
        journal.close()


def problems(view: View) -> list[str]:
    """Return what a person should know first, the worst first."""
    snapshot = view.daemon.snapshot
    found = []
    if not view.daemon.running:
        since = f", for {span(view.now - snapshot.at)}" if snapshot else ""
        found.append(f"seedcache is not running{since}: submissions are kept, nothing is copied; start `seedcache run`")
    elif snapshot is not None:
        found += _of_the_running(view, snapshot)
    if view.jobs[State.FAILED]:
        found.append(f"{view.jobs[State.FAILED]} failed for good: see below, then `seedcache queue retry HASH`")
    if view.telling["failed"]:
        found.append(f"{view.telling['failed']} notices were refused: a setting or the service needs a person")
    return found


def _of_the_running(view: View, snapshot: Snapshot) -> Iterator[str]:
    if snapshot.journal_error:
        yield f"the journal cannot be written: {snapshot.journal_error}"
    for disk in snapshot.disks:
        if not disk.trusted:
            yield f"the {disk.role.upper()} {disk.path} is not mounted, or another disk: `seedcache check` says more"
    if not snapshot.rtorrent.reachable and snapshot.rtorrent.since:
        away = span(view.now - snapshot.rtorrent.since)
        yield f"rTorrent has not been reachable for {away}: {snapshot.rtorrent.error}"
    if snapshot.draining:
        yield "it was told to stop and brings running work to a safe point"
    if snapshot.low_space:
        yield f"the SSD has less than {size(snapshot.threshold)} free: {snapshot.relocations_planned} torrents leave it"
    if not snapshot.read_back:
        yield "VERIFICATION_ENABLED is off: copies are proven as they are read, not read back from the HDD"


def render(view: View) -> Iterator[str]:
    """Return the lines for a person, of at most 80 columns."""
    for line in (*_head(view), *_disks(view), *_workers(view), *_lists(view)):
        yield fit(clean(line), WIDTH, pad=False)


def watch(state_dir: str) -> int:
    """Show the status anew every second until Ctrl-C, in place if this is a terminal; return the exit code."""
    terminal = sys.stdout.isatty()
    sys.stdout.write("\x1b[2J" if terminal else "")
    try:
        while True:
            lines = [clean(line, sys.stdout.encoding) for line in render(gather(state_dir, clock.now()))]
            if terminal:  # home, each line cleared to its end, the rest of the screen cleared: nothing flickers
                height = os.get_terminal_size(sys.stdout.fileno()).lines or len(lines) + 1  # 0: it does not know
                sys.stdout.write("\x1b[H" + "".join(f"{line}\x1b[K\n" for line in lines[: height - 1]) + "\x1b[J")
            else:
                sys.stdout.write("".join(f"{line}\n" for line in [*lines, ""]))
            sys.stdout.flush()
            time.sleep(1)
    except KeyboardInterrupt:
        return 0


def queue(jobs: Iterable[Job], now: float) -> Iterator[str]:
    """Given jobs and the time, return a line for each: what it is, for how long it has been that, and why."""
    empty = True
    for job in jobs:
        empty = False
        since = span(now - job.changed)
        about = size(job.size) if job.size else ""
        yield f"{job.hash[:8]} {job.state:10} {since:>12} {about:>10}  {fit(clean(job.name), 60, pad=False)}"
        if job.reason:
            when = f"; again in {span(job.due - now)}" if job.state is State.WAITING and job.due > now else ""
            yield f"{'':8} {clean(job.reason)}{when}"
    if empty:
        yield "nothing is being copied, queued, waiting or failed"


def _head(view: View) -> Iterator[str]:
    snapshot = view.daemon.snapshot
    if view.daemon.running and snapshot is not None:
        up = span(view.now - snapshot.started)
        last = span(view.now - snapshot.at)
        yield f"seedcache {snapshot.version}: up for {up}, pid {snapshot.pid}, last change {last} ago"
    else:
        yield from _wrapped(f"seedcache: down; this is what the journal in {view.state_dir} says", "")
    for problem in problems(view):
        yield from _wrapped(problem, "! ")


def _disks(view: View) -> Iterator[str]:
    snapshot = view.daemon.snapshot
    if snapshot is None or not snapshot.disks:
        return
    yield ""
    for disk in snapshot.disks:
        used = disk.size - disk.free
        yield (
            f"{disk.role.upper()} {bar(used, disk.size, _BAR)} {percent(used, disk.size)}  "
            f"{size(disk.free)} of {size(disk.size)} free{'' if view.daemon.running else ' when last seen'}"
        )
        limit = f", relocates below {size(snapshot.threshold)}" if disk.role == "ssd" else ""
        yield f"    {disk.path}{limit}"
    if snapshot.bytes_at_risk:
        yield f"    {size(snapshot.bytes_at_risk)} are finished and on the SSD only"


def _workers(view: View) -> Iterator[str]:
    snapshot = view.daemon.snapshot
    if snapshot is None or not view.daemon.running:
        return
    yield ""
    for worker in snapshot.workers:
        if not worker.up:
            yield f"{worker.name:10} starting"
        elif not worker.hash:
            yield f"{worker.name:10} idle"
        else:
            phase = worker.phase or "begins"
            yield f"{worker.name:10} {phase:8} {worker.hash[:8]} {worker.name_of_torrent}"
            if worker.total:
                yield (
                    f"{'':10} {bar(worker.done, worker.total, 10)} {percent(worker.done, worker.total)} "
                    f"{share(worker.done, worker.total)}  {_pace(worker)}"
                )


def _pace(worker: Worker) -> str:
    left = eta(worker)
    return f"{size(worker.rate)}/s{'' if left is None else f'  ETA {span(left)}'}" if worker.rate else ""


def eta(worker: Worker) -> float | None:
    """Return the seconds that the phase at hand still takes at the rate of late, or None if there is no rate."""
    return (worker.total - worker.done) / worker.rate if worker.rate > 0 and worker.total > 0 else None


def _lists(view: View) -> Iterator[str]:
    now = view.now
    if view.queue:
        yield from _title("Queue", view.jobs[State.SUBMITTED], len(view.queue))
        for job in view.queue:
            yield f"  {job.hash[:8]} {fit(clean(job.name or '(not yet looked up)'), 54)} {span(now - job.changed)}"
    if view.waiting:
        yield from _title("Waiting for another try", view.jobs[State.WAITING], len(view.waiting))
        for job in view.waiting:
            when = f"in {span(job.due - now)}" if job.due > now else "due"
            yield f"  {job.hash[:8]} {fit(clean(job.name), 40)} {when}, {job.attempts} failed"
            yield from _wrapped(job.reason, " " * 11)
    if view.failed:
        yield from _title("Failed", view.jobs[State.FAILED], len(view.failed))
        for job in view.failed:
            yield f"  {job.hash[:8]} {fit(clean(job.name), 54)} {span(now - job.changed)} ago"
            yield from _wrapped(job.reason, " " * 11)
    if any(view.telling.values()):
        yield ""
        yield f"Notices: {view.telling['pending']} pending, {view.telling['failed']} refused"
        for notice in view.notices:
            yield f"  {notice.hash[:8]} {notice.service}: {view.names.get(notice.hash, '')}"
            yield from _wrapped(notice.reason, " " * 11)
    yield ""
    counts = ", ".join(f"{count} {state}" for state, count in view.jobs.items() if count)
    yield from _wrapped(f"Torrents: {counts or 'none yet'}", "")
    if view.events:
        yield ""
        yield "Last events"
        for event in view.events:
            about = view.names.get(event.hash) or event.text
            yield f"  {fit(span(now - event.at) + ' ago', 14)} {event.hash[:8]} {fit(event.action, 12)} {about}"


def _title(name: str, count: int, shown: int) -> Iterator[str]:
    yield ""
    yield f"{name}: {count}" + (f", the oldest {shown} of them" if count > shown else "")


def _wrapped(text: str, indent: str) -> Iterator[str]:
    """Break a text at its spaces; a reason is worth more lines, a name is not."""
    line = indent
    for word in clean(text).split():
        if len(line) > len(indent) and len(line) + 1 + len(word) > WIDTH:
            yield line
            line = " " * len(indent)
        line += word if not line.strip(" !") else f" {word}"
    yield line


def as_dict(view: View) -> dict[str, Any]:
    """Return the view for `--json`."""
    snapshot = view.daemon.snapshot
    return {
        "version": VERSION,
        "at": view.now,
        "state_dir": view.state_dir,
        "running": view.daemon.running,
        "problems": problems(view),
        "jobs": view.jobs,
        "notices": view.telling,
        "snapshot": None
        if snapshot is None
        else asdict(snapshot)
        | {"workers": [asdict(worker) | {"eta_seconds": eta(worker)} for worker in snapshot.workers]},
        "queue": [job_as_dict(job) for job in view.queue],
        "waiting": [job_as_dict(job) for job in view.waiting],
        "failed": [job_as_dict(job) for job in view.failed],
        "events": [asdict(event) for event in view.events],
    }


def job_as_dict(job: Job) -> dict[str, Any]:
    """Return a job for `--json`; bytes of its paths that are no UTF-8 are escaped."""
    paths = {name: getattr(job, name).decode("utf-8", "backslashreplace") for name in ("source", "destination")}
    return asdict(job) | paths
