"""The jobs that have not ended, in memory, beside the journal: staged, made durable at once, or taken back.

What has ended is read from the journal when it is asked for, so memory follows the torrents at hand, not the history.
"""

import heapq
import logging
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from supervisor.adapters import clock
from supervisor.jobs import ENDED, Bookmark, Event, Job, Notice, Proof, Sample, State, Telling, is_due
from supervisor.journal import Journal, JournalUnwritable

log = logging.getLogger(__name__)

_LONGEST = 2000  # characters: of a label of 10 MB, say, that a reason quotes


def printable(text: str) -> str:
    """Given a text that may hold undecodable bytes, or be endless, return one that can be stored and shown."""
    return text[:_LONGEST].encode("utf-8", "replace").decode()


class Board:
    """Jobs and notices, with the indexes that scheduling needs."""

    def __init__(self, journal: Journal) -> None:
        """Read what the journal has."""
        self._journal = journal
        self.living: dict[str, Job] = {job.hash: job for job in journal.living()}
        self.notices: dict[tuple[str, str], Notice] = {
            (notice.hash, notice.service): notice
            for state in (Telling.PENDING, Telling.FAILED)
            for notice in journal.notices(state)
        }
        self.bookmarks = {bookmark.service: bookmark for bookmark in journal.bookmarks()}
        self.counts: dict[State, int] = dict.fromkeys(State, 0)
        self.counts |= journal.counts()
        self.moving: dict[str, Job] = {}  # the living ones but those that rest on both disks
        self.cached: dict[str, Job] = {}  # those, the longest cached first
        self._relocating: set[str] = set()
        self.unproven: dict[str, None] = {}  # hashes of copies that are published, and not read back yet
        self._waiting: list[tuple[float, str]] = []
        self._taken: list[tuple[float, str]] = []  # from those that wait; put back if what came of it is not durable
        for job in sorted(self.living.values(), key=lambda job: job.changed):
            self._queue(job)
        self._jobs: dict[str, Job] = {}
        self._before: dict[str, State | None] = {}
        self._told: dict[tuple[str, str], Notice] = {}
        self._events: list[Event] = []
        self._marked: dict[str, Bookmark] = {}
        self._samples: dict[str, Sample | None] = {}
        self._after: list[Callable[[], object]] = []
        self.on_write: Callable[[float, bool], None] = lambda _seconds, _failed: None
        self.on_events: Callable[[Sequence[Event]], None] = lambda _events: None
        self.on_submitted: Callable[[str], None] = lambda _hash: None  # a job has become SUBMITTED: find it in rTorrent
        self.on_entered: Callable[[Job], None] = lambda _job: None  # what a job has become is durable

    def get(self, job_hash: str) -> Job | None:
        """Given a hash, return its job as it is staged, or as it stands, or as it ended; None if it was never seen."""
        return self._jobs.get(job_hash) or self.living.get(job_hash) or self._journal.job(job_hash)

    def jobs_with(self, reasons: Iterable[str]) -> list[Job]:
        """Return the jobs that have one of these reasons in the journal, as they are staged, also those that ended."""
        return [self._jobs.get(job.hash, job) for job in self._journal.jobs_with(reasons)]

    def put(self, job: Job, now: float, text: str = "") -> None:
        """Stage the next state of a job, and the line of its story."""
        self.note(job)
        self.tell(job.hash, job.state, now, text or job.reason)

    def note(self, job: Job) -> None:
        """Stage the next state of a job without a line of its own."""
        before = self.get(job.hash)
        if job.hash not in self._jobs:
            self._before[job.hash] = None if before is None else before.state
        if job.state is State.SUBMITTED and (before is None or before.state is not State.SUBMITTED):
            self.then(lambda: self.on_submitted(job.hash))
        self._jobs[job.hash] = replace(job, name=printable(job.name), reason=printable(job.reason))

    def postpone(self, job: Job, due: float) -> None:
        """Stage that a waiting job waits longer (until unix seconds); that is no news."""
        self._before.setdefault(job.hash, job.state)
        self._jobs[job.hash] = replace(job, due=due)

    def put_notice(self, notice: Notice) -> None:
        """Stage the next state of a notice."""
        self._told[notice.hash, notice.service] = notice

    def bookmark(self, service: str) -> Bookmark | None:
        """Return how far a messenger has been told, as it is staged or stands."""
        return self._marked.get(service) or self.bookmarks.get(service)

    def put_bookmark(self, bookmark: Bookmark) -> None:
        """Stage how far a messenger has been told."""
        self._marked[bookmark.service] = bookmark

    def tell(self, job_hash: str, action: str, now: float, text: str) -> None:
        """Stage a line of a torrent's story that changes no state."""
        self._events.append(Event(now, job_hash, action, printable(text)))

    def keep(self, samples: Mapping[str, Sample | None]) -> None:
        """Stage what torrents have uploaded; None: it is forgotten."""
        self._samples |= samples

    def then(self, act: Callable[[], object]) -> None:
        """Stage what follows once the rest is durable."""
        self._after.append(act)

    def commit(self) -> None:
        """Make durable what is staged, then do what follows from it.

        Raise JournalUnwritable if that fails; then nothing has changed, and nothing is staged.
        """
        jobs, notices, events, before = self._jobs, list(self._told.values()), self._events, self._before
        marked, samples, after = self._marked, self._samples, self._after
        try:
            if jobs or notices or events or marked or samples:
                self._write(jobs, notices, events, before, marked, samples)
            self._taken = []
        finally:
            self.rollback()
        for act in after:
            act()

    def _write(
        self,
        jobs: dict[str, Job],
        notices: list[Notice],
        events: list[Event],
        before: dict[str, State | None],
        marked: dict[str, Bookmark],
        samples: dict[str, Sample | None],
    ) -> None:
        started = clock.monotonic()
        try:
            self._journal.write(jobs.values(), notices, events, marked.values(), samples)
        except JournalUnwritable:
            self.on_write(clock.monotonic() - started, True)
            raise
        self.on_write(clock.monotonic() - started, False)
        for notice in notices:
            if notice.state is Telling.SENT:
                self.notices.pop((notice.hash, notice.service), None)
            else:
                self.notices[notice.hash, notice.service] = notice
        self.bookmarks |= marked
        self.on_events(events)
        for event in events:
            level = logging.ERROR if event.action == State.FAILED else logging.INFO
            log.log(level, "%s", event.text, extra={"action": event.action, "hash": event.hash})
        for job in jobs.values():
            self._enter(job, before[job.hash])

    def rollback(self) -> None:
        """Forget what is staged."""
        for entry in self._taken:
            heapq.heappush(self._waiting, entry)
        self._taken = []
        self._jobs, self._told, self._events, self._before, self._after = {}, {}, [], {}, []
        self._marked, self._samples = {}, {}

    def unsent(self, job_hash: str) -> list[Notice]:
        """Given a hash, return the notices that somebody still has to be given, as they are staged or stand."""
        return [notice for notice in self.all_unsent() if notice.hash == job_hash]

    def all_unsent(self) -> list[Notice]:
        """Return the notices of all torrents that somebody still has to be given, as they are staged or stand."""
        return [notice for notice in (self.notices | self._told).values() if notice.state is not Telling.SENT]

    def begun_since(self, when: float) -> set[str]:
        """Given a time (unix seconds), return the hashes of the torrents whose copy was begun since then."""
        return self._journal.begun_since(when)

    def staged(self) -> Iterable[Job]:
        """Return the jobs whose next state is staged."""
        return self._jobs.values()

    def events_of(self, actions: Sequence[str], after: int, limit: int) -> list[tuple[int, Event]]:
        """Return the durable events of some actions after one with a number, the oldest first, each with its number."""
        return self._journal.events_of(actions, after, limit)

    def last_event(self) -> int:
        """Return the number of the last durable event."""
        return self._journal.last_event()

    def untold(self) -> dict[str, tuple[str, ...]]:
        """Return for each torrent that some service has not confirmed the names of those services."""
        services: dict[str, tuple[str, ...]] = {}
        for notice in self.all_unsent():
            services[notice.hash] = (*services.get(notice.hash, ()), notice.service)
        return services

    def relocating(self) -> Iterator[Job]:
        """Return the jobs whose relocation has begun, as they are staged or stand."""
        for job_hash in self._relocating | self._jobs.keys():
            job = self.get(job_hash)
            if job is not None and job.state is State.RELOCATING:
                yield job

    def due(self, now: float) -> Iterator[Job]:
        """Return the waiting jobs whose time has come, each once."""
        while self._waiting and is_due(self._waiting[0][0], now):
            due, job_hash = heapq.heappop(self._waiting)
            self._taken.append((due, job_hash))
            job = self.get(job_hash)
            if job is not None and job.state is State.WAITING and job.due == due:
                yield job

    def next_job_due(self) -> float:
        """Return when the next waiting job is due (unix seconds; infinity: none waits)."""
        return self._waiting[0][0] if self._waiting else float("inf")

    def next_notice_due(self, told: Container[str]) -> float:
        """Return when the next notice for none of those services is due (unix seconds; infinity: there is none)."""
        return min((notice.due for notice in self.notices.values() if notice.service not in told), default=float("inf"))

    def _enter(self, job: Job, before: State | None) -> None:
        if before is not None:
            self.counts[before] -= 1
        self.counts[job.state] += 1
        if job.state in ENDED:
            self.living.pop(job.hash, None)
        else:
            self.living[job.hash] = job
        self._queue(job)
        self.on_entered(job)

    def _queue(self, job: Job) -> None:
        rests = job.state is State.CACHED
        for jobs, belongs in ((self.cached, rests), (self.moving, not rests and job.state not in ENDED)):
            if belongs:
                jobs[job.hash] = job
            else:
                jobs.pop(job.hash, None)
        if job.state is State.WAITING:
            heapq.heappush(self._waiting, (job.due, job.hash))
        if job.state is State.RELOCATING:
            self._relocating.add(job.hash)
        else:
            self._relocating.discard(job.hash)
        if job.state in (State.COPIED, State.CACHED) and job.proof is Proof.SOURCE:
            self.unproven[job.hash] = None
        else:
            self.unproven.pop(job.hash, None)
