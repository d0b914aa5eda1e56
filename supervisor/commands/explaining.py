"""Where one torrent stands, how it came to that, and what happens next: `seedcache explain HASH`. Reads only."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from supervisor.commands.display import clean, percent, size, span
from supervisor.commands.outlook import Outlook, look
from supervisor.commands.reader import Daemon, Reader, daemon
from supervisor.commands.status import holds, job_as_dict
from supervisor.dispatch.planning import Action, Step, When
from supervisor.errors import ConfigurationError, RTorrentUnreachable
from supervisor.jobs import ENDED, Event, Job, Notice, Proof, State, Telling
from supervisor.settings import Settings

if TYPE_CHECKING:
    from supervisor.adapters.torrents import Torrent

VERSION = 1  # of the JSON
_STORY = 50  # events
_RESTING = ENDED | {State.FAILED, None}  # states in which nothing happens by itself


@dataclass(frozen=True, slots=True)
class Case:
    """All that is known of one torrent."""

    now: float  # unix seconds
    hash: str
    job: Job | None
    events: tuple[Event, ...]  # the oldest first
    notices: tuple[Notice, ...]
    daemon: Daemon
    torrent: "Torrent | None"  # None: rTorrent does not have it, or could not be asked
    unknown: str  # why rTorrent could not be asked; empty: it was
    outlook: Outlook | None  # None: as above


def investigate(settings: Settings, journal: Reader, job_hash: str, now: float) -> Case:
    """Given the settings, the journal, a hash and the time, gather what there is, with rTorrent or without."""
    from supervisor.adapters.rtorrent import RTorrent  # noqa: PLC0415  (90 ms: only here)

    torrent, unknown, seen = None, "", None
    try:
        torrents = RTorrent(settings.scgi_url, settings.rpc_timeout).torrents()
        torrent = next((torrent for torrent in torrents if torrent.hash == job_hash), None)
        seen = look(settings, journal, torrents, now)
    except RTorrentUnreachable as error:
        unknown = str(error)
    except ConfigurationError:
        pass  # the SSD is not there: then there is no plan, and `check` says so
    return Case(
        now,
        job_hash,
        journal.job(job_hash),
        tuple(reversed(journal.events(job_hash, _STORY))),
        tuple(journal.notices(job_hash=job_hash)),
        daemon(settings.state_dir, now),
        torrent,
        unknown,
        seen,
    )


def render(case: Case) -> Iterator[str]:
    """Return the lines for a person."""
    name = case.job.name if case.job else case.torrent.name if case.torrent else ""
    yield f"{case.hash}  {clean(name)}"
    yield ""
    yield from _section("State", _state(case))
    yield from _section("rTorrent", _rtorrent(case))
    if case.notices:
        yield from _section("Services", (_notice(notice, case.now) for notice in case.notices))
    yield from _section("Next", next_steps(case))
    if case.events:
        yield "Story"
        for event in case.events:
            when = datetime.fromtimestamp(event.at).astimezone().strftime("%Y-%m-%d %H:%M:%S")
            yield f"  {when}  {event.action:12} {clean(event.text)}"


def _section(title: str, lines: Iterator[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield f"{title + ':' if number == 0 else '':10} {clean(line)}"
    yield ""


def _state(case: Case) -> Iterator[str]:
    job = case.job
    if job is None:
        yield "not in the journal: it was never submitted here"
        return
    yield f"{job.state} for {span(case.now - job.changed)}, submitted {span(case.now - job.submitted)} ago"
    if job.reason:
        yield job.reason
    if job.attempts:
        yield f"{job.attempts} failed attempts"
    if job.size:
        yield f"{size(job.size)}, label {job.label or '(none)'}"
    if job.source:
        yield f"from {_path(job.source)}"
        yield f"to   {_path(job.destination)}"
    yield {
        Proof.NONE: "there is no proven copy on the HDD",
        Proof.SOURCE: "copied, every piece right as it was read from the SSD; not read back from the HDD",
        Proof.READ_BACK: "copied, every piece right as it was read back from the HDD",
    }[job.proof]


def _rtorrent(case: Case) -> Iterator[str]:
    torrent = case.torrent
    if torrent is None:
        yield case.unknown or "does not have it"
        return
    state = "active" if torrent.active else "open" if torrent.open else "closed"
    if torrent.started and not torrent.active:
        state += " (paused)" if torrent.open else " (started)"
    complete = "complete" if torrent.complete else f"{size(torrent.left_bytes)} to download"
    checking = ", being checked" if torrent.hashing else ""
    yield f"{state}, {complete}{checking}, ratio {torrent.ratio:.2f}, {torrent.peers} peers"
    yield f"in {_path(torrent.directory)}"
    if torrent.message:
        yield torrent.message


def _notice(notice: Notice, now: float) -> str:
    if notice.state is Telling.SENT:
        return f"{notice.service}: done {span(now - notice.changed)} ago"
    when = f", tried again in {span(notice.due - now)}" if notice.due > now else ""
    return f"{notice.service}: {notice.state}{when}{f': {notice.reason}' if notice.reason else ''}"


def next_steps(case: Case) -> Iterator[str]:
    """Say what happens next by itself, and what a person can do."""
    job = case.job
    state = None if job is None else job.state
    if not case.daemon.running and state not in _RESTING:
        yield "nothing while seedcache is down; once `seedcache run` is started:"
    match state:
        case None:
            yield from _of_unknown(case)
        case State.SUBMITTED:
            yield "rTorrent is asked for it, then it waits for a free copy worker"
            if case.daemon.snapshot is not None and case.daemon.running:
                yield from holds(case.daemon.snapshot, case.now)
        case State.COPYING:
            yield from _of_copying(case)
        case State.WAITING:
            due = job.due if job else 0.0
            when = f"in {span(due - case.now)}" if due > case.now else "at once"
            yield f"it is tried again {when}; `seedcache queue retry {case.hash[:8]}` does not wait"
        case State.FAILED:
            yield f"nothing by itself: mend the reason above, then `seedcache queue retry {case.hash[:8]}`"
        case State.CANCELLED:
            yield f"nothing: it was cancelled; `seedcache queue retry {case.hash[:8]}` takes it up again"
        case State.GONE:
            yield "nothing: rTorrent has forgotten it; what is on the disks was left as it is"
        case State.RELOCATING:
            yield "rTorrent is switched to the HDD copy, then the SSD data is removed"
        case State.RELOCATED:
            yield "nothing: it seeds from the HDD, the SSD data is gone"
        case State.COPIED | State.NOTIFIED | State.CACHED:
            yield from _of_cached(case)


def _of_unknown(case: Case) -> Iterator[str]:
    if case.torrent is None:
        yield "nothing"
    elif not case.torrent.complete:
        yield "rTorrent's hook submits it when it is finished (`seedcache check` looks at the hook)"
    else:
        yield f"nothing until space is low: no hook told of it; `seedcache submit {case.hash}` does"


def _of_copying(case: Case) -> Iterator[str]:
    workers = case.daemon.snapshot.workers if case.daemon.snapshot and case.daemon.running else ()
    for worker in workers:
        if worker.hash == case.hash:
            yield f"{worker.name}: {worker.phase or 'begins'} {percent(worker.done, worker.total)}"
    yield "it is proven, published, and the services are told"


def _of_cached(case: Case) -> Iterator[str]:
    if any(notice.state is not Telling.SENT for notice in case.notices):
        yield "the services above are told; that holds up nothing else"
    if case.outlook is None:
        yield "it stays on both disks until space on the SSD is low"
        return
    place = case.outlook.place_of(case.hash)
    if place is None:
        yield f"it stays: {case.outlook.reason_to_stay(case.hash) or 'rTorrent does not list it'}"
        return
    step, _, needed = list(case.outlook.projected)[place - 1]
    yield from _turn(case.outlook, step, place)
    if step.action is Action.PROVE:
        yield "before that its HDD copy is read back and proven"
    if len(step.unit) > 1:
        others = ", ".join(each[:8] for each in step.unit if each != step.hash)
        yield f"it shares files with {others}: they leave together"
    if step.not_before > case.now:
        yield f"peers are being served from it: it waits for a quiet moment, {span(step.not_before - case.now)} at most"
    elif case.outlook.low:
        yield "it leaves now" if needed else "those before it free enough"


def _turn(outlook: Outlook, step: Step, place: int) -> Iterator[str]:
    if step.when in (When.ASKED, When.ANYWAY):
        yield f"it leaves the SSD, low space or not: {step.reason}"
        return
    marks = outlook.outset.marks
    low = "which it is" if outlook.low else "which it is not"
    yield f"it stays on both disks until less than {size(marks.low)} of the SSD are free, {low}"
    yield f"then it is number {place} of {len(outlook.plan.steps)}: {step.reason}"
    yield f"a label of POLICY_KEEP_LABELS keeps it; `seedcache relocate {step.hash[:8]}` does not wait"


def as_dict(case: Case) -> dict[str, Any]:
    """Return it for `--json`."""
    outlook = case.outlook
    return {
        "version": VERSION,
        "at": case.now,
        "hash": case.hash,
        "running": case.daemon.running,
        "job": None if case.job is None else job_as_dict(case.job),
        "rtorrent": None
        if case.torrent is None
        else asdict(case.torrent) | {"directory": _path(case.torrent.directory)},
        "rtorrent_error": case.unknown,
        "notices": [asdict(notice) for notice in case.notices],
        "place_in_plan": None if outlook is None else outlook.place_of(case.hash),
        "reason_to_stay": "" if outlook is None else outlook.reason_to_stay(case.hash),
        "next": list(next_steps(case)),
        "events": [asdict(event) for event in case.events],
    }


def _path(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")
