"""The space worker: switches rTorrent to the HDD copy and removes the SSD data, one torrent at a time, under a lock."""

import os
from collections.abc import Callable

from supervisor.adapters import locks
from supervisor.adapters.rtorrent import RTorrent
from supervisor.messages import Phase, Relocate, Relocated, Result, Task
from supervisor.transfer import metainfo, removing, switching


def worker(lock_dir: str) -> Callable[[Task, Callable[[Phase, int, int], None], Callable[[], bool]], Result]:
    """Given the directory of the locks, return what does the tasks."""
    lock = os.path.join(lock_dir, "space.lock")

    def work(task: Task, report: Callable[[Phase, int, int], None], _stopping: Callable[[], bool]) -> Result:
        if not isinstance(task, Relocate):
            raise TypeError(task)
        with locks.hold(lock):
            return _relocate(task, report)

    return work


def _relocate(task: Relocate, report: Callable[[Phase, int, int], None]) -> Relocated:
    rtorrent = RTorrent(task.scgi_url, task.rpc_timeout)
    torrent = metainfo.read(task.metainfo, task.hash)
    report(Phase.SWITCH, 0, 0)
    switched = switching.switch(rtorrent, task.hash, task.destination, torrent)
    removed = removing.remove(task, lambda: switching.confirm(rtorrent, task.hash, task.destination), report)
    return Relocated(switched.outage_seconds, removed)
