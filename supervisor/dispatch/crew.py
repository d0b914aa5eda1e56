"""Who works on what: the workers as the dispatcher sees them. Pure bookkeeping."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from supervisor.messages import Admit, Announce, Copy, Notify, Phase, Place, Progress, Prove, Relocate, Task
from supervisor.observation.snapshot import Worker

COPIER, SPACE, NOTIFIER = "copier", "space", "notifier"  # the roles; a worker's name is its role, or begins with it


def role_of(worker: str) -> str:
    """Given a worker's name, return its role."""
    return worker.partition("-")[0]


def _places_of(task: Task) -> tuple[Place, ...]:
    """Given a task, return the roots whose disks its worker may have to wait for."""
    match task:
        case Copy() | Relocate():
            return task.ssd, task.hdd
        case Prove():
            return (task.hdd,)
        case Admit():
            return tuple(order.hdd for order in task.orders if order.hdd is not None)
    return ()


@dataclass(slots=True)
class _Member:
    pid: int
    heard: float
    up: bool = False
    task: Task | None = None
    since: float = 0.0
    phase: Phase | None = None
    done: int = 0
    total: int = 0
    rate: float = 0.0
    given_up: bool = False  # it was killed since it hung


Saved = dict[str, tuple[_Member, Task | None]]


class Crew:
    """The workers that are up, and the task of each."""

    def __init__(self) -> None:
        self._members: dict[str, _Member] = {}  # replaced, never changed: other threads iterate over it
        self._outbox: list[tuple[str, Task]] = []

    def spawned(self, worker: str, pid: int, now: float) -> None:
        """A process was started; it has not spoken yet."""
        self._members = {**self._members, worker: _Member(pid, now)}

    def up(self, worker: str, pid: int, now: float) -> None:
        """A worker waits for tasks. One that is known already has lost its connection: it is given its task again."""
        member = self._members.get(worker)
        if member is not None and member.pid == pid:
            if member.up and member.task is not None:
                self._outbox.append((worker, member.task))
            member.up, member.heard = True, now

    def idle(self, role: str) -> Iterator[str]:
        """Return the workers of a role that wait for a task."""
        for worker, member in self._members.items():
            if member.up and member.task is None and role_of(worker) == role:
                yield worker

    def assign(self, worker: str, task: Task, now: float) -> None:
        """Give a task to an idle worker; `outbox` says what is to be sent."""
        self._outbox.append((worker, task))
        member = self._members[worker]
        member.task, member.since = task, now
        member.phase, member.done, member.total, member.rate = None, 0, 0, 0.0

    def finish(self, worker: str, token: int, now: float) -> Task | None:
        """A worker answered. Return the task it had, or None if the answer is an old one, said twice."""
        member = self._members.get(worker)
        if member is None or member.task is None or member.task.token != token:
            return None
        task, member.task, member.heard = member.task, None, now
        return task

    def lose(self, worker: str) -> Task | None:
        """A worker is gone. Return the task it had."""
        member = self._members.get(worker)
        self._members = {name: each for name, each in self._members.items() if name != worker}
        return None if member is None else member.task

    def rename(self, worker: str, name: str) -> None:
        """A worker was given up, and may not be gone yet: under its new name it has its task until it is."""
        self._members[worker].given_up = True
        self._members = {name if each == worker else each: member for each, member in self._members.items()}

    def at_disks(self) -> Iterator[tuple[str, Place]]:
        """Return who has a task that is about which disk, but not who was given up."""
        for worker, member in self._members.items():
            if member.task is not None and not member.given_up:
                for place in _places_of(member.task):
                    yield worker, place

    def progress(self, message: Progress, now: float) -> None:
        """A worker told how far it is."""
        member = self._members.get(message.worker)
        if member is None or member.task is None or member.task.token != message.token:
            return
        elapsed = now - member.heard
        if member.phase is message.phase and elapsed > 0:
            rate = max(message.done - member.done, 0) / elapsed
            member.rate = rate if not member.rate else 0.7 * member.rate + 0.3 * rate  # smoothed for the reader
        else:
            member.rate = 0.0
        member.phase, member.done, member.total, member.heard = message.phase, message.done, message.total, now

    def tasks(self) -> dict[str, Task]:
        """Return who has what. From any thread."""
        return {worker: task for worker, member in self._members.items() if (task := member.task) is not None}

    def telling(self) -> frozenset[str]:
        """Return the services that are being told something: each by one notifier, so one that hangs keeps no other."""
        return frozenset(task.service for task in self.tasks().values() if isinstance(task, Announce | Notify))

    def written(self) -> dict[str, int]:
        """Return for each torrent that is being copied the bytes that need no more room on the HDD."""
        return {
            member.task.hash: member.done if member.phase is Phase.COPY else member.total
            for member in self._members.values()
            if isinstance(member.task, Copy) and member.phase in (Phase.COPY, Phase.PROVE, Phase.PUBLISH)
        }

    def outbox(self) -> list[tuple[str, Task]]:
        """Return what was assigned since the last call."""
        outbox, self._outbox = self._outbox, []
        return outbox

    def save(self) -> Saved:
        """Return who is there and has what, for `restore`."""
        return {worker: (member, member.task) for worker, member in self._members.items()}

    def restore(self, saved: Saved) -> None:
        """Given what `save` returned, make it so again: what came of it could not be made durable.

        One who was lost since then is there again, with its task, until that is handled again.
        """
        self._outbox = []
        self._members = {worker: member for worker, (member, _) in saved.items()}
        for member, task in saved.values():
            member.task = task

    def worker_of(self, job_hash: str) -> str | None:
        """Given a hash, return who has its data in hand: copies it, proves it or relocates it."""
        tasks = self.tasks().items()
        return next((name for name, task in tasks if task.hash == job_hash and role_of(name) != NOTIFIER), None)

    def view(self, names: dict[str, str]) -> tuple[Worker, ...]:
        """Given the display names of torrents by hash, return the workers for a snapshot. From any thread."""
        return tuple(_shown(worker, member, member.task, names) for worker, member in sorted(self._members.items()))


def _shown(worker: str, member: _Member, task: Task | None, names: dict[str, str]) -> Worker:
    shown = Worker(worker, role_of(worker), member.pid, member.up, member.heard)
    if task is None:
        return shown
    return replace(
        shown,
        hash=task.hash,
        name_of_torrent=names.get(task.hash, ""),
        phase=member.phase or "",
        since=member.since,
        done=member.done,
        total=member.total,
        rate=member.rate,
    )
