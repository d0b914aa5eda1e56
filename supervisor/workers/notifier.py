"""The notify worker: tells Sonarr, Radarr, the webhook and Apprise."""

from typing import TYPE_CHECKING

from supervisor.messages import Announce, Notified, Notify, Phase, Result, Task
from supervisor.notifiers import table

if TYPE_CHECKING:
    from supervisor.workers.loop import Worker


def work(task: Task, worker: "Worker") -> Result:
    """Given a task, do it and return what came of it. Raise SeedcacheError."""
    worker.report(Phase.NOTIFY, 0, 0)
    match task:
        case Notify():
            table.NOTIFIERS[task.service].notify(task, worker.stopping)
        case Announce():
            table.MESSENGERS[task.service].announce(task)
        case _:
            raise TypeError(task)
    return Notified()
