"""How what was asked for gets on until it has ended, for the commands that wait. Only reads: leaving stops nothing."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from supervisor import spool
from supervisor.adapters import clock
from supervisor.commands.asking import Request
from supervisor.commands.display import percent, share, size, span
from supervisor.commands.reader import Daemon, Reader, daemon
from supervisor.errors import Exit
from supervisor.jobs import Event, State
from supervisor.observation.snapshot import Snapshot

PHASES = {
    "": "begins",
    "resume": "reads back what was there",
    "copy": "copies",
    "prove": "proves the HDD copy",
    "publish": "publishes",
    "switch": "switches rTorrent",
    "remove": "removes it from the SSD",
}
_EVERY = 0.25  # seconds between two looks
_STOPPED = "seedcache has stopped meanwhile: see `seedcache status`, and `seedcache explain` for where it stands"
_WAITS = "it waits for its turn"

# The actions of the journal's events that end a request, and how.
_LOST = dict.fromkeys(
    ("refused", "unproven", State.SUBMITTED, State.FAILED, State.CANCELLED, State.GONE), Exit.FAILED
)  # a copy whose torrent was submitted again does not count any more
_ENDS = {
    "verify": _LOST | {"proven": Exit.DONE},
    "relocate": _LOST | {State.RELOCATED: Exit.DONE, State.WAITING: Exit.FAILED},  # it is tried again without us
}


@dataclass(frozen=True, slots=True)
class Look:
    """How it stands at one moment."""

    text: str
    done: int = 0
    total: int = 0  # bytes, or torrents if there is no rate; 0: that cannot be told
    rate: float | None = None  # bytes a second
    end: Exit | None = None  # None: it goes on

    @property
    def share(self) -> str:
        """How much is done, at which rate, and how long the rest takes."""
        if not self.total:
            return ""
        if self.rate is None:
            return f"{self.done} of {self.total}"
        left = f"  {size(self.rate)}/s  ETA {span((self.total - self.done) / self.rate)}" if self.rate else ""
        return f"{percent(self.done, self.total)}  {share(self.done, self.total)}{left}"


class Wait(Protocol):
    """Something to wait for."""

    def look(self, now: float) -> Look:
        """Given the time (unix seconds), return how it stands."""


def follow(waited: Wait, show: Callable[[Look], None]) -> Exit:
    """Show how it gets on until it ends, and return how it ended."""
    while True:
        seen = waited.look(clock.now())
        show(seen)
        if seen.end is not None:
            return seen.end
        time.sleep(_EVERY)


class OneTorrent:
    """A request about one torrent: `verify`, `relocate`. Its end is told by the journal."""

    def __init__(self, request: Request) -> None:
        self._request, self._seen = request, request.last_event
        self._journal = Reader(request.state_dir)

    def look(self, now: float) -> Look:
        """See Wait."""
        request = self._request
        for number, event in self._journal.events_after(self._seen, request.subject):
            self._seen = number
            end = _ENDS[request.event].get(event.action)
            if end is not None:
                return Look(_told(event), end=end)
        seen = daemon(request.state_dir, now)
        if not seen.running or seen.snapshot is None:
            return Look(_STOPPED, end=Exit.FAILED)
        snapshot = seen.snapshot
        for worker in snapshot.workers:
            if worker.hash == request.subject and worker.phase in PHASES:
                return Look(PHASES[worker.phase], worker.done, worker.total, worker.rate)
        job = self._journal.job(request.subject)
        where = os.fsdecode(job.destination) if job else ""
        hindered = _hindered(snapshot, by_rtorrent=request.event == "relocate", destination=where)
        return hindered or Look(_WAITS)


class SpacePass:
    """A look at the space, and what leaves the SSD then. Its end is told by the supervisor's snapshot."""

    def __init__(self, request: Request) -> None:
        self._request, self._seen = request, request.last_event
        self._journal = Reader(request.state_dir)
        self._gone = 0  # torrents that have left since

    def look(self, now: float) -> Look:
        """See Wait."""
        for number, event in self._journal.events_after(self._seen):
            self._seen = number
            self._gone += event.action == State.RELOCATED
        seen: Daemon = daemon(self._request.state_dir, now)
        if not seen.running or seen.snapshot is None:
            return Look(_STOPPED, end=Exit.FAILED)
        snapshot = seen.snapshot
        request = self._request
        unread = spool.waits(request.state_dir, request.subject, request.event)
        if unread or snapshot.space_looked < request.at:
            return Look("it is about to look")
        if not snapshot.relieving:
            return self._ended(snapshot)
        moving = [worker for worker in snapshot.workers if worker.role == "space" and worker.hash]
        total = self._gone + len(moving) + snapshot.relocations_planned
        about = [f"{worker.name_of_torrent or worker.hash}: {PHASES.get(worker.phase, '')}" for worker in moving]
        look = Look(about[0] if about else "asks rTorrent what can leave", self._gone, total)
        return look if moving else _hindered(snapshot, by_rtorrent=True) or look

    def _ended(self, snapshot: Snapshot) -> Look:
        left = f"{self._gone} {'torrent has' if self._gone == 1 else 'torrents have'} left the SSD"
        if snapshot.low_space:
            low = Look(f"{left}; it is still low: `seedcache space plan` says what keeps the others", end=Exit.FAILED)
            return _hindered(snapshot, by_rtorrent=True) or low
        return Look(left if self._gone else "the SSD has room enough: nothing has to leave it", end=Exit.DONE)


def _told(event: Event) -> str:
    return f"{event.action}: {event.text}" if event.text else event.action


def _hindered(snapshot: Snapshot, *, by_rtorrent: bool, destination: str = "") -> Look | None:
    """Return what a person must mend before it can go on; it is done then, also if nobody waits for it.

    Given the destination of the torrent that is waited for, other HDDs than its own do not matter.
    """
    then = "it is done once that is mended"
    hdds = [disk for disk in snapshot.disks if disk.role == "hdd"]
    for disk in snapshot.disks:
        concerned = f"{destination}/".startswith(f"{disk.path}/") if destination else not any(d.trusted for d in hdds)
        if not disk.trusted and (concerned or disk.role == "ssd"):
            return Look(
                f"the {disk.role.upper()} {disk.path} is not there, does not answer, or is another disk; {then}",
                end=Exit.FAILED,
            )
    if by_rtorrent and not snapshot.rtorrent.reachable:
        return Look(f"rTorrent cannot be reached: {snapshot.rtorrent.error}; {then}", end=Exit.UNREACHABLE)
    return None


def plainly(write: Callable[[str], object]) -> Callable[[Look], None]:
    """Given what writes a line, return what shows a look to a reader without a terminal: a line for what is new."""
    last = Look("")

    def show(look: Look) -> None:
        nonlocal last
        if (look.text, look.end) != (last.text, last.end):
            write(look.text)
        last = look

    return show
