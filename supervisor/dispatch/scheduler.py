"""Gives out work: which torrent goes to which idle worker now."""

import itertools
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from supervisor.dispatch import decisions
from supervisor.dispatch.board import Board
from supervisor.dispatch.crew import COPIER, NOTIFIER, SPACE, Crew
from supervisor.dispatch.doorman import Doorman
from supervisor.dispatch.inquirer import metainfo_path
from supervisor.dispatch.permits import BUDGET, COPY, RELOCATION, Permit, Permits
from supervisor.dispatch.planning import inside
from supervisor.dispatch.relief import Relief
from supervisor.dispatch.room import Room
from supervisor.jobs import Job, Proof, State, is_due
from supervisor.messages import Copy, Kin, Place, Prove, Relocate
from supervisor.notifiers import table
from supervisor.observation.metrics import Metrics
from supervisor.settings import Settings


@dataclass(frozen=True, slots=True)
class Ready:
    """A torrent that can be copied."""

    hdd: bytes  # the root of its destination
    switched: bool  # rTorrent has been switched to the HDD copy already, which is only to be proven
    kin: tuple[str, ...] = ()  # hashes of torrents that have some of the same files on the SSD


class Scheduler:
    """Stages one task for every idle worker that has something to do."""

    def __init__(
        self, board: Board, crew: Crew, relief: Relief, doorman: Doorman, room: Room, permits: Permits, metrics: Metrics
    ) -> None:
        self.ready: dict[str, Ready] = {}  # hashes that rTorrent has confirmed and that wait for a copy worker
        self._board, self._crew, self._relief, self._metrics = board, crew, relief, metrics
        self._doorman = doorman
        self._disks, self._room, self.permits = relief.disks, room, permits
        self.tokens = itertools.count(1)  # of all tasks: never the same twice
        self._busy_hdds: frozenset[bytes] = frozenset()  # those that keep a free copy worker waiting

    @property
    def waiting_for_device(self) -> int:
        """How many torrents could be copied but for the writers that their device has already."""
        return sum(ready.hdd in self._busy_hdds for ready in self.ready.values()) if self._busy_hdds else 0

    def waiting_for(self) -> dict[str, int]:
        """Return how many torrents wait for what keeps them from a worker: room, the hours, the budget."""
        closed = not self.permits.copying.given
        ready = filter(None, map(self._board.get, self.ready)) if not closed else ()
        return {
            "room": len(self._room.waiting()),
            COPY: len(self.ready) if closed else 0,
            RELOCATION: 0 if self.permits.relocating.given else self._relief.planned,
            BUDGET: self.permits.waiting(ready),
        }

    def schedule(self, now: float, settings: Settings) -> None:
        """Given the time and the settings, assign what can be done now."""
        self.permits.look(now, settings, emergency=self._relief.emergency)
        due = list(self._board.due(now))
        short = self._room.short(due, settings)
        for job in due:
            if job.hash in short:  # looked at here, so that nothing is read, nor rTorrent asked, in vain
                self._board.postpone(job, now + decisions.delay(decisions.limits_of(settings), short[job.hash]))
            else:
                self._board.put(decisions.resumed(job, now), now, "tried again")
        self._admissions(now, settings)
        if self._disks.usable:
            self._copies(now, settings)
            self._relocations(now, settings)
        self._notices(now, settings)

    def _copies(self, now: float, settings: Settings) -> None:
        devices = {place.path: self._disks.device(place.path) for place, disk in self._disks.measured() if disk.trusted}
        tasks = self._crew.tasks().values()
        writing = Counter(self._disks.device(task.hdd.path) for task in tasks if isinstance(task, Copy | Prove))
        self._busy_hdds = frozenset()
        for worker in list(self._crew.idle(COPIER)):
            free = {hdd for hdd, device in devices.items() if writing[device] < settings.writers_per_device}
            task: Copy | Prove | None = None
            if free:
                task = self._next_proof(free, settings)
                if task is None and self.permits.copying.given:
                    task = self._next_copy(free, now, settings) or self._late_proof(free, now, settings)
            if task is None:
                self._busy_hdds = frozenset(devices.keys() - free)
                return
            self._crew.assign(worker, task, now)
            self._metrics.attempt("copy" if isinstance(task, Copy) else "prove")
            writing[devices[task.hdd.path]] += 1

    def _next_proof(self, free: Container[bytes], settings: Settings) -> Prove | None:
        for job_hash in self._relief.to_prove:
            job = self._board.get(job_hash)
            hdd = self._disks.hdd_of(job.destination) if job is not None else None
            if self._busy(job_hash) or (hdd is not None and hdd.path not in free):
                continue
            self._board.then(partial(self._relief.to_prove.pop, job_hash, None))
            if job is not None and hdd is not None and job.proof is not Proof.NONE:
                return self._prove(job, hdd, settings)
        return None

    def _late_proof(self, free: Container[bytes], now: float, settings: Settings) -> Prove | None:
        """Nobody waits for the disk: read back what was published without."""
        if settings.verification_enabled and settings.proof == "before-removal":
            for job_hash in self._board.unproven:
                job = self._board.get(job_hash)
                if job is None or job.proof is not Proof.SOURCE:  # as it is staged, not as it stands
                    continue
                hdd = self._disks.hdd_of(job.destination)
                if hdd is not None and hdd.path in free and is_due(job.due, now) and not self._busy(job_hash):
                    return self._prove(job, hdd, settings)
        return None

    def _next_copy(self, free: Container[bytes], now: float, settings: Settings) -> Copy | Prove | None:
        urgent = (job_hash for job_hash in self._relief.urgent if job_hash in self.ready)
        for job_hash in itertools.chain(urgent, self.ready):
            ready = self.ready[job_hash]
            if ready.hdd not in free:
                continue
            if self._busy(job_hash):  # the copy before was cancelled, and is still being stopped
                continue
            kin = list(filter(None, map(self._board.get, ready.kin)))
            if any(other.state is State.COPYING for other in kin):  # what it writes is taken then, not written twice
                continue
            job = self._board.get(job_hash)
            permit = self.permits.affords(job) if job is not None else Permit(given=True)
            if not permit.given:
                continue
            self._board.then(partial(self.ready.pop, job_hash, None))
            hdd = self._disks.hdd_of(ready.hdd)
            if job is None or job.state is not State.SUBMITTED or hdd is None:
                continue
            note = self.permits.copying.note + permit.note
            self._board.put(job.to(State.COPYING, now), now, f"attempt {job.attempts + 1}{note}")
            self.permits.begin(job)
            if ready.switched:
                return self._prove(job, hdd, settings)
            return Copy(
                next(self.tokens),
                job.hash,
                metainfo_path(settings.state_dir, job.hash),
                job.source,
                job.destination,
                self._disks.ssd,
                hdd,
                settings.verification_enabled and settings.proof == "before-publish",
                *_pace(settings),
                tuple(self._published(kin, hdd, settings)),
                self._room.reserve(job.destination, settings),
            )
        return None

    def _published(self, kin: Iterable[Job], hdd: Place, settings: Settings) -> Iterator[Kin]:
        """Yield those of its kin whose copies stand on the HDD that a torrent goes to."""
        for other in kin:
            if other.proof is not Proof.NONE and inside(other.destination, hdd.path):
                path = metainfo_path(settings.state_dir, other.hash)
                yield Kin(other.hash, path, other.source, other.destination)

    def _prove(self, job: Job, hdd: Place, settings: Settings) -> Prove:
        path = metainfo_path(settings.state_dir, job.hash)
        return Prove(next(self.tokens), job.hash, path, job.destination, hdd, *_pace(settings))

    def _admissions(self, now: float, settings: Settings) -> None:
        for worker in list(self._crew.idle(SPACE)):
            task = self._doorman.task(next(self.tokens), settings)
            if task is None:
                return
            self._crew.assign(worker, task, now)

    def _relocations(self, now: float, settings: Settings) -> None:
        for worker in list(self._crew.idle(SPACE)):
            job = self._next_relocation(now)
            hdd = self._disks.hdd_of(job.destination) if job is not None else None
            if job is None or hdd is None:
                return
            task = Relocate(
                next(self.tokens),
                job.hash,
                metainfo_path(settings.state_dir, job.hash),
                job.source,
                job.destination,
                self._disks.ssd,
                hdd,
                settings.scgi_url,
                settings.rpc_timeout,
            )
            self._crew.assign(worker, task, now)
            self._metrics.attempt("relocate")

    def _next_relocation(self, now: float) -> Job | None:
        for begun in self._board.relocating():  # one that was begun comes first
            if not self._busy(begun.hash) and self._disks.serves(begun.destination):
                return begun
        while (following := self._relief.next(self._busy, now, planned=self.permits.relocating.given)) is not None:
            job_hash, reason = following
            job = self._board.get(job_hash)
            if job is None or job.state not in (State.COPIED, State.CACHED) or not self._disks.serves(job.destination):
                continue
            if job.proof is Proof.READ_BACK:  # it may have been submitted again since it was planned
                relocating = job.to(State.RELOCATING, now, attempts=0, reason="")
                self._board.put(relocating, now, f"{reason}{self.permits.relocating.note}")
                return relocating
        return None

    def _busy(self, job_hash: str) -> bool:
        return self._crew.worker_of(job_hash) is not None

    def _notices(self, now: float, settings: Settings) -> None:
        for worker in list(self._crew.idle(NOTIFIER)):
            told = self._crew.telling()
            unsent = (notice for notice in self._board.all_unsent() if notice.service not in told)
            notice = min(unsent, key=lambda notice: notice.due, default=None)
            if notice is None or not is_due(notice.due, now):
                return
            job = self._board.get(notice.hash)
            if job is not None:
                self._crew.assign(worker, table.task(next(self.tokens), job, notice.service, settings), now)
                self._metrics.attempt("notify")


def _pace(settings: Settings) -> tuple[int, float]:
    return int(settings.copy_rate_limit * 1024**2), settings.pressure_limit
