"""The notify worker: tells Sonarr, Radarr and others."""

from typing import TYPE_CHECKING

from supervisor.messages import Notified, Notify, Phase, Result, Task
from supervisor.notifiers import table

if TYPE_CHECKING:
    from supervisor.workers.loop import Worker


def work(task: Task, worker: "Worker") -> Result:
    """Given a task, do it and return what came of it. Raise SeedcacheError."""
    if not isinstance(task, Notify):
        raise TypeError(task)
    worker.report(Phase.NOTIFY, 0, 0)
    table.NOTIFIERS[task.service].notify(task, worker.stopping)
    return Notified()
