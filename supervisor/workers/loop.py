"""The life of a worker process: connect, take a task, do it, say what came of it, until told to leave.

It connects again when the Manager was replaced, and an answer is said until it is heard. Imports little: all workers
are forked from a process that has this module loaded, and share its pages.
"""

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from supervisor import broker, logs
from supervisor.adapters import clock, processes
from supervisor.errors import Busy, Retryable, RTorrentUnreachable, SeedcacheError, Stopped, TorrentGone, TransferError
from supervisor.messages import Done, Failed, Phase, Progress, Quit, Report, Result, Started, Task

log = logging.getLogger(__name__)

_PROGRESS_EVERY = 0.5  # seconds
_RECONNECT_EVERY = 0.05  # seconds; the parent replaces a Manager at once


# What a kind of worker does: given a task and the worker, to report to and to ask whether to stop, do it and return
# what came of it. Raises SeedcacheError.
Work = Callable[[Task, "Worker"], Result]


class Worker:
    """One worker process."""

    def __init__(self, name: str, mailbox: str, work: Work) -> None:
        self._name, self._mailbox, self._work = name, mailbox, work
        self._stopping = False
        self._busy = False
        self._token = 0
        self._told = 0.0
        self._held: dict[str, float] = {}
        self._lock = threading.Lock()
        self._connect()

    def stop(self, _signal: int, _frame: object) -> None:
        """Leave: at once when idle, else at the next safe point."""
        self._stopping = True
        if not self._busy:
            os._exit(0)  # an exception would be lost if it came in the middle of a destructor

    def run(self) -> None:
        """Take tasks until told to leave."""
        last: Done | None = None
        self._say(Started(self._name, os.getpid()))
        while not self._stopping:
            try:
                task = self._tasks.get()
            except broker.LOST:
                self._connect()
                self._say(Started(self._name, os.getpid()))
                continue
            if isinstance(task, Quit):
                return
            if last is None or task.token != last.token:
                self._busy = True
                self._token = task.token
                last = Done(self._name, task.token, self._do(task))
            self._say(last)
            self._busy = False

    def _do(self, task: Task) -> Result:
        try:
            return self._work(task, self)
        except Stopped:
            return Failed("stopped at a safe point", retry=True, counts=False)
        except TorrentGone as error:
            return Failed(str(error), retry=True, gone=True)
        except (RTorrentUnreachable, Busy) as error:
            return Failed(str(error), retry=True, counts=False)
        except TransferError as error:
            return Failed(
                str(error),
                retry=isinstance(error, Retryable),
                counts=error.lacking is None,
                proof=error.proof,
                rolled_back=error.rolled_back,
                foreign=error.foreign,
                configuration=error.configuration,
                lacking=error.lacking,
            )
        except SeedcacheError as error:
            return Failed(str(error), retry=False)
        except Exception as error:  # whatever it was: the torrent is as it was, and the worker goes on
            log.exception("please report this", extra={"action": "unexpected", "hash": task.hash})
            return Failed(f"unexpected {type(error).__name__}: {error}; please report this", retry=True)

    def stopping(self) -> bool:
        """Say whether the task is to be left at the next safe point."""
        return self._stopping

    def held(self, why: str, seconds: float) -> None:
        """Count the time in which the task was held back on purpose; from any thread."""
        with self._lock:
            self._held[why] = self._held.get(why, 0.0) + seconds

    def report(self, phase: Phase, done: int, total: int) -> None:
        """Tell how far the task is, now and then; from any thread."""
        now = clock.monotonic()
        if now - self._told >= _PROGRESS_EVERY or done >= total:
            self._told = now
            with contextlib.suppress(*broker.LOST):  # the next one will do; only the answer has to arrive
                with self._lock:
                    held, self._held = tuple(self._held.items()), {}
                self._reports.put(Progress(self._name, self._token, phase, done, total, held))

    def _say(self, report: Report) -> None:
        while True:
            try:
                self._reports.put(report)
            except broker.LOST:
                self._connect()
            else:
                return

    def _connect(self) -> None:
        while True:
            try:
                manager = broker.connect()
                self._tasks, self._reports = manager.mailbox(self._mailbox), manager.mailbox(broker.RESULTS)
            except broker.LOST:
                time.sleep(_RECONNECT_EVERY)
            else:
                return


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What holds for all workers as long as the supervisor runs."""

    state_dir: str
    lock_dir: str
    nice: int  # of the copy workers
    io_priority: str  # of the copy workers: normal, low, idle
    log: tuple[str, str, str]  # its level, file and format: see logs.start


def main(name: str, role: str, mailbox: str, given: Circumstances) -> NoReturn:
    """Be a worker: the entry of its process."""
    os.chdir(given.state_dir)
    processes.die_with_parent()
    with contextlib.suppress(OSError):  # a log that cannot be written stops no work
        logs.start(*given.log, worker=name)
    for number in (signal.SIGINT, signal.SIGHUP):  # meant for the parent; a terminal sends them to the whole group
        signal.signal(number, signal.SIG_IGN)
    worker = Worker(name, mailbox, _work_of(role, given))
    signal.signal(signal.SIGTERM, worker.stop)
    worker.run()
    raise SystemExit(0)


def _work_of(role: str, given: Circumstances) -> Work:
    # A worker imports what it does, and not what the others do.
    if role == "copier":
        from supervisor.workers import copier  # noqa: PLC0415

        with contextlib.suppress(OSError):  # a sandbox may forbid it; the copy is the same
            copier.be_kind(given.nice, given.io_priority)
        return copier.work
    if role == "space":
        from supervisor.workers import space  # noqa: PLC0415

        return space.work_under(given.lock_dir)
    from supervisor.workers import notifier  # noqa: PLC0415

    return notifier.work
