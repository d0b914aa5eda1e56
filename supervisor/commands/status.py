"""What `seedcache status` knows, from the last snapshot and the journal, so also while the supervisor is down.

`plain` makes text of it, `screen` a picture for a terminal, `as_dict` what programs read (docs/status.md).
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from supervisor.commands.display import size, span
from supervisor.commands.reader import Daemon, Reader, daemon
from supervisor.jobs import Event, Job, Notice, State, Telling
from supervisor.observation.snapshot import Disk, Held, Snapshot, Worker

VERSION = 1  # of the JSON: raised when a name in it goes away or changes its meaning
_SHOWN = 20  # torrents of each list, at most


@dataclass(frozen=True, slots=True)
class View:
    """Everything that is shown, at one moment."""

    now: float  # unix seconds
    state_dir: str
    daemon: Daemon
    jobs: dict[str, int]  # by state
    queue: tuple[Job, ...]  # the oldest of each list, not all
    waiting: tuple[Job, ...]
    failed: tuple[Job, ...]  # the newest
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
        events = tuple(journal.events(limit=_SHOWN))
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
            tuple(journal.jobs([State.FAILED], _SHOWN, newest=True)),
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
    if view.daemon.hidden:
        found.append(
            f"only its own user may see whether seedcache runs, in {view.state_dir}/run: ask as that user or with sudo"
        )
    elif not view.daemon.running:
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
            wrong = "is not mounted, does not answer, or is another disk"
            yield f"the {disk.role.upper()} {disk.path} {wrong}: `seedcache check` says more"
    if not snapshot.rtorrent.reachable and snapshot.rtorrent.since:
        away = span(view.now - snapshot.rtorrent.since)
        yield f"rTorrent has not been reachable for {away}: {snapshot.rtorrent.error}"
    if snapshot.draining:
        yield "it was told to stop and brings running work to a safe point"
    if snapshot.low_space:
        yield f"the SSD has less than {size(snapshot.high_mark)} free: {snapshot.relocations_planned} torrents leave it"
    if snapshot.waiting_for.get("room"):
        yield f"{snapshot.waiting_for['room']} torrents fit on no HDD: remove data there, or add a disk"
    if not snapshot.read_back:
        yield "VERIFICATION_ENABLED is off: copies are proven as they are read, not read back from the HDD"


def holds(snapshot: Snapshot, now: float) -> Iterator[str]:
    """Say what waits on purpose, and until when."""
    for wait, setting in (("copy-hours", "COPY_HOURS"), ("relocation-hours", "RELOCATION_HOURS")):
        if snapshot.waiting_for.get(wait) and wait in snapshot.opens:
            until = span(snapshot.opens[wait] - now)
            yield f"{snapshot.waiting_for[wait]} torrents wait for {setting}, which open in {until}"
    if snapshot.waiting_for.get("daily-budget"):
        yield f"{snapshot.waiting_for['daily-budget']} torrents wait for tomorrow: HDD_DAILY_BUDGET is used up"


def held_back(held: Held, now: float) -> tuple[str, str]:
    """Say of a held torrent how much of it is to come; and for how long it is held, if by us, and why."""
    why = f"for {span(now - held.since)}: {held.why}" if held.since else held.why
    return f"{size(held.to_come)} of {size(held.size)} to come", why


def standing(view: View) -> str:
    """Return how it stands in a word or two."""
    if view.daemon.running:
        return "needs a look" if problems(view) else "all is well"
    return "not to be seen" if view.daemon.hidden else "down"


# -- what every window says in the same words --------------------------------------------------------------------------


def marks(snapshot: Snapshot, disk: Disk) -> tuple[int, ...]:
    """Return the free bytes at which something happens on a disk, the least first."""
    found = {snapshot.emergency_mark, snapshot.low_mark, snapshot.high_mark} - {0}
    return tuple(sorted(found)) if disk.role == "ssd" else ()


def about_marks(snapshot: Snapshot, disk: Disk) -> str:
    """Return what happens at a disk's marks; empty: it has none."""
    if not marks(snapshot, disk):
        return ""
    until = f" until {size(snapshot.high_mark)}" if snapshot.high_mark > snapshot.low_mark else ""
    return f"relocates below {size(snapshot.low_mark)}{until}"


def full_in(disk: Disk) -> float | None:
    """Return in how many seconds a disk is full at the rate of the last half hour; None: it does not fill up."""
    return disk.free / disk.filling if disk.filling > 0 else None


def eta(worker: Worker) -> float | None:
    """Return the seconds that the phase at hand still takes at the rate of late, or None if there is no rate."""
    return (worker.total - worker.done) / worker.rate if worker.rate > 0 and worker.total > 0 else None


def pace(worker: Worker) -> str:
    """Return a worker's rate and what is left at it; empty: there is no rate."""
    left = eta(worker)
    return f"{size(worker.rate)}/s{'' if left is None else f'  ETA {span(left)}'}" if worker.rate else ""


def next_try(job: Job, now: float) -> str:
    """Return when a waiting job is tried again and how often it has failed."""
    when = f"in {span(job.due - now)}" if job.due > now else "due"
    return f"{when}, {job.attempts} failed"


def totals(view: View) -> str:
    """Return how many torrents there are of each state."""
    counts = ", ".join(f"{count} {state}" for state, count in view.jobs.items() if count)
    return f"Torrents: {counts or 'none yet'}"


# -- for programs ------------------------------------------------------------------------------------------------------


def as_dict(view: View) -> dict[str, Any]:
    """Return the view for `--json`; docs/status.schema.json says what each name means."""
    snapshot = view.daemon.snapshot
    return {
        "version": VERSION,
        "at": view.now,
        "state_dir": view.state_dir,
        "running": None if view.daemon.hidden else view.daemon.running,
        "problems": problems(view),
        "jobs": view.jobs,
        "notices": view.telling,
        "snapshot": None
        if snapshot is None
        else asdict(snapshot)
        | {
            "workers": [asdict(worker) | {"eta_seconds": eta(worker)} for worker in snapshot.workers],
            "disks": [asdict(disk) | {"full_in_seconds": full_in(disk)} for disk in snapshot.disks],
        },
        "queue": [job_as_dict(job) for job in view.queue],
        "waiting": [job_as_dict(job) for job in view.waiting],
        "failed": [job_as_dict(job) for job in view.failed],
        "events": [asdict(event) for event in view.events],
    }


def job_as_dict(job: Job) -> dict[str, Any]:
    """Return a job for `--json`; bytes of its paths that are no UTF-8 are escaped."""
    paths = {name: getattr(job, name).decode("utf-8", "backslashreplace") for name in ("source", "destination")}
    return asdict(job) | paths
