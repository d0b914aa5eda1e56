"""Sees that what rTorrent downloads fits on the SSD: knows when to look, and what the space worker is to do about it.

Everything is decided from what rTorrent says now, marks included: whatever was lost, or changed by a person, the next
look puts right.
"""

import logging
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from supervisor.dispatch import admission
from supervisor.dispatch.admission import Budget
from supervisor.dispatch.board import Board
from supervisor.dispatch.inquirer import Downloading, Inquirer
from supervisor.dispatch.planning import inside
from supervisor.dispatch.relief import Relief
from supervisor.dispatch.room import Room
from supervisor.errors import NoRoom, Refused
from supervisor.jobs import State
from supervisor.messages import Admit, Admitted, Failed, Move, Order, Place, Result
from supervisor.observation.metrics import Metrics
from supervisor.observation.snapshot import Held
from supervisor.settings import Settings

if TYPE_CHECKING:
    from supervisor.adapters.torrents import Torrent
    from supervisor.dispatch.downloads import Download

log = logging.getLogger(__name__)

_PAUSE = 0.25  # seconds between two looks, however many torrents come at once
_CHECK = 0.5  # seconds between two looks while rTorrent checks one that is to be held
_LONGEST_PAUSE = 60.0  # seconds, after orders that could not be carried out time and again
_REST = 10.0  # seconds between a torrent's start and its next stop: see transfer.switching on leaky buckets
_NEVER = float("inf")


class Doorman:
    """One look at the unfinished torrents at a time, then what follows from it."""

    def __init__(self, board: Board, relief: Relief, inquirer: Inquirer) -> None:
        self._board, self._relief, self._inquirer = board, relief, inquirer
        self._next_look = _NEVER
        self._asked = 0.0
        self._round = 0  # answers to earlier questions are of no use: we have changed something since
        self._found: tuple[Download, ...] | None = None  # not decided upon yet
        self._orders: tuple[Order, ...] = ()  # not given to the space worker yet
        self._busy = False  # it has some
        self._failures = 0  # how often in a row some could not be carried out
        self._started: dict[str, float] = {}  # hash -> unix seconds, of those that must not be stopped yet
        self.held: tuple[Held, ...] = ()
        self.to_come = 0  # bytes that those that run may still write to the SSD

    @property
    def next_look(self) -> float:
        """When rTorrent is to be asked again (unix seconds)."""
        return self._next_look

    def look(self, now: float) -> None:
        """Ask."""
        self._next_look, self._asked = _NEVER, now
        self._round = self._inquirer.downloads()

    def soon(self, now: float) -> None:
        """Something changed, as when a torrent was added: look at once, or soon after the last look."""
        self._next_look = min(self._next_look, max(now, self._asked + _PAUSE))

    def found(self, answer: Downloading, now: float, settings: Settings) -> None:
        """RTorrent has answered: see what room there is, and whether relief must make some."""
        if answer.round < self._round or self._busy:
            return
        self._found = answer.downloads
        budget, ssd = self._budget(settings), self._relief.disks.ssd.path
        self.to_come = sum(each.to_come for each in answer.downloads if admission.running(each, ssd))
        wanted = admission.wanted(answer.downloads, budget, ssd) if settings.admission else 0
        before, self._relief.wanted = self._relief.wanted, wanted if wanted > budget.free else 0
        if self._relief.wanted > before:
            self._relief.soon(anyway=True)
        if answer.downloads:
            self._next_look = min(self._next_look, now + settings.space_check_interval)

    def decide(self, now: float, settings: Settings, room: Room) -> None:
        """Decide on what was found, unless a plan is being made of what may leave the SSD.

        `room` is that on the HDDs.
        """
        if self._found is None:
            return
        budget, disks = self._budget(settings), self._relief.disks
        if not disks.seen[0].trusted or (self._relief.surveying and disks.usable and budget.free > budget.reserve):
            return
        downloads, self._found = self._found, None
        self._started = {job_hash: at for job_hash, at in self._started.items() if now - at < _REST}
        if settings.admission:
            elsewhere = self._elsewhere(downloads, now, settings, room)
            verdict = admission.decide(downloads, budget, disks.ssd.path, elsewhere, frozenset(self._started))
        else:
            verdict = admission.everyone_runs(downloads)
        self.held, self._orders = verdict.held, verdict.orders
        if verdict.waiting:
            self._next_look = min(self._next_look, now + _CHECK)

    def task(self, token: int, settings: Settings) -> Admit | None:
        """Return what the space worker is to do now, if anything."""
        if not self._orders:
            return None
        self._board.then(self._given)
        return Admit(token, self._orders, settings.scgi_url, settings.rpc_timeout)

    def _given(self) -> None:
        self._orders, self._busy = (), True

    def done(self, result: Result, now: float, metrics: Metrics) -> None:
        """The space worker has ended; look what it is like now."""
        self._busy = False
        for order in result.done if isinstance(result, Admitted) else ():
            self._board.tell(order.hash, order.move, now, order.why)
            self._board.then(partial(metrics.admitted, order.move))
            if order.move in (Move.RELEASE, Move.REVIVE, Move.REDIRECT):
                self._started[order.hash] = now
        failed = (result.reason,) if isinstance(result, Failed) else getattr(result, "failed", ())
        for reason in failed:
            log.warning("%s", reason, extra={"action": "not-admitted"})
        self._failures = self._failures + 1 if failed else 0
        self._round += 1
        self._next_look = now + min(_PAUSE * 2**self._failures, _LONGEST_PAUSE) if failed else now

    def _budget(self, settings: Settings) -> Budget:
        disk = self._relief.disks.look(settings)
        sight = self._relief.in_sight | {
            job.hash: job.size
            for job in self._board.moving.values()
            if job.state is not State.FAILED and inside(job.source, os.fsencode(settings.download_path_ssd))
        }
        return Budget(disk.size, disk.free, settings.reserve(disk.size), self._relief.leaving, sum(sight.values()))

    def _elsewhere(
        self, downloads: "Sequence[Download]", now: float, settings: Settings, room: Room
    ) -> "Callable[[Torrent], tuple[Place, bytes] | str]":
        """Return what finds the HDD directory of a torrent that is too large for the SSD, or says why there is none."""
        left = {
            place: disk.free - sum(each.to_come for each in downloads if inside(each.torrent.directory, place.path))
            for place, disk in self._relief.disks.measured()
            if disk.trusted
        }

        def find(torrent: "Torrent") -> tuple[Place, bytes] | str:
            if settings.oversized == "hold":
                return "OVERSIZED has it held"
            try:
                destination = room.destination(torrent, settings, now)
            except (NoRoom, Refused) as error:
                return str(error)
            hdd = self._relief.disks.hdd_of(destination)
            if hdd is None or hdd not in left:
                return "the HDD is not mounted, does not answer, or is not the one it was"
            if torrent.size > left[hdd]:
                return "what is downloaded to the HDD needs the room there"
            left[hdd] -= torrent.size
            return hdd, destination

        return find
