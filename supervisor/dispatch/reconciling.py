"""Where rTorrent, the journal and the disks disagree, and what of it may be put right without asking. Pure."""

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from supervisor.dispatch.planning import inside
from supervisor.jobs import ON_HDD, Job, State

if TYPE_CHECKING:
    from supervisor.adapters.torrents import Torrent

_HOOK_TIME = 5.0  # seconds after its end in which a download's own hook may still be on its way
_ABSENCES = 3  # how often a torrent must be missing before it counts as erased
_BETWEEN = 300.0  # seconds between two times that count
_MANY = 10  # torrents; if more vanish at once, and half of all, rTorrent has lost its session


class Kind(StrEnum):
    """What disagrees."""

    MISSED = "missed"  # finished on the SSD, and no hook told of it
    SKIPPED = "skipped"  # files are skipped: rTorrent has all that it wants, but a copy cannot be proven
    MOVED = "moved"  # somebody moved a torrent that we had copied
    RELABELLED = "relabelled"  # the label is not the one that decided the destination: Sonarr and Radarr change it
    STRAY = "stray"  # data on the SSD that no torrent lists
    COPY = "copy"  # a copy on an HDD whose torrent was erased
    PARTIAL = "partial"  # a copy in the making that nobody will go on with


@dataclass(frozen=True, slots=True)
class Finding:
    """One disagreement."""

    kind: Kind
    text: str  # what it is, for a person
    hash: str = ""
    name: str = ""
    path: bytes = b""
    size: int = 0  # bytes it takes, where it is data
    mends: bool = False  # whether it is put right without asking


@dataclass(frozen=True, slots=True)
class Report:
    """What a sweep found."""

    at: float  # unix seconds
    findings: tuple[Finding, ...] = ()
    count: dict[str, int] = field(default_factory=dict)  # of all, by kind
    size: dict[str, int] = field(default_factory=dict)  # bytes, by kind
    notes: tuple[str, ...] = ()  # what could not be looked at, and what was not mended, with the reason


def drift(
    torrents: Iterable["Torrent"], job_of: Callable[[str], Job | None], ssd: bytes, now: float
) -> Iterable[Finding]:
    """Given all torrents, their directories resolved, the journal, the SSD's root and the time, yield what differs."""
    for torrent in torrents:
        job = job_of(torrent.hash)
        for kind, text in _differences(torrent, job, ssd, now):
            mends = kind is Kind.MISSED
            yield Finding(kind, text, torrent.hash, torrent.name, torrent.directory, torrent.size, mends)


def _differences(torrent: "Torrent", job: Job | None, ssd: bytes, now: float) -> Iterable[tuple[Kind, str]]:
    on_ssd = inside(torrent.directory, ssd)
    where = torrent.directory.decode(errors="replace")
    if on_ssd and (job is None or job.state in (State.GONE, State.RELOCATED)) and not torrent.meta:
        if torrent.complete and not torrent.hashing and torrent.finished < now - _HOOK_TIME:
            yield Kind.MISSED, "finished on the SSD, and no hook told of it"
        elif not torrent.complete and torrent.left_bytes and not torrent.wanted_chunks and not torrent.hashing:
            yield Kind.SKIPPED, "some of its files are skipped: it stays on the SSD, no proof is possible"
    if job is None or not job.destination:
        return
    if job.state in ON_HDD and torrent.directory not in (job.source, job.destination):
        yield Kind.MOVED, f"moved by somebody else, to {where}; nothing is done with it"
    if torrent.label != job.label and job.state in ON_HDD:
        yield Kind.RELABELLED, f"labelled {torrent.label!r} now; its copy stays where the label {job.label!r} put it"


class Absences:
    """Which torrents rTorrent no longer lists: erased, if that is so several times over time."""

    def __init__(self) -> None:
        self._missed: dict[str, tuple[int, float]] = {}  # hash -> how often, and when last

    @property
    def due(self) -> float:
        """When to look again (unix seconds; infinity: nothing is missing)."""
        return min((last + _BETWEEN for _, last in self._missed.values()), default=float("inf"))

    def note(self, jobs: Mapping[str, Job], listed: AbstractSet[str], saved: AbstractSet[str], now: float) -> list[Job]:
        """Given the living jobs, what rTorrent lists and what its session on disk has, return the jobs to be GONE.

        What is not listed but saved is not erased, and nothing is when all or most are missing: rTorrent was started
        without its session, or has only just been started.
        """
        watched = {each.hash: each for each in jobs.values() if each.state in _WATCHED}
        missing = watched.keys() - listed - saved
        if not listed or (len(missing) > _MANY and len(missing) * 2 > len(watched)):
            missing = set()
        gone = []
        for each in self._missed.keys() - missing:
            del self._missed[each]
        for each in sorted(missing):
            times, last = self._missed.get(each, (0, float("-inf")))
            if now - last < _BETWEEN:
                continue
            self._missed[each] = times + 1, now
            if times + 1 >= _ABSENCES:
                gone.append(watched[each])
        return gone


# The others are looked up before anything is done to them.
_WATCHED = frozenset({State.COPYING, State.COPIED, State.CACHED, State.FAILED})
