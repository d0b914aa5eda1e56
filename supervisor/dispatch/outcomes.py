"""What rTorrent's answers, and what workers make of their tasks, mean for the jobs: staged on the board."""

from collections.abc import MutableMapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from supervisor.dispatch import decisions
from supervisor.dispatch.announcements import Announcements
from supervisor.dispatch.board import Board
from supervisor.dispatch.doorman import Doorman
from supervisor.dispatch.inquirer import Located, Unlisted, Unusable
from supervisor.dispatch.relief import Relief
from supervisor.dispatch.room import Room
from supervisor.dispatch.scheduler import Ready
from supervisor.errors import NoRoom
from supervisor.jobs import Job, State
from supervisor.messages import (
    Admit,
    Announce,
    Copied,
    Copy,
    Failed,
    Notified,
    Notify,
    Prove,
    Proven,
    Relocate,
    Relocated,
    Result,
    Task,
)
from supervisor.notifiers import table
from supervisor.observation.metrics import Metrics
from supervisor.settings import Settings

if TYPE_CHECKING:
    from supervisor.adapters.torrents import Torrent


class Outcomes:
    """One answer, or one end of a task, at a time."""

    def __init__(
        self,
        board: Board,
        relief: Relief,
        doorman: Doorman,
        room: Room,
        ready: MutableMapping[str, Ready],
        announcements: Announcements,
        metrics: Metrics,
    ) -> None:
        """Given also where what can be copied is put: the scheduler's `ready`."""
        self._board, self._relief, self._doorman, self._room = board, relief, doorman, room
        self._ready, self._announcements, self._metrics = ready, announcements, metrics

    def looked_up(self, answer: Located | Unlisted | Unusable, settings: Settings, now: float) -> None:
        """RTorrent was asked for a torrent that was submitted."""
        job = self._board.get(answer.hash)
        if job is None or job.state is not State.SUBMITTED:
            return
        self._board.then(partial(self._metrics.attempt, "locate"))
        match answer:
            case Located(_, torrent, kin):
                self._located(job, torrent, kin, settings, now)
            case Unlisted():
                self._board.put(decisions.absent(job, decisions.limits_of(settings), now), now)
            case Unusable(_, reason):
                self._fail(job, "locate", Failed(reason, retry=True), settings, now)

    def _located(self, job: Job, torrent: "Torrent", kin: tuple[str, ...], settings: Settings, now: float) -> None:
        disks = self._relief.disks

        def destination_of(torrent: "Torrent") -> bytes:
            beside = decisions.beside(torrent, filter(None, map(self._board.get, kin)))
            if beside is not None and disks.serves(beside.destination):
                return beside.destination
            return self._room.destination(torrent, settings, now)

        try:
            located = decisions.located(
                job, torrent, disks.ssd.path, disks.roots, destination_of, decisions.limits_of(settings), now
            )
        except NoRoom as error:
            self._fail(
                job, "locate", Failed(str(error), retry=True, counts=False, lacking=error.lacking), settings, now
            )
            return
        if located.state is State.SUBMITTED:
            where = located.destination.decode(errors="replace")
            self._board.put(located, now, f"{located.size} bytes, to be copied to {where}")
            hdd = disks.hdd_of(located.destination)
            if hdd is not None:
                self._ready[job.hash] = Ready(hdd.path, torrent.directory == located.destination, kin)
        else:
            self._board.put(replace(located, name=located.name or torrent.name), now)

    def done(self, task: Task | None, result: Result, settings: Settings, now: float, *, draining: bool) -> None:
        """A task ended, well or not; None: whoever says so had none."""
        if isinstance(task, Announce):
            self._announcements.done(
                task, result if isinstance(result, Failed) else None, decisions.limits_of(settings), now
            )
            return
        if isinstance(task, Admit):
            self._doorman.done(result, now, self._metrics)
            return
        job = self._board.get(task.hash) if task is not None else None
        if task is None or job is None or not decisions.concerns(task, job):
            return
        match task, result:
            case Notify(), Notified() | Failed():
                self._told(task, job, result if isinstance(result, Failed) else None, settings, now)
            case Copy(), Copied():
                self._copied(job, result, settings, now)
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
                self._fail(job, "copy", result, settings, now, draining=draining)
            case Prove(), Failed():
                self._fail(job, "prove", result, settings, now, draining=draining)
            case Relocate(), Failed():
                self._fail(job, "relocate", result, settings, now, draining=draining)

    def _copied(self, job: Job, result: Copied, settings: Settings, now: float) -> None:
        services = table.which(settings, job.label)
        copied, notices = decisions.copied(job, result, services, now)
        what = "stood there already" if result.adopted else f"{result.bytes_written} bytes written"
        self._board.put(copied, now, f"{what}, proof: {result.proof}")
        for notice in notices:
            self._board.put_notice(notice)
        self._settle(copied, now)
        self._board.then(partial(self._metrics.copied, result))
        self._relief.copied(copied.hash, copied.label, settings)

    def _told(self, task: Notify, job: Job, failure: Failed | None, settings: Settings, now: float) -> None:
        for notice in self._board.unsent(task.hash):
            if notice.service == task.service:
                told = decisions.told(notice, failure, decisions.limits_of(settings), now)
                self._board.put_notice(told)
                outcome = {"pending": "retry"}.get(told.state, str(told.state))
                self._board.tell(task.hash, "told", now, f"{task.service}: {told.reason or 'done'}")
                self._board.then(partial(self._metrics.notified, task.service, outcome))
        self._settle(job, now)

    def _settle(self, job: Job, now: float) -> None:
        if not self._board.unsent(job.hash):
            for step in decisions.settled(job, now):
                self._board.put(step, now)

    def _fail(
        self, job: Job, step: str, failure: Failed, settings: Settings, now: float, *, draining: bool = False
    ) -> None:
        """Stage what a failed step makes of its job, and count it."""
        if self._relief.disks_changed(job.destination, now, settings):
            failure = replace(failure, retry=True, counts=False)  # it goes on once the right disk is mounted again
        if draining and not failure.counts and job.state is State.COPYING:
            self._board.put(job.to(State.SUBMITTED, now), now, "stopped at a safe point")
            return
        if step == "prove":
            self._board.tell(job.hash, "unproven", now, failure.reason)
            next_job = decisions.disproven(job, failure, decisions.limits_of(settings), now)
        else:
            tries = 1 if failure.lacking is None else self._room.lacks(job, failure.lacking, settings)
            next_job = decisions.waiting(job, failure, decisions.limits_of(settings), now, tries)
        if failure.proof:
            self._board.tell(job.hash, "proof-failed", now, failure.reason)
        self._board.put(next_job, now)
        kind = {"proof": failure.proof, "rolled_back": failure.rolled_back, "foreign": failure.foreign}
        self._board.then(partial(self._metrics.failed, step, final=next_job.state is State.FAILED, **kind))
