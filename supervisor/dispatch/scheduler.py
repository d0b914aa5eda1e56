"""Gives out work: which torrent goes to which idle worker now."""

import itertools
from collections import Counter
from functools import partial

from supervisor.adapters import files
from supervisor.dispatch import decisions
from supervisor.dispatch.board import Board
from supervisor.dispatch.crew import COPIER, NOTIFIER, SPACE, Crew
from supervisor.dispatch.inquirer import metainfo_path
from supervisor.dispatch.relief import Relief
from supervisor.jobs import Job, Proof, State
from supervisor.messages import Copy, Prove, Relocate
from supervisor.notifiers import table
from supervisor.observation.metrics import Metrics
from supervisor.settings import Settings


class Scheduler:
    """Stages one task for every idle worker that has something to do."""

    def __init__(self, board: Board, crew: Crew, relief: Relief, metrics: Metrics) -> None:
        # Hashes that rTorrent has confirmed and that wait for a copy worker; True: it has been switched to the HDD copy
        # already, which is only to be proven.
        self.ready: dict[str, bool] = {}
        self._board, self._crew, self._relief, self._metrics = board, crew, relief, metrics
        self._tokens = itertools.count(1)
        self._held_by_device = False

    @property
    def waiting_for_device(self) -> int:
        """How many torrents could be copied but for the writers that their device has already."""
        return len(self.ready) if self._held_by_device else 0

    def schedule(self, now: float, settings: Settings) -> None:
        """Given the time and the settings, assign what can be done now."""
        for job in self._board.due(now):
            self._board.put(decisions.resumed(job, now), now, "tried again")
        if self._relief.disks.usable:
            self._copies(now, settings)
            self._relocations(now, settings)
        self._notices(now, settings)

    def _copies(self, now: float, settings: Settings) -> None:
        writing = Counter(
            _device(task.hdd.path) for task in self._crew.tasks().values() if isinstance(task, Copy | Prove)
        )
        device = _device(self._relief.disks.hdd.path)
        self._held_by_device = False
        for worker in list(self._crew.idle(COPIER)):
            self._held_by_device = writing[device] >= settings.writers_per_device
            if self._held_by_device:
                return
            task = self._next_proof(settings) or self._next_copy(now, settings) or self._late_proof(now, settings)
            if task is None:
                return
            self._crew.assign(worker, task, now)
            self._metrics.attempt("copy" if isinstance(task, Copy) else "prove")
            writing[device] += 1

    def _next_proof(self, settings: Settings) -> Prove | None:
        for job_hash in self._relief.to_prove:
            if self._busy(job_hash):
                continue
            self._board.then(partial(self._relief.to_prove.pop, job_hash, None))
            job = self._board.get(job_hash)
            if job is not None and job.proof is not Proof.NONE:
                return self._prove(job, settings)
        return None

    def _late_proof(self, now: float, settings: Settings) -> Prove | None:
        """Nobody waits for the disk: read back what was published without."""
        if settings.verification_enabled and settings.proof == "before-removal":
            for job_hash in self._board.unproven:
                job = self._board.get(job_hash)
                if job is None or job.proof is not Proof.SOURCE:  # as it is staged, not as it stands
                    continue
                if job.due <= now and not self._busy(job_hash):
                    return self._prove(job, settings)
        return None

    def _next_copy(self, now: float, settings: Settings) -> Copy | Prove | None:
        urgent = (job_hash for job_hash in self._relief.urgent if job_hash in self.ready)
        for job_hash in itertools.chain(urgent, self.ready):
            if self._busy(job_hash):  # the copy before was cancelled, and is still being stopped
                continue
            self._board.then(partial(self.ready.pop, job_hash, None))
            job = self._board.get(job_hash)
            if job is None or job.state is not State.SUBMITTED:
                continue
            self._board.put(job.to(State.COPYING, now), now, f"attempt {job.attempts + 1}")
            if self.ready[job_hash]:
                return self._prove(job, settings)
            return Copy(
                next(self._tokens),
                job.hash,
                metainfo_path(settings.state_dir, job.hash),
                job.source,
                job.destination,
                self._relief.disks.ssd,
                self._relief.disks.hdd,
                settings.verification_enabled and settings.proof == "before-publish",
                *_pace(settings),
            )
        return None

    def _prove(self, job: Job, settings: Settings) -> Prove:
        path = metainfo_path(settings.state_dir, job.hash)
        return Prove(next(self._tokens), job.hash, path, job.destination, self._relief.disks.hdd, *_pace(settings))

    def _relocations(self, now: float, settings: Settings) -> None:
        for worker in list(self._crew.idle(SPACE)):
            job = self._next_relocation(now)
            if job is None:
                return
            task = Relocate(
                next(self._tokens),
                job.hash,
                metainfo_path(settings.state_dir, job.hash),
                job.source,
                job.destination,
                self._relief.disks.ssd,
                self._relief.disks.hdd,
                settings.scgi_url,
                settings.rpc_timeout,
            )
            self._crew.assign(worker, task, now)
            self._metrics.attempt("relocate")

    def _next_relocation(self, now: float) -> Job | None:
        for begun in self._board.relocating():  # one that was begun comes first
            if not self._busy(begun.hash):
                return begun
        while (following := self._relief.next(self._busy)) is not None:
            job = self._board.get(following)
            if job is None or job.state not in (State.COPIED, State.CACHED):
                continue
            if job.proof is not Proof.READ_BACK:
                self._relief.to_prove[following] = None
                self._relief.after_proof.add(following)
                continue
            relocating = job.to(State.RELOCATING, now, attempts=0)
            self._board.put(relocating, now)
            return relocating
        return None

    def _busy(self, job_hash: str) -> bool:
        return self._crew.worker_of(job_hash) is not None

    def _notices(self, now: float, settings: Settings) -> None:
        for worker in list(self._crew.idle(NOTIFIER)):
            notice = min(self._board.all_unsent(), key=lambda notice: notice.due, default=None)
            if notice is None or notice.due > now:
                return
            job = self._board.get(notice.hash)
            if job is not None:
                self._crew.assign(worker, table.task(next(self._tokens), job, notice.service, settings), now)
                self._metrics.attempt("notify")


def _pace(settings: Settings) -> tuple[int, float]:
    return int(settings.copy_rate_limit * 1024**2), settings.pressure_limit


def _device(path: bytes) -> int:
    try:
        return files.device_of(path)
    except OSError:
        return 0
