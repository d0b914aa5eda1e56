"""The notify worker: tells Sonarr, Radarr and others."""

from collections.abc import Callable

from supervisor.messages import Notified, Notify, Phase, Result, Task
from supervisor.notifiers import table


def work(task: Task, report: Callable[[Phase, int, int], None], stopping: Callable[[], bool]) -> Result:
    """Given a task, do it and return what came of it. Raise SeedcacheError."""
    if not isinstance(task, Notify):
        raise TypeError(task)
    report(Phase.NOTIFY, 0, 0)
    table.NOTIFIERS[task.service].notify(task, stopping)
    return Notified()
