"""The space worker: switches rTorrent to the HDD copy and removes the SSD data, one torrent at a time, under a lock."""

import os
import time
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
    listed = [(file.path, file.size) for file in torrent.files]
    # rTorrent may reach the SSD through a symlink; it is put back to where it says it is.
    seen = rtorrent.torrent(task.hash).directory
    source = seen if os.path.realpath(seen) == task.source else task.source
    report(Phase.SWITCH, 0, 0)
    switched = switching.switch(rtorrent, task.hash, source, task.destination, listed, time.sleep)
    removed = removing.remove(task, lambda: switching.confirm(rtorrent, task.hash, task.destination), report)
    return Relocated(switched.outage_seconds, removed)
