"""The processes: the Manager and the workers. Starts them, notices that one is gone, starts the next."""

import heapq
import logging
import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.process import BaseProcess

from supervisor import broker
from supervisor.adapters import locks, processes
from supervisor.dispatch.crew import COPIER, NOTIFIER, SPACE, role_of
from supervisor.messages import Quit, Task
from supervisor.workers import loop

log = logging.getLogger(__name__)

_BACK_OFF = (0.0, 0.1, 1.0, 5.0, 30.0)  # seconds before the next start of one that dies soon after it was started
_SOON = 10.0  # seconds
_TRIES = 10  # to start a Manager; each fails only if the fork server, or the Manager, is killed at that moment
_PAUSE = 0.05  # seconds between two of them


@dataclass(slots=True)
class _Child:
    process: BaseProcess
    mailbox: str
    spawned: float  # unix seconds
    started: float | None  # as the kernel has it, against pid reuse
    box: broker.Mailbox | None = None
    given_up: str = ""  # why it was killed; it is still there if it sleeps in the kernel


class Fleet:
    """All child processes of the supervisor."""

    def __init__(self, given: loop.Circumstances, copiers: int, notifiers: int) -> None:
        # A fork server: children share the pages of what is loaded once, and no thread of the parent is forked into
        # them. `fork` would copy the parent's threads' locks; `spawn` would load everything once for each worker.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["supervisor.workers.preload"])
        self._given = given
        self._generation = 0
        self._children: dict[str, _Child] = {}
        self._deaths: dict[str, int] = {}
        self._respawn: list[tuple[float, str]] = []
        self._wanted = self._names(copiers, notifiers)
        self._manager: broker.Broker
        self.manager_process: BaseProcess  # another one for each Manager
        self._manager_started: float | None = None
        self.undelivered = False
        self.start_manager()

    @staticmethod
    def _names(copiers: int, notifiers: int) -> tuple[str, ...]:
        counts = {COPIER: copiers, NOTIFIER: notifiers}
        return (SPACE, *(f"{role}-{number}" for role, count in counts.items() for number in range(1, count + 1)))

    def start_manager(self) -> None:
        """Start the Manager, or the one that replaces it at the same address."""
        if self._manager_started is not None:  # its sentinel also fires when only the fork server was killed
            processes.end(self.manager_process.pid or 0, self._manager_started)
        for left in reversed(range(_TRIES)):
            try:
                self._manager, self.manager_process = broker.serve(self._context, self._given.state_dir)
            except broker.LOST:
                if not left:
                    raise
                time.sleep(_PAUSE)
            else:
                break
        self._manager_started = processes.start_time(self.manager_process.pid or 0)
        for child in self._children.values():
            child.box = None

    def start_missing(self, now: float) -> Iterator[tuple[str, int]]:
        """Start the workers that are wanted, not there, and due; return their names and pids."""
        waiting = {name for _, name in self._respawn}
        for name in self._wanted:
            if name not in self._children and name not in waiting:
                yield from self._spawn(name, now)
        # Not so long ahead, unless the clock was put back.
        while self._respawn and not now < self._respawn[0][0] <= now + _BACK_OFF[-1]:
            _, name = heapq.heappop(self._respawn)
            if name in self._wanted and name not in self._children:
                yield from self._spawn(name, now)

    def _spawn(self, name: str, now: float) -> Iterator[tuple[str, int]]:
        self._generation += 1
        mailbox = f"{name}/{self._generation}"  # never a task that was meant for one who died
        process = self._context.Process(
            target=loop.main, name=name, args=(name, role_of(name), mailbox, self._given), daemon=True
        )
        try:
            process.start()
        except broker.LOST as error:  # the fork server is killed at this moment; the next start starts another
            log.warning("%s", error, extra={"action": "not-started", "worker": name})
            heapq.heappush(self._respawn, (now + _BACK_OFF[1], name))
            return
        pid = process.pid or 0
        self._children[name] = _Child(process, mailbox, now, processes.start_time(pid))
        yield name, pid

    def want(self, copiers: int, notifiers: int) -> None:
        """Have so many of each from now on; those that are too many leave when they have finished their task."""
        self._wanted = self._names(copiers, notifiers)
        for name in set(self._children) - set(self._wanted):
            self.send(name, Quit())

    def sentinels(self) -> dict[int, str | None]:
        """Return what becomes readable when a child is gone, with the worker's name; None for the Manager."""
        found: dict[int, str | None] = {child.process.sentinel: name for name, child in self._children.items()}
        found[self.manager_process.sentinel] = None
        return found

    def reap(self, name: str, now: float) -> tuple[str, bool]:
        """A worker's sentinel fired. See that it is gone and have it replaced; return how it ended, whether by us."""
        child = self._children.pop(name)
        # The sentinel also fires when the fork server was killed, and then the worker may be alive.
        processes.end(child.process.pid or 0, child.started)
        child.process.join(0)
        if child.given_up:
            return child.given_up, True
        code = child.process.exitcode
        if code == 0:
            self._deaths.pop(name, None)
        else:
            self._deaths[name] = self._deaths.get(name, 0) + 1 if now - child.spawned < _SOON else 1
        wait = _BACK_OFF[min(self._deaths.get(name, 0), len(_BACK_OFF) - 1)] if self._deaths.get(name, 0) > 1 else 0.0
        heapq.heappush(self._respawn, (now + wait, name))
        return f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}", False

    @property
    def next_due(self) -> float:
        """When the next worker is to be started again (unix seconds)."""
        return self._respawn[0][0] if self._respawn else float("inf")

    def send(self, worker: str, message: Task | Quit) -> None:
        """Put a message into a worker's queue; what cannot be put is `undelivered`: all tasks are to be sent again."""
        child = self._children.get(worker)
        if child is None:
            return
        try:
            if child.box is None:
                child.box = self._manager.mailbox(child.mailbox)
            child.box.put(message)
        except broker.LOST:
            child.box = None  # its connection is gone, perhaps with a Manager that is not
            self.undelivered = True
            log.warning("it is told again", extra={"action": "manager-away", "worker": worker})

    def give_up(self, worker: str, why: str) -> str:
        """Kill a worker that hangs; return its new name, as another one is to be started in its place.

        One that sleeps in the kernel is still there, until it is answered. Not one more instruction of it is executed
        (signal(7)), so the space worker's lock is nobody's, even while the kernel counts it as held.
        """
        child = self._children.pop(worker)
        pid = child.process.pid or 0
        processes.end(pid, child.started, patience=0.0)
        if role_of(worker) == SPACE:
            locks.bury(locks.space(self._given.lock_dir), pid)
        log.warning("%s; it is killed, and replaced", why, extra={"action": "given-up", "worker": worker})
        child.given_up = why
        name = f"{worker}-killed-{pid}"
        self._children[name] = child
        return name

    def terminate(self, worker: str) -> None:
        """Ask a worker to leave: at once if it is idle, else at the next safe point of its task."""
        child = self._children.get(worker)
        if child is not None:
            child.process.terminate()

    @property
    def workers(self) -> tuple[str, ...]:
        """The workers that are there, but those that were given up."""
        return tuple(name for name, child in self._children.items() if not child.given_up)

    def shut_down(self) -> None:
        """End what is still there, the Manager last."""
        for child in self._children.values():
            patience = 0.0 if child.given_up else processes.PATIENCE
            processes.end(child.process.pid or 0, child.started, patience)
        self._manager.shutdown()
