"""The status as lines of text of 80 columns, for pipes, mails and terminals that can do no more."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator

from supervisor.adapters import clock
from supervisor.commands.display import WIDTH, bar, clean, fit, percent, share, size, span, wrapped
from supervisor.commands.status import (
    View,
    about_marks,
    as_dict,
    full_in,
    gather,
    held_back,
    holds,
    next_try,
    pace,
    problems,
    standing,
    totals,
)
from supervisor.jobs import Job, State

_SHOWN = 5  # torrents of each list
_EVENTS = 8
_BAR = 20


def render(view: View) -> Iterator[str]:
    """Return the lines for a person, of at most 80 columns."""
    for line in (*_head(view), *_disks(view), *_workers(view), *_holds(view), *_lists(view)):
        yield fit(clean(line), WIDTH, pad=False)


def text(view: View) -> str:
    """Return the status as lines and an empty one, in what standard output can say."""
    return "".join(f"{clean(line, sys.stdout.encoding)}\n" for line in [*render(view), ""])


def document(view: View) -> str:
    """Return the status as one line of JSON (https://jsonlines.org)."""
    return f"{json.dumps(as_dict(view))}\n"


def watch(state_dir: str, show: Callable[[View], str]) -> int:
    """Print what `show` makes of the status, anew every second until Ctrl-C; return the exit code."""
    try:
        while True:
            sys.stdout.write(show(gather(state_dir, clock.now())))
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
        yield from wrapped(f"seedcache: {standing(view)}; this is what the journal in {view.state_dir} says", "")
    for problem in problems(view):
        yield from wrapped(problem, "! ")


def _disks(view: View) -> Iterator[str]:
    snapshot = view.daemon.snapshot
    if snapshot is None or not snapshot.disks:
        return
    yield ""
    for disk in snapshot.disks:
        used = disk.size - disk.free
        full = full_in(disk)
        when = " when last seen" if not view.daemon.running else "" if full is None else f", full in {span(full)}"
        yield (
            f"{disk.role.upper()} {bar(used, disk.size, _BAR)} {percent(used, disk.size)}  "
            f"{size(disk.free)} of {size(disk.size)} free{when}"
        )
        limit = about_marks(snapshot, disk)
        yield f"    {disk.path}{f', {limit}' if limit else ''}"
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
                    f"{share(worker.done, worker.total)}  {pace(worker)}"
                )


def _holds(view: View) -> Iterator[str]:
    snapshot = view.daemon.snapshot
    lines = list(holds(snapshot, view.now)) if snapshot is not None and view.daemon.running else []
    yield from ["", *lines] if lines else []


def _lists(view: View) -> Iterator[str]:
    now = view.now
    if view.failed:
        yield from _title("Failed", view.jobs[State.FAILED], "newest")
        for job in view.failed[:_SHOWN]:
            yield f"  {job.hash[:8]} {fit(clean(job.name), 52)} {span(now - job.changed)} ago"
            yield from wrapped(job.reason, " " * 11)
    if view.waiting:
        yield from _title("Waiting for another try", view.jobs[State.WAITING], "oldest")
        for job in view.waiting[:_SHOWN]:
            yield f"  {job.hash[:8]} {fit(clean(job.name), 40)} {next_try(job, now)}"
            yield from wrapped(job.reason, " " * 11)
    if view.queue:
        yield from _title("Queue", view.jobs[State.SUBMITTED], "oldest")
        for job in view.queue[:_SHOWN]:
            yield f"  {job.hash[:8]} {fit(clean(job.name or '(not yet looked up)'), 54)} {span(now - job.changed)}"
    snapshot = view.daemon.snapshot
    if snapshot is not None and view.daemon.running and snapshot.leaving:
        yield from _title("Leaving the SSD", snapshot.relocations_planned, "next")
        for torrent in snapshot.leaving[:_SHOWN]:
            yield f"  {torrent.hash[:8]} {fit(clean(torrent.name), 54)} {size(torrent.size)}"
    yield from _held(view)
    if any(view.telling.values()):
        yield ""
        yield f"Notices: {view.telling['pending']} pending, {view.telling['failed']} refused"
        for notice in view.notices[:_SHOWN]:
            yield f"  {notice.hash[:8]} {notice.service}: {view.names.get(notice.hash, '')}"
            yield from wrapped(notice.reason, " " * 11)
    yield ""
    yield from wrapped(totals(view), "")
    if view.events:
        yield ""
        yield "Last events"
        for event in view.events[:_EVENTS]:
            about = view.names.get(event.hash) or event.text
            yield f"  {fit(span(now - event.at) + ' ago', 14)} {event.hash[:8]} {fit(event.action, 12)} {about}"


def _held(view: View) -> Iterator[str]:
    snapshot = view.daemon.snapshot
    if snapshot is not None and view.daemon.running and snapshot.held:
        yield from _title("Held, for want of room", len(snapshot.held), "oldest")
        for held in snapshot.held[:_SHOWN]:
            much, why = held_back(held, view.now)
            yield f"  {held.hash[:8]} {fit(clean(held.name), 38)} {much}"
            yield from wrapped(why, " " * 11)


def _title(name: str, count: int, which: str) -> Iterator[str]:
    yield ""
    yield f"{name}: {count}" + (f", the {which} {_SHOWN} of them" if count > _SHOWN else "")
