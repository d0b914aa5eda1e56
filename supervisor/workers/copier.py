"""The copy worker: copies and proves, and reads published copies back. Needs no rTorrent."""

import os
from collections.abc import Callable

from supervisor.adapters import syscalls
from supervisor.messages import Copy, Phase, Prove, Result, Task
from supervisor.transfer import delivery

_BEST_EFFORT, _IDLE, _LOWEST = 2, 3, 7  # ioprio_set(2)


def be_kind(nice: int, io_priority: str) -> None:
    """Given a niceness and an IO priority (normal, low, idle), give this process both. Raise OSError."""
    os.nice(nice)
    if io_priority != "normal":
        syscalls.io_priority(_IDLE if io_priority == "idle" else _BEST_EFFORT, _LOWEST if io_priority == "low" else 0)


def work(task: Task, report: Callable[[Phase, int, int], None], stopping: Callable[[], bool]) -> Result:
    """Given a task, do it and return what came of it. Raise SeedcacheError."""
    match task:
        case Copy():
            return delivery.deliver(task, report, stopping)
        case Prove():
            return delivery.prove(task, report, stopping)
    raise TypeError(task)
