"""Takes what happened, decides, makes it durable, and only then acts on it. The journal's one writer.

Work is given to a worker by name, so that at every moment it is known who has what: a worker that dies gives its task
back, and a Manager that dies is told again. Nothing here waits: what may hang belongs to the workers and the inquirer.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from supervisor.adapters import files
from supervisor.dispatch import decisions
from supervisor.dispatch.announcements import Announcements
from supervisor.dispatch.board import Board
from supervisor.dispatch.crew import NOTIFIER, Crew, role_of
from supervisor.dispatch.desk import Desk
from supervisor.dispatch.doorman import Doorman
from supervisor.dispatch.drifting import Drifting
from supervisor.dispatch.inquirer import Answer, Call, Downloading, Located, Surveyed, Unlisted, Unusable
from supervisor.dispatch.outcomes import Outcomes
from supervisor.dispatch.permits import Permits
from supervisor.dispatch.relief import Relief
from supervisor.dispatch.room import Room
from supervisor.dispatch.scheduler import Scheduler
from supervisor.dispatch.sweeper import Swept
from supervisor.jobs import State
from supervisor.messages import Done, Failed, Progress, Result, Started, Task
from supervisor.observation.metrics import Metrics
from supervisor.settings import Settings

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
    ours: bool = False  # we have killed it: that costs its torrent no attempt


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
        self._outcomes = Outcomes(board, relief, doorman, self.room, self.scheduler.ready, self._announcements, metrics)
        self._doorman = doorman
        self._board, self._crew, self._relief, self._metrics = board, crew, relief, metrics

    def recover(self, now: float) -> None:
        """Take up what the journal has from the last run. Raise JournalUnwritable."""
        for job in self._board.living.values():
            if job.state is State.COPYING:
                self._board.put(job.to(State.SUBMITTED, now), now, "taken up again after a restart")
            elif job.state is State.SUBMITTED:
                self._board.on_submitted(job.hash)
        self.desk.take_up()
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
                    self.desk.take_up()
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

    def give_up_hung(self, kill: Callable[[str, str], str]) -> None:
        """Have those workers replaced that wait for a disk that has not answered for DISK_TIMEOUT.

        `kill` is given a worker and why, and returns its new name: it keeps its task until it is gone, so that nobody
        else touches that torrent.
        """
        silence = self._relief.disks.silence
        hung = {
            worker: f"{files.show(place.path)} has not answered for {silence(place.path):.0f} s"
            for worker, place in self._crew.at_disks()
            if silence(place.path) > self.settings.disk_timeout
        }
        for worker, why in hung.items():
            self._crew.rename(worker, kill(worker, why))

    @property
    def next_due(self) -> float:
        """When there is something to do without a message (unix seconds)."""
        due = min(self._relief.next_look, self._doorman.next_look, self._board.next_job_due(), self._drifting.next_due)
        due = min(due, self.scheduler.permits.next_change)
        # While the notifiers have one in hand, or there is none, their next word is what to wait for.
        if any(self._crew.idle(NOTIFIER)):
            return min(due, self._board.next_notice_due(self._crew.telling()), self._announcements.next_due)
        return due

    def _take(self, message: Message, now: float) -> None:
        match message:
            case Submission(entries):
                for _, subject, event in entries:
                    self.desk.take(subject, event, now)
            case Located() | Unlisted() | Unusable():
                self._outcomes.looked_up(message, self.settings, now)
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
            case WorkerLost(worker, reason, ours):
                self._board.then(partial(self._metrics.worker_lost, role_of(worker)))
                self._done(self._crew.lose(worker), self._orphaned(reason, ours=ours), now)

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

    def _done(self, task: Task | None, result: Result, now: float) -> None:
        self._outcomes.done(task, result, self.settings, now, draining=self.draining)

    def _orphaned(self, reason: str, *, ours: bool) -> Failed:
        return Failed(f"its worker process ended ({reason})", retry=True, counts=not (self.draining or ours))
