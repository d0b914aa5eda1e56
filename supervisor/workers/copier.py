"""The copy worker: copies and proves, and reads published copies back. Needs no rTorrent."""

from collections.abc import Callable

from supervisor.messages import Copy, Phase, Prove, Result, Task
from supervisor.transfer import delivery


def work(task: Task, report: Callable[[Phase, int, int], None], stopping: Callable[[], bool]) -> Result:
    """Given a task, do it and return what came of it. Raise SeedcacheError."""
    match task:
        case Copy():
            return delivery.deliver(task, report, stopping)
        case Prove():
            return delivery.prove(task, report, stopping)
    raise TypeError(task)
