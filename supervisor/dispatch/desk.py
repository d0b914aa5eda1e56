"""Takes what hooks submit and what people ask for, from the spool."""

from dataclasses import replace
from functools import partial

from supervisor import spool
from supervisor.dispatch import decisions
from supervisor.dispatch.board import Board
from supervisor.dispatch.crew import Crew
from supervisor.dispatch.doorman import Doorman
from supervisor.dispatch.relief import Relief
from supervisor.jobs import ON_HDD, Job, Proof, State, Telling
from supervisor.observation.metrics import Metrics

# The reason of a job that is on the HDD, until what a person asked for has been done: it outlives a restart.
_ASKED = {"relocate": "to be relocated, asked for by hand", "verify": "to be proven again, asked for by hand"}


class Desk:
    """One entry at a time becomes changes of jobs. `stop` ends the work of the named worker."""

    def __init__(self, board: Board, crew: Crew, relief: Relief, doorman: Doorman, metrics: Metrics) -> None:
        self._board, self._crew, self._relief, self._metrics = board, crew, relief, metrics
        self._doorman = doorman
        self.to_stop: list[str] = []  # workers whose torrent was cancelled

    def take(self, subject: str, event: str, now: float) -> None:
        """Given an entry's hash (or ALL), its event and the time, stage what it changes."""
        if subject == spool.ALL:
            self._of_all(event, now)
            return
        job = self._board.get(subject)
        if event == "finished":
            self._finished(job, subject, now)
        elif event == "inserted":
            self._board.tell(subject, event, now, "added to rTorrent")
            self._doorman.soon(now)
            self._board.then(partial(self._metrics.submission, event, joined=False))
        elif job is None:
            self._board.tell(subject, "refused", now, f"{event} was asked for by hand, but it was never submitted")
        elif event == "retry":
            self._board.put(decisions.retried(job, now), now, "to be tried again, by hand")
            for notice in self._board.unsent(subject):
                self._board.put_notice(replace(notice, state=Telling.PENDING, due=now, attempts=0))
        elif event == "cancel":
            self._cancel(job, now)
        elif event == "relocate" and job.state in (State.COPIED, State.CACHED):
            self._board.tell(subject, event, now, "asked for by hand")
            self._board.note(replace(job, reason=_ASKED[event]))
            self._relief.demand(subject)
        elif event == "verify" and job.state in ON_HDD:
            self._board.tell(subject, event, now, "asked for by hand")
            self._board.note(replace(job, reason=_ASKED[event]))
            self._relief.to_prove[subject] = None
        else:
            self._board.tell(subject, "refused", now, f"{event} was asked for by hand, but it is {job.state}")

    def take_up(self) -> None:
        """After a restart, or when a disk is back: go on with what a person had asked for."""
        for job in self._board.jobs_with(_ASKED.values()):
            if job.state in (State.COPIED, State.CACHED) and job.reason == _ASKED["relocate"]:
                self._relief.demand(job.hash)
            elif job.state in ON_HDD and job.reason == _ASKED["verify"]:
                self._relief.to_prove[job.hash] = None

    def refuse(self, job_hash: str, why: str, now: float) -> None:
        """A torrent that a person wants off the SSD must stay."""
        self._board.tell(job_hash, "refused", now, f"not relocated: {why}")
        job = self._board.get(job_hash)
        if job is not None and job.reason == _ASKED["relocate"]:
            self._board.note(replace(job, reason=""))

    def _finished(self, job: Job | None, job_hash: str, now: float) -> None:
        submitted = decisions.submitted(job, job_hash, now)
        joined = job is not None and job.state is submitted.state
        if submitted is job:
            self._board.tell(job_hash, "joined", now, f"submitted again while {job.state}")
        else:
            self._board.put(submitted, now, "submitted")
        self._board.then(partial(self._metrics.submission, "finished", joined=joined))

    def _cancel(self, job: Job, now: float) -> None:
        cancelled = decisions.cancelled(job, now)
        if cancelled is job:
            self._board.tell(job.hash, "refused", now, f"not cancelled: it is {job.state}")
            return
        self._board.put(cancelled, now)
        worker = self._crew.worker_of(job.hash)
        if worker is not None:
            self._board.then(partial(self.to_stop.append, worker))

    def _of_all(self, event: str, now: float) -> None:
        if event == "process":
            for job in self._board.living.values():
                if job.state is State.WAITING:
                    self._board.put(replace(job, due=now), now, "brought forward by hand")
            for notice in self._board.notices.values():
                self._board.put_notice(replace(notice, state=Telling.PENDING, due=now))
        elif event == "clear":
            for job in self._board.living.values():
                if job.state is not State.COPYING and job.proof is Proof.NONE:
                    self._cancel(job, now)
        elif event == "space":
            self._relief.soon(anyway=True)
            self._doorman.soon(now)
        elif event == "trust":
            self._relief.disks.trust()
            self._relief.soon(anyway=True)
