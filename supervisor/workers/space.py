"""The space worker: switches rTorrent to the HDD copy and removes the SSD data, one torrent at a time, under a lock."""

import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from supervisor.adapters import files, locks
from supervisor.adapters.rtorrent import RTorrent
from supervisor.errors import Stopped, TorrentGone, TransferError
from supervisor.messages import Admit, Admitted, Move, Order, Phase, Relocate, Relocated, Result, Task
from supervisor.transfer import holding, metainfo, removing, sharing, switching

if TYPE_CHECKING:
    from supervisor.workers.loop import Work, Worker


def work_under(lock_dir: str) -> "Work":
    """Given the directory of the locks, return what does the tasks."""
    lock = locks.space(lock_dir)

    def work(task: Task, worker: "Worker") -> Result:
        with locks.hold(lock):
            match task:
                case Relocate():
                    return _relocate(task, worker)
                case Admit():
                    return _admit(task, worker)
        raise TypeError(task)

    return work


def _relocate(task: Relocate, worker: "Worker") -> Relocated:
    rtorrent = RTorrent(task.scgi_url, task.rpc_timeout)
    torrent = metainfo.read(task.metainfo, task.hash)
    listed = [(file.path, file.size) for file in torrent.files]
    # rTorrent may reach the SSD through a symlink; it is put back to where it says it is.
    seen = rtorrent.torrent(task.hash).directory
    source = seen if os.path.realpath(seen) == task.source else task.source
    worker.report(Phase.SWITCH, 0, 0)

    def confirm() -> None:
        if worker.stopping():
            raise Stopped
        switching.confirm(rtorrent, task.hash, task.destination)

    def others() -> frozenset[files.Components]:
        return sharing.spared(rtorrent, os.path.dirname(task.metainfo), torrent, task.source)

    switched = switching.switch(rtorrent, task.hash, source, task.destination, listed, partial(_pause, worker))
    removed = removing.remove(task, confirm, others, worker.report)
    return Relocated(switched.outage_seconds, removed.freed, removed.spared)


def _pause(worker: "Worker", seconds: float) -> None:
    if worker.stopping():  # what was begun is found by the next attempt, wherever it was left
        raise Stopped
    time.sleep(seconds)


def _admit(task: Admit, worker: "Worker") -> Admitted:
    rtorrent = RTorrent(task.scgi_url, task.rpc_timeout)
    done: list[Order] = []
    failed: list[str] = []

    def attempt(orders: Sequence[Order], act: Callable[[], list[Order]]) -> None:
        reason = "it is being checked, or is not as it was; looked at again"
        try:
            carried_out = act()
        except TorrentGone:
            carried_out = []
        except TransferError as error:
            carried_out, reason = [], str(error)
        done.extend(carried_out)
        failed.extend(f"{order.move} {order.hash}: {reason}" for order in orders if order not in carried_out)

    holds = [order for order in task.orders if order.move is Move.HOLD]
    if holds:  # first: the SSD is filling up
        attempt(holds, partial(holding.hold, rtorrent, holds))
    for order in task.orders:
        if worker.stopping():
            break
        if order.move is not Move.HOLD:
            attempt([order], partial(holding.carry_out, rtorrent, order, partial(_pause, worker)))
    return Admitted(tuple(done), tuple(failed))
