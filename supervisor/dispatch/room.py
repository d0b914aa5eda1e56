"""How much room each HDD has for copies, where a torrent's copy goes, and which jobs wait until there is more."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from supervisor import measures
from supervisor.adapters import clock, files
from supervisor.dispatch import destinations
from supervisor.dispatch.board import Board
from supervisor.dispatch.crew import Crew
from supervisor.dispatch.destinations import Root, Rules
from supervisor.dispatch.disks import Disks
from supervisor.errors import NoRoom
from supervisor.jobs import Job, State
from supervisor.settings import Settings

if TYPE_CHECKING:
    from supervisor.adapters.torrents import Torrent

_COMING = frozenset({State.SUBMITTED, State.COPYING})


@dataclass(frozen=True, slots=True)
class _Wait:
    roots: frozenset[bytes]  # any of them will do
    room: float  # bytes that one must have
    tries: int

    def ends(self, rooms: Mapping[bytes, float]) -> bool:
        """Given the room on each HDD that is there, say whether one has enough."""
        return any(rooms.get(path, float("-inf")) >= self.room for path in self.roots)


class Room:
    """Bytes are promised to a copy from its decision to its end, and while it waits for room no more."""

    def __init__(self, board: Board, crew: Crew, disks: Disks) -> None:
        self._board, self._crew, self._disks = board, crew, disks
        self._waits: dict[str, _Wait] = {}
        self._roots_then: list[bytes] = []
        self._claims: dict[str, tuple[bytes, int]] = {}  # durable ones: hash -> HDD, bytes
        self._claimed: dict[bytes, int] = {}  # their sum by HDD: 10,000 torrents may be found at once
        board.on_entered = self._entered

    def destination(self, torrent: "Torrent", settings: Settings, now: float) -> bytes:
        """Given a torrent, decide where its copy goes: see destinations.decide, which says what is raised."""
        finished = datetime.fromtimestamp(torrent.finished or now, clock.zone(settings.time_zone))
        rules = Rules(settings.destination_template, settings.destinations, settings.destination_choice)
        roots = self._roots(settings, without=torrent.hash)
        return destinations.decide(torrent, finished, rules, roots, self._has)

    def _has(self, directory: bytes) -> bool:
        try:
            return self._disks.ask(directory, partial(files.is_directory, directory))
        except TimeoutError as error:
            raise NoRoom(f"the disk of {files.show(directory)} does not answer") from error

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

    def returned(self, settings: Settings) -> list[Job]:
        """Return the jobs that wait for room, and may have it now."""
        jobs = self.waiting()
        rooms = self.room(settings) if jobs else {}
        return [job for job in jobs if self._waits[job.hash].ends(rooms)]

    def short(self, jobs: list[Job], settings: Settings) -> dict[str, int]:
        """Given jobs that are due, return those for which there is still no room, and how often in a row that was."""
        waits = {job.hash: self._waits[job.hash] for job in jobs if job.hash in self._waits}
        rooms = self.room(settings) if waits else {}
        found = {}
        for job_hash, wait in waits.items():
            if wait.room < float("inf") and not wait.ends(rooms):
                self._waits[job_hash] = replace(wait, tries=wait.tries + 1)
                found[job_hash] = wait.tries + 1
        return found

    def waiting(self) -> list[Job]:
        """Return the jobs that wait for room."""
        jobs = (self._board.get(job_hash) for job_hash in list(self._waits))
        return [job for job in jobs if job is not None and job.state is State.WAITING]

    def room(self, settings: Settings) -> dict[bytes, float]:
        """Return the bytes that may still be promised on each HDD that is there."""
        return {root.path: root.room for root in self._roots(settings) if root.there}

    def reserve(self, path: bytes, settings: Settings) -> int:
        """Return the bytes that are to stay free on the HDD that a path is on."""
        wanted = measures.amount(settings.destination_reserve)
        hdd = self._disks.hdd_of(path)
        return next((wanted.of(disk.size) for place, disk in self._disks.measured() if place is hdd), 0)

    def _roots(self, settings: Settings, without: str = "") -> list[Root]:
        promised = self._promised(without)
        roots = []
        for place, disk in self._disks.measured():
            free = float(disk.free - self.reserve(place.path, settings) - promised.get(place.path, 0))
            # A file system that has no size (ramfs, some network ones) cannot tell.
            roots.append(Root(place.path, free if disk.size else float("inf"), disk.trusted))
        return roots

    def _promised(self, without: str) -> dict[bytes, int]:
        """Return the bytes that the copies on their way have still to write, by HDD."""
        if self._disks.roots != self._roots_then:
            self._roots_then, self._claims, self._claimed = self._disks.roots, {}, {}
            for job in self._board.moving.values():
                self._entered(job)
        staged = {job.hash: self._claim(job) for job in self._board.staged()} | {without: None}
        promised = dict(self._claimed)
        for job_hash, claim in staged.items():
            for found, sign in ((self._claims.get(job_hash), -1), (claim, 1)):
                if found is not None:
                    promised[found[0]] = promised.get(found[0], 0) + sign * found[1]
        for job_hash, written in self._crew.written().items():
            claim = staged[job_hash] if job_hash in staged else self._claims.get(job_hash)
            if claim is not None:
                promised[claim[0]] -= min(claim[1], written)
        return promised

    def _claim(self, job: Job) -> tuple[bytes, int] | None:
        root = destinations.root_of(job.destination, self._roots_then) if job.state in _COMING else None
        return None if root is None else (root, job.size)

    def _entered(self, job: Job) -> None:
        if job.state not in _COMING and job.state is not State.WAITING:
            self._waits.pop(job.hash, None)
        before, claim = self._claims.pop(job.hash, None), self._claim(job)
        if before is not None:
            self._claimed[before[0]] -= before[1]
        if claim is not None:
            self._claims[job.hash] = claim
            self._claimed[claim[0]] = self._claimed.get(claim[0], 0) + claim[1]
