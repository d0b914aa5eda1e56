"""The view of the moment: gathers a snapshot from those who know, and keeps it on disk for `status`."""

import contextlib
import importlib.metadata
import os
from dataclasses import replace

from supervisor import spool
from supervisor.adapters import clock, durable, processes
from supervisor.dispatch.board import Board
from supervisor.dispatch.crew import Crew
from supervisor.dispatch.doorman import Doorman
from supervisor.dispatch.inquirer import Inquirer
from supervisor.dispatch.relief import Relief
from supervisor.jobs import Job, Proof, State, Telling
from supervisor.journal import place as journal_place
from supervisor.messages import Relocate
from supervisor.observation.snapshot import Leaving, RTorrent, Snapshot, to_json
from supervisor.observation.trend import Trend
from supervisor.settings import Settings

_WRITE_EVERY = 1.0  # seconds
_WRITE_ANYWAY = 9.0  # seconds: so that one that hangs can be told from one that has nothing to do
_LEAVING = 10  # torrents that are named
_WITHOUT_COPY = frozenset({State.SUBMITTED, State.COPYING, State.WAITING, State.FAILED})


def place(state_dir: str) -> str:
    """Given the state directory, return where the snapshot is written."""
    return os.path.join(state_dir, "run", "live.json")


class View:
    """Snapshots, from any thread: what it reads is replaced or copied in one step by the parent's loop."""

    def __init__(
        self, settings: Settings, board: Board, crew: Crew, relief: Relief, doorman: Doorman, inquirer: Inquirer
    ) -> None:
        self.settings = settings
        self.journal_error = ""
        self.draining = False
        self.waiting_for_device = 0
        self.waiting_for: dict[str, int] = {}
        self.opens: dict[str, float] = {}
        self._board, self._crew, self._relief, self._inquirer = board, crew, relief, inquirer
        self._doorman = doorman
        self._started = processes.start_time(os.getpid()) or 0.0
        self._version = importlib.metadata.version("seedcache")
        self._rtorrent = RTorrent(reachable=False, since=clock.now())
        self._at = clock.now()
        self._trends: dict[str, Trend] = {}  # path of a root -> how its free space changes
        self._filling: dict[str, float] = {}  # the same -> bytes a second, as of the last look
        self._looked = 0.0
        self._written = 0.0
        self._dirty = True

    def called(self, error: str, now: float) -> None:
        """A call to rTorrent ended, without an error or with one."""
        if self._rtorrent.reachable == bool(error) or self._rtorrent.error != error:
            since = self._rtorrent.since if self._rtorrent.reachable != bool(error) else now
            self._rtorrent = RTorrent(reachable=not error, since=since, error=error)
            self._dirty = True

    def turned(self, now: float, *, changed: bool) -> None:
        """The loop has gone round; write the snapshot at most once a second if something changed, else now and then."""
        self._at = now
        self._dirty |= changed
        if self._looked != self._relief.looked:
            self._looked = self._relief.looked
            for disk in self._relief.disks.seen:
                self._trends.setdefault(disk.path, Trend()).add(self._looked, disk.free)
            self._filling = {path: trend.filling for path, trend in self._trends.items()}
        if now - self._written >= (_WRITE_EVERY if self._dirty else _WRITE_ANYWAY):
            self.write(now)

    @property
    def next_due(self) -> float:
        """When the snapshot is to be written (unix seconds)."""
        return self._written + _WRITE_EVERY if self._dirty else float("inf")

    def write(self, now: float) -> None:
        """Write the snapshot for `status`. A disk that is full makes it stale, no more."""
        self._written, self._dirty = now, False
        with contextlib.suppress(OSError):
            durable.replace(place(self.settings.state_dir), to_json(self.snapshot()), durable=False)

    def snapshot(self) -> Snapshot:
        """Return how everything stands."""
        # A list of values is made in one step, so that the loop may go on changing what it was made from; one of items
        # is not: each pair may start the garbage collector. The cached ones, by far the most, are not looked at each.
        tasks = list(self._crew.tasks().values())
        names = {task.hash: job.name for task in tasks if (job := self._board.living.get(task.hash)) is not None}
        oldest = {str(State.CACHED): job.changed for job in list(self._board.cached.values())[:1]}
        waiting: dict[str, float] = {}
        at_risk = 0
        queued, oldest_queued = 0, 0.0
        on_purpose = self.waiting_for.get("copy-hours", 0) + self.waiting_for.get("daily-budget", 0)
        for job in list(self._board.moving.values()):
            oldest[job.state] = min(oldest.get(job.state, job.changed), job.changed)
            if job.state in _WITHOUT_COPY and job.proof is Proof.NONE:
                at_risk += job.size
            if job.state is State.SUBMITTED:
                queued += 1
                oldest_queued = min(oldest_queued or job.submitted, job.submitted)
            step, since = _wanted(job)
            if step and not (on_purpose and job.state is State.SUBMITTED):
                waiting[step] = min(waiting.get(step, since), since)
        untold = [notice.state for notice in list(self._board.notices.values())]
        untold += [bookmark.state for bookmark in list(self._board.bookmarks.values())]
        disks = self._relief.disks.seen
        trusted = bool(disks) and all(disk.trusted for disk in disks)
        return Snapshot(
            at=self._at,
            pid=os.getpid(),
            started=self._started,
            version=self._version,
            ready=self._rtorrent.reachable and trusted and not self.journal_error and not self.draining,
            draining=self.draining,
            journal_error=self.journal_error,
            workers=self._crew.view(names),
            disks=tuple(replace(disk, filling=self._filling.get(disk.path, 0.0)) for disk in disks),
            rtorrent=replace(self._rtorrent, back_off=self._inquirer.back_off),
            jobs={str(state): count for state, count in self._board.counts.items()},
            oldest=oldest,
            queue_depth=queued,
            waiting_for=self.waiting_for,
            opens=self.opens,
            waiting_for_device=self.waiting_for_device,
            oldest_queued=oldest_queued,
            notices={str(state): untold.count(state) for state in Telling},
            waiting_since=waiting,
            journal_bytes=self._journal_bytes(),
            spool_depth=self._spool_depth(),
            bytes_at_risk=at_risk,
            low_mark=self._relief.marks.low,
            high_mark=self._relief.marks.high,
            emergency_mark=self._relief.marks.emergency,
            wanted=self._relief.wanted,
            low_space=self._relief.low,
            low_since=self._relief.low_since,
            space_looked=self._relief.looked,
            relieving=self._relief.working or any(isinstance(task, Relocate) for task in tasks),
            leaving=tuple(
                Leaving(step.hash, step.name, step.candidate.size) for step in self._relief.upcoming(_LEAVING)
            ),
            relocations_planned=self._relief.planned,
            held=self._doorman.held,
            to_come=self._doorman.to_come,
            verdicts=self._relief.verdicts,
            read_back=self.settings.verification_enabled,
            late_proof=self.settings.proof == "before-removal",
            unproven=len(self._board.unproven),
        )

    def _journal_bytes(self) -> int:
        total = 0
        for ending in ("", "-wal"):
            with contextlib.suppress(OSError):
                total += os.stat(journal_place(self.settings.state_dir) + ending).st_size
        return total

    def _spool_depth(self) -> int:
        try:
            return len(os.listdir(spool.directory(self.settings.state_dir)))
        except OSError:
            return 0


def _wanted(job: Job) -> tuple[str, float]:
    """Given a living job, return the step it waits for or is in, and since when (unix seconds); "": none."""
    if job.state is State.COPIED:  # until everybody has been told
        return "notify", job.changed
    if job.state is State.RELOCATING or (job.state is State.WAITING and job.proof is not Proof.NONE):
        return "relocate", job.changed
    if job.state in (State.SUBMITTED, State.COPYING, State.WAITING):
        return "copy", job.submitted
    return "", 0.0
