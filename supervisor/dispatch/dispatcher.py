"""Takes what happened, decides, makes it durable, and only then acts on it. The journal's one writer.

Work is given to a worker by name, so that at every moment it is known who has what: a worker that dies gives its task
back, and a Manager that dies is told again. Nothing here waits: what may hang belongs to the workers and the inquirer.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from supervisor.dispatch import decisions
from supervisor.dispatch.announcements import Announcements
from supervisor.dispatch.board import Board
from supervisor.dispatch.crew import NOTIFIER, Crew, role_of
from supervisor.dispatch.decisions import Limits
from supervisor.dispatch.desk import Desk
from supervisor.dispatch.doorman import Doorman
from supervisor.dispatch.drifting import Drifting
from supervisor.dispatch.inquirer import Answer, Call, Downloading, Located, Surveyed, Unlisted, Unusable
from supervisor.dispatch.permits import Permits
from supervisor.dispatch.relief import Relief
from supervisor.dispatch.room import Room
from supervisor.dispatch.scheduler import Ready, Scheduler
from supervisor.dispatch.sweeper import Swept
from supervisor.errors import NoRoom
from supervisor.jobs import Job, State
from supervisor.messages import (
    Admit,
    Announce,
    Copied,
    Copy,
    Done,
    Failed,
    Notified,
    Notify,
    Progress,
    Prove,
    Proven,
    Relocate,
    Relocated,
    Result,
    Started,
    Task,
)
from supervisor.notifiers import table
from supervisor.observation.metrics import Metrics
from supervisor.settings import Settings

if TYPE_CHECKING:
    from supervisor.adapters.rtorrent import Torrent
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Submission:
    """Entries of the spool: (file name, hash or ALL, event)."""

    entries: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """A worker process is gone."""

    worker: str
    reason: str


Message = Submission | WorkerLost | Started | Progress | Done | Answer | Swept
Send = Callable[[str, Task], None]  # worker, task


class Dispatcher:
    """Decides what happens next."""

    def __init__(
        self, settings: Settings, board: Board, crew: Crew, relief: Relief, doorman: Doorman, metrics: Metrics
    ) -> None:
        self.settings = settings
        self.draining = False
        self.desk = Desk(board, crew, relief, doorman, metrics)
        self._drifting = Drifting(board, crew, self.desk, relief, metrics)
        self.room = Room(board, crew, relief.disks)
        permits = Permits(board, relief.disks)
        self.scheduler = Scheduler(board, crew, relief, doorman, self.room, permits, metrics)
        self._announcements = Announcements(board, crew, metrics)
        self._doorman = doorman
        self._board, self._crew, self._relief, self._metrics = board, crew, relief, metrics

    def recover(self, now: float) -> None:
        """Take up what the journal has from the last run. Raise JournalUnwritable."""
        for job in self._board.living.values():
            if job.state is State.COPYING:
                self._board.put(job.to(State.SUBMITTED, now), now, "taken up again after a restart")
            elif job.state is State.SUBMITTED:
                self._board.on_submitted(job.hash)
            self.desk.take_up(job)
        self._board.commit()

    def handle(self, messages: Iterable[Message], now: float, send: Send) -> list[str]:
        """Given what happened and the time, decide, make it durable, give out work; return the names in the spool read.

        Raise JournalUnwritable if it could not be made durable: then nothing has changed, and the same messages are to
        be handled again later.
        """
        saved = self._crew.save()
        read: list[str] = []
        try:
            for message in messages:
                if isinstance(message, Submission):
                    read += [name for name, _, _ in message.entries]
                self._take(message, now)
            if self._relief.due(now):
                self._relief.look(now, self.settings)
                for job in self.room.returned(self.settings):
                    self._board.put(decisions.resumed(job, now), now, "there may be room for it again")
                if self._relief.disks.have_returned():
                    for job in self._board.living.values():
                        self.desk.take_up(job)
            self._drifting.look(now)
            if now >= self._doorman.next_look:
                self._doorman.look(now)
            if not self.draining:
                self._doorman.decide(now, self.settings, self.room)
                self.scheduler.schedule(now, self.settings)
                self._announcements.schedule(now, self.settings, self.scheduler.tokens)
            self._board.commit()
        except Exception:
            self._board.rollback()
            self._crew.restore(saved)
            raise
        for worker, task in self._crew.outbox():
            kind = type(task).__name__.lower()
            log.debug("%s", kind, extra={"action": "assigned", "hash": task.hash, "worker": worker})
            send(worker, task)
        return read

    def resend(self, send: Send) -> None:
        """The Manager was replaced: give every worker its task again. One that has answered it says so again."""
        for worker, task in self._crew.tasks().items():
            send(worker, task)

    @property
    def next_due(self) -> float:
        """When there is something to do without a message (unix seconds)."""
        due = min(self._relief.next_look, self._doorman.next_look, self._board.next_job_due(), self._drifting.next_due)
        due = min(due, self.scheduler.permits.next_change)
        # While the notifiers have one in hand, or there is none, their next word is what to wait for.
        if any(self._crew.idle(NOTIFIER)):
            return min(due, self._board.next_notice_due(self._crew.telling()), self._announcements.next_due)
        return due

    @property
    def _limits(self) -> Limits:
        return decisions.limits_of(self.settings)

    def _take(self, message: Message, now: float) -> None:
        match message:
            case Submission(entries):
                for _, subject, event in entries:
                    self.desk.take(subject, event, now)
            case Located() | Unlisted() | Unusable():
                self._looked_up(message, now)
            case Surveyed():
                self._surveyed(message, now)
            case Swept(report, reason):
                self._drifting.swept(report, reason)
            case Downloading():
                self._doorman.found(message, now, self.settings)
            case Call(seconds, error):
                self._board.then(partial(self._metrics.rtorrent_call, seconds, failed=bool(error)))
            case Started(worker, pid):
                self._crew.up(worker, pid, now)
            case Progress():
                self._crew.progress(message, now)
                for reason, seconds in message.held:
                    self._board.then(partial(self._metrics.held_back, reason, seconds))
            case Done(worker, token, result):
                self._done(self._crew.finish(worker, token, now), result, now)
            case WorkerLost(worker, reason):
                self._board.then(partial(self._metrics.worker_lost, role_of(worker)))
                self._done(self._crew.lose(worker), self._orphaned(reason), now)

    def _surveyed(self, answer: Surveyed, now: float) -> None:
        self._drifting.surveyed(answer, now)
        wanted, refused = self._relief.plan(
            answer.torrents, self._board.living, self._board.untold(), self.settings, now
        )
        for job_hash, reason in refused:
            self.desk.refuse(job_hash, reason, now)
        if samples := self._relief.uploads.unwritten(now):
            self._board.keep(samples)
            self._board.then(partial(self._relief.uploads.wrote, samples, now))
        self._drifting.missed(wanted, now)

    def _orphaned(self, reason: str) -> Failed:
        return Failed(f"its worker process ended ({reason})", retry=True, counts=not self.draining)

    def _looked_up(self, answer: Located | Unlisted | Unusable, now: float) -> None:
        job = self._board.get(answer.hash)
        if job is None or job.state is not State.SUBMITTED:
            return
        self._board.then(partial(self._metrics.attempt, "locate"))
        match answer:
            case Located(_, torrent, kin):
                self._located(job, torrent, kin, now)
            case Unlisted():
                self._board.put(decisions.absent(job, self._limits, now), now)
            case Unusable(_, reason):
                self._fail(job, "locate", Failed(reason, retry=True), now)

    def _located(self, job: Job, torrent: "Torrent", kin: tuple[str, ...], now: float) -> None:
        disks = self._relief.disks

        def destination_of(torrent: "Torrent") -> bytes:
            beside = decisions.beside(torrent, filter(None, map(self._board.get, kin)))
            if beside is not None and disks.serves(beside.destination):
                return beside.destination
            return self.room.destination(torrent, self.settings, now)

        try:
            located = decisions.located(job, torrent, disks.ssd.path, disks.roots, destination_of, self._limits, now)
        except NoRoom as error:
            self._fail(job, "locate", Failed(str(error), retry=True, counts=False, lacking=error.lacking), now)
            return
        if located.state is State.SUBMITTED:
            where = located.destination.decode(errors="replace")
            self._board.put(located, now, f"{located.size} bytes, to be copied to {where}")
            hdd = disks.hdd_of(located.destination)
            if hdd is not None:
                self.scheduler.ready[job.hash] = Ready(hdd.path, torrent.directory == located.destination, kin)
        else:
            self._board.put(replace(located, name=located.name or torrent.name), now)

    def _done(self, task: Task | None, result: Result, now: float) -> None:
        if isinstance(task, Announce):
            self._announcements.done(task, result if isinstance(result, Failed) else None, self._limits, now)
            return
        if isinstance(task, Admit):
            self._doorman.done(result, now, self._metrics)
            return
        job = self._board.get(task.hash) if task is not None else None
        if task is None or job is None or not decisions.concerns(task, job):
            return
        match task, result:
            case Notify(), Notified() | Failed():
                self._told(task, job, result if isinstance(result, Failed) else None, now)
            case Copy(), Copied():
                self._copied(job, result, now)
            case Prove(), Proven():
                for step in decisions.proven(job, now):
                    self._board.put(step, now, "the HDD copy was read back and proven")
                self._board.tell(job.hash, "proven", now, f"every piece was right, in {result.prove_seconds:.1f} s")
                self._board.then(partial(self._metrics.proven, result))
                self._board.then(partial(self._relief.settled, job.hash))
            case Relocate(), Relocated():
                outage = "" if result.outage_seconds is None else f"closed for {result.outage_seconds * 1000:.1f} ms, "
                relocated = job.to(State.RELOCATED, now, attempts=0, reason="")
                stay = f", {result.bytes_spared} stay for other torrents" if result.bytes_spared else ""
                self._board.put(relocated, now, f"{outage}{result.bytes_removed} bytes freed on the SSD{stay}")
                self._board.then(partial(self._metrics.relocated, result))
                self._relief.soon(anyway=True)
                self._doorman.soon(now)
            case Copy(), Failed():
                self._fail(job, "copy", result, now)
            case Prove(), Failed():
                self._fail(job, "prove", result, now)
            case Relocate(), Failed():
                self._fail(job, "relocate", result, now)

    def _copied(self, job: Job, result: Copied, now: float) -> None:
        services = table.which(self.settings, job.label)
        copied, notices = decisions.copied(job, result, services, now)
        what = "stood there already" if result.adopted else f"{result.bytes_written} bytes written"
        self._board.put(copied, now, f"{what}, proof: {result.proof}")
        for notice in notices:
            self._board.put_notice(notice)
        self._settle(copied, now)
        self._board.then(partial(self._metrics.copied, result))
        self._relief.copied(copied.hash, copied.label, self.settings)

    def _told(self, task: Notify, job: Job, failure: Failed | None, now: float) -> None:
        for notice in self._board.unsent(task.hash):
            if notice.service == task.service:
                told = decisions.told(notice, failure, self._limits, now)
                self._board.put_notice(told)
                outcome = {"pending": "retry"}.get(told.state, str(told.state))
                self._board.tell(task.hash, "told", now, f"{task.service}: {told.reason or 'done'}")
                self._board.then(partial(self._metrics.notified, task.service, outcome))
        self._settle(job, now)

    def _settle(self, job: Job, now: float) -> None:
        if not self._board.unsent(job.hash):
            for step in decisions.settled(job, now):
                self._board.put(step, now)

    def _fail(self, job: Job, step: str, failure: Failed, now: float) -> None:
        """Stage what a failed step makes of its job, and count it."""
        if self._relief.disks_changed(job.destination, now, self.settings):
            failure = replace(failure, retry=True, counts=False)  # it goes on once the right disk is mounted again
        if self.draining and not failure.counts and job.state is State.COPYING:
            self._board.put(job.to(State.SUBMITTED, now), now, "stopped at a safe point")
            return
        if step == "prove":
            self._board.tell(job.hash, "unproven", now, failure.reason)
            next_job = decisions.disproven(job, failure, self._limits, now)
        else:
            tries = 1 if failure.lacking is None else self.room.lacks(job, failure.lacking, self.settings)
            next_job = decisions.waiting(job, failure, self._limits, now, tries)
        if failure.proof:
            self._board.tell(job.hash, "proof-failed", now, failure.reason)
        self._board.put(next_job, now)
        kind = {"proof": failure.proof, "rolled_back": failure.rolled_back, "foreign": failure.foreign}
        self._board.then(partial(self._metrics.failed, step, final=next_job.state is State.FAILED, **kind))
