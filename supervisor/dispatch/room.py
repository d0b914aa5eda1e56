"""How much room each HDD has for copies, where a torrent's copy goes, and which jobs wait until there is more."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from supervisor.adapters import clock, files
from supervisor.dispatch import destinations
from supervisor.dispatch.board import Board
from supervisor.dispatch.crew import Crew
from supervisor.dispatch.destinations import Root, Rules
from supervisor.dispatch.disks import Disks
from supervisor.jobs import Job, State
from supervisor.settings import Settings

if TYPE_CHECKING:
    from supervisor.adapters.rtorrent import Torrent

_COMING = frozenset({State.SUBMITTED, State.COPYING})


@dataclass(frozen=True, slots=True)
class _Wait:
    roots: frozenset[bytes]  # any of them will do
    room: float  # bytes that one must have
    tries: int


class Room:
    """Bytes are promised to a copy from its decision to its end, and while it waits for room no more."""

    def __init__(self, board: Board, crew: Crew, disks: Disks) -> None:
        self._board, self._crew, self._disks = board, crew, disks
        self._waits: dict[str, _Wait] = {}

    def destination(self, torrent: "Torrent", settings: Settings, now: float, beside: bytes = b"") -> bytes:
        """Given a torrent, decide where its copy goes: see destinations.decide, which says what is raised."""
        finished = datetime.fromtimestamp(torrent.finished or now, clock.zone(settings.time_zone))
        rules = Rules(settings.destination_template, settings.destinations, settings.destination_choice)
        roots = self._roots(settings, without=torrent.hash)
        return destinations.decide(torrent, finished, rules, roots, files.is_directory, beside)

    def lacks(self, job: Job, lacking: int, settings: Settings) -> int:
        """A job was told that its HDD, or any if it has none yet, lacks so many bytes. Return how often in a row."""
        roots = [root for root in self._roots(settings, without=job.hash) if root.there]
        if job.destination:
            roots = [root for root in roots if destinations.root_of(job.destination, [root.path])]
        best = max((root.room for root in roots), default=0.0)
        tries = self._waits[job.hash].tries + 1 if job.hash in self._waits else 1
        # How many bytes a quota lacks is unknown, and what is free does not tell: then only time does.
        wanted = best + lacking if lacking else float("inf")
        self._waits[job.hash] = _Wait(frozenset(root.path for root in roots), wanted, tries)
        return tries

    def forget(self, job_hash: str) -> None:
        """A job does not wait for room any more."""
        self._waits.pop(job_hash, None)

    def returned(self, settings: Settings) -> list[Job]:
        """Return the jobs that wait for room, and may have it now."""
        found = []
        rooms = {root.path: root.room for root in self._roots(settings) if root.there} if self._waits else {}
        for job in self.waiting():
            wait = self._waits[job.hash]
            if any(rooms.get(path, float("-inf")) >= wait.room for path in wait.roots):
                found.append(job)
        return found

    def waiting(self) -> list[Job]:
        """Return the jobs that wait for room."""
        jobs = (self._board.get(job_hash) for job_hash in self._waits)
        return [job for job in jobs if job is not None and job.state is State.WAITING]

    def _roots(self, settings: Settings, without: str = "") -> list[Root]:  # noqa: ARG002
        promised = self._promised(without)
        roots = []
        for place, disk in self._disks.measured():
            free = float(disk.free - promised.get(place.path, 0))
            # A file system that has no size (ramfs, some network ones) cannot tell.
            roots.append(Root(place.path, free if disk.size else float("inf"), disk.trusted))
        return roots

    def _promised(self, without: str) -> dict[bytes, int]:
        """Return the bytes that the copies on their way have still to write, by HDD."""
        paths = [place.path for place in self._disks.hdds]
        written = self._crew.written()
        promised: dict[bytes, int] = {}
        for job in self._board.underway():
            if job.state in _COMING and job.destination and job.hash != without:
                root = destinations.root_of(job.destination, paths)
                if root is not None:
                    promised[root] = promised.get(root, 0) + max(job.size - written.get(job.hash, 0), 0)
        return promised
