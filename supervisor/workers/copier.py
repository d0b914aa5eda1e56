"""The copy worker: copies and proves, and reads published copies back. Needs no rTorrent."""

import os
from typing import TYPE_CHECKING

from supervisor.adapters import syscalls
from supervisor.messages import Copy, Prove, Result, Task
from supervisor.transfer import delivery
from supervisor.transfer.pacing import Pace

if TYPE_CHECKING:
    from supervisor.workers.loop import Worker

_BEST_EFFORT, _IDLE, _LOWEST = 2, 3, 7  # ioprio_set(2)


def be_kind(nice: int, io_priority: str) -> None:
    """Given a niceness and an IO priority (normal, low, idle), give this process both. Raise OSError."""
    os.nice(nice)
    if io_priority != "normal":
        syscalls.io_priority(_IDLE if io_priority == "idle" else _BEST_EFFORT, _LOWEST if io_priority == "low" else 0)


def work(task: Task, worker: "Worker") -> Result:
    """Given a task, do it and return what came of it. Raise SeedcacheError."""
    match task:
        case Copy():
            pace = Pace(task.rate, task.pressure, worker.held)
            return delivery.deliver(task, worker.report, worker.stopping, pace)
        case Prove():
            pace = Pace(task.rate, task.pressure, worker.held)
            return delivery.prove(task, worker.report, worker.stopping, pace)
    raise TypeError(task)
