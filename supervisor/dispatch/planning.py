"""What would leave the SSD now, in which order, and why the others stay. Pure: the plan shown is the plan that runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from supervisor.jobs import Job, Proof, State
from supervisor.policies.age import oldest_first
from supervisor.policies.base import Candidate

if TYPE_CHECKING:
    from supervisor.adapters.rtorrent import Torrent


SHARED = "another torrent uses the same files"


class Action(StrEnum):
    """What a plan does to one torrent."""

    FINISH = "finish"  # rTorrent has been switched already; the SSD data remains to be removed
    RELOCATE = "relocate"  # switch rTorrent to the proven copy, remove the SSD data
    PROVE = "prove"  # the copy stands but was not read back: that first
    COPY = "copy"  # there is no copy yet: that first


@dataclass(frozen=True, slots=True)
class Step:
    """One torrent of a plan."""

    hash: str
    name: str
    size: int  # bytes
    finished: float  # unix seconds
    action: Action


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, in order, and what is left alone, with the reason for each."""

    steps: tuple[Step, ...]
    kept: tuple[tuple[str, str], ...]  # (hash, reason)


def plan(torrents: Sequence["Torrent"], jobs: Mapping[str, Job], ssd: bytes, now: float) -> Plan:
    """Given all torrents of rTorrent, the jobs by hash, the SSD root and the time, return the plan."""
    shared = _shared(torrents)
    kept: list[tuple[str, str]] = []
    actions: dict[str, Action] = {}
    candidates: list[Candidate] = []
    for torrent in torrents:
        job = jobs.get(torrent.hash)
        verdict = _verdict(torrent, job, ssd, torrent.hash in shared)
        if isinstance(verdict, str) and not isinstance(verdict, Action):
            kept.append((torrent.hash, verdict))
            continue
        actions[torrent.hash] = verdict
        finished = torrent.finished or (job.submitted if job else 0.0)
        candidates.append(
            Candidate(torrent.hash, torrent.name, torrent.size, finished, torrent.ratio, torrent.up_rate, torrent.peers)
        )
    ordered = sorted(oldest_first(candidates, now), key=lambda c: actions[c.hash] is not Action.FINISH)
    return Plan(tuple(Step(c.hash, c.name, c.size, c.finished, actions[c.hash]) for c in ordered), tuple(kept))


def inside(path: bytes, root: bytes) -> bool:
    """Given two absolute paths, return whether the first is the second or below it, component by component."""
    return path == root or path.startswith(root.rstrip(b"/") + b"/")


def _verdict(torrent: "Torrent", job: Job | None, ssd: bytes, shared: bool) -> Action | str:
    published = job is not None and job.state in (State.COPIED, State.CACHED)
    if job is not None and job.source and torrent.directory == job.destination:
        return Action.FINISH if published and job.proof is Proof.READ_BACK else f"{job.state}, and on the HDD already"
    if not inside(torrent.directory, ssd):
        return "not on the SSD"
    if torrent.meta or not torrent.complete:
        return "not finished"
    if torrent.hashing:
        return "rTorrent is checking it"
    if shared:
        return SHARED
    if job is None or job.state is State.GONE:
        return Action.COPY
    if published:
        return Action.RELOCATE if job.proof is Proof.READ_BACK else Action.PROVE
    if job.state is State.SUBMITTED:
        return Action.COPY
    return f"{job.state}: {job.reason}" if job.reason else str(job.state)


def _shared(torrents: Sequence["Torrent"]) -> set[str]:
    """Return the torrents whose files lie where another's do, above them or below them."""
    found: set[str] = set()
    above: list[tuple[bytes, str]] = []  # the chain of paths that contain the one at hand
    for path, torrent_hash in sorted((torrent.base + b"/", torrent.hash) for torrent in torrents):
        while above and not path.startswith(above[-1][0]):
            above.pop()
        if above:
            found |= {torrent_hash, *(other for _, other in above)}
        above.append((path, torrent_hash))
    return found
