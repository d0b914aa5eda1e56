"""What would leave the SSD now, in which order, and why the others stay. Pure: the plan shown is the plan that runs."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any

from supervisor.dispatch.units import units
from supervisor.jobs import Job, Proof, State
from supervisor.measures import Marks
from supervisor.policies import leaving, serving, table
from supervisor.policies.base import Candidate, Rules

if TYPE_CHECKING:
    from supervisor.adapters.torrents import Torrent

_NAMED = 8  # digits of a hash that name it in a reason
_FREES_NOTHING = "it would free nothing: all its files have other names that no torrent knows, such as a library's"
_WAITS = "its copy is ready; it shares files, and waits for the copy or the proof of"


class Action(StrEnum):
    """What a plan does to one torrent."""

    FINISH = "finish"  # rTorrent has been switched already; the SSD data remains to be removed
    RELOCATE = "relocate"  # switch rTorrent to the proven copy, remove the SSD data
    PROVE = "prove"  # the copy stands but was not read back: that first
    COPY = "copy"  # there is no copy yet: that first


class When(IntEnum):
    """What a step waits for. The numbers are the order in which steps stand."""

    ASKED = 0  # a person wants it off the SSD
    BEGUN = 1  # low space; it is on the HDD already
    ANYWAY = 2  # nothing: its label, or its longest stay
    LOW = 3  # low space
    QUIET = 4  # low space, and a moment without peers
    EMERGENCY = 5  # so little space that soft protections yield


@dataclass(frozen=True, slots=True)
class Outset:
    """What a plan starts from, besides the torrents and the jobs."""

    ssd: bytes  # its root
    now: float  # unix seconds
    free: int  # bytes on the SSD
    marks: Marks
    wanted: int = 0  # bytes that are to be free at once, for downloads: nothing waits for a quiet moment then
    low_since: float = 0.0  # unix seconds; 0: space is not low
    rules: Rules = field(default_factory=Rules)
    asked: Collection[str] = ()  # hashes that a person wants off the SSD: no protection holds them
    lately: Mapping[str, float] = field(default_factory=dict)  # hash -> bytes uploaded of late
    untold: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # hash -> services that were not told yet
    links: Mapping[str, frozenset[str]] = field(default_factory=dict)  # hash -> those with the same files (hard links)
    unfreed: Mapping[str, int] = field(default_factory=dict)  # hash -> bytes whose removal frees nothing

    @property
    def emergency(self) -> bool:
        """Whether soft protections yield."""
        return self.free < self.marks.emergency

    @property
    def hurry(self) -> bool:
        """Whether nothing waits for a quiet moment."""
        return self.emergency or self.free < self.wanted


@dataclass(frozen=True, slots=True)
class Step:
    """One torrent of a plan."""

    candidate: Candidate
    action: Action
    when: When
    reason: str  # why it has this place
    frees: int  # bytes on the SSD; of a unit the last step has them all
    not_before: float = 0.0  # unix seconds until which it waits for a quiet moment
    unit: tuple[str, ...] = ()  # hashes, in order, that leave together with it

    @property
    def hash(self) -> str:
        """The torrent."""
        return self.candidate.hash

    @property
    def name(self) -> str:
        """Its name, for display."""
        return self.candidate.name

    def due(self, *, low: bool, emergency: bool, now: float) -> bool:
        """Given whether space is low, or an emergency, and the time, return whether its turn has come."""
        match self.when:
            case When.ASKED:
                return True
            case When.BEGUN:
                return low
            case When.ANYWAY:
                return now >= self.not_before
            case When.LOW | When.QUIET:
                return low and now >= self.not_before
        return emergency


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, in order, and what is left alone, with the reason for each."""

    steps: tuple[Step, ...]
    kept: tuple[tuple[str, str], ...]  # (hash, reason)


@dataclass(frozen=True, slots=True)
class _Member:
    """A torrent on the SSD, what can be done to it, or else why nothing can, where its data lies, and its place."""

    candidate: Candidate
    action: Action | None
    reason: str
    path: bytes
    place: table.Place


def plan(torrents: Sequence["Torrent"], jobs: Mapping[str, Job], outset: Outset) -> Plan:
    """Given all torrents of rTorrent, the jobs by hash and what else it starts from, return the plan.

    Torrents that share data leave together, one right after the other, or not at all.
    """
    kept: list[tuple[str, str]] = []
    begun: list[_Member] = []
    members: dict[str, _Member] = {}
    for torrent in torrents:
        job = jobs.get(torrent.hash)
        action, reason = _verdict(torrent, job, outset.ssd)
        if not action and (
            (job is not None and job.state is State.RELOCATING) or not inside(torrent.directory, outset.ssd)
        ):
            kept.append((torrent.hash, reason))
            continue
        candidate = _candidate(torrent, job, outset)
        place = table.place(candidate, outset.rules, outset.now)
        member = _Member(candidate, action, reason, torrent.base, place)
        if action is Action.FINISH:  # it uses nothing on the SSD any more
            begun.append(member)
        else:
            members[torrent.hash] = member
    planned = [(_rank([member], When.BEGUN, 0), [_finish(member)]) for member in begun]
    for unit in units({torrent_hash: member.path for torrent_hash, member in members.items()}, outset.links):
        of_unit = sorted((members[torrent_hash] for torrent_hash in unit), key=lambda member: member.place)
        rank, steps, staying = _of_unit(of_unit, outset)
        planned += [(rank, steps)] if steps else []
        kept += staying
    planned.sort(key=lambda entry: entry[0])
    return Plan(tuple(step for _, steps in planned for step in steps), tuple(kept))


def projected(steps: Iterable[Step], outset: Outset) -> Iterator[tuple[Step, int, bool]]:
    """Yield each step, the free bytes after it, and whether it is needed now, when it is its turn."""
    free, low = outset.free, outset.low_since > 0
    for step in steps:
        low = outset.marks.calls(free, low=low)
        needed = step.due(low=low, emergency=free < outset.marks.emergency, now=float("inf"))
        free += step.frees
        yield step, free, needed


def told(plan: Plan) -> dict[str, str]:
    """Return for each hash that a plan moves its place there and why, as the journal says it."""
    count = len(plan.steps)
    return {
        step.hash: f"number {number} of {count}: {step.reason}{_with(len(step.unit) - 1)}"
        for number, step in enumerate(plan.steps, 1)
    }


def _with(others: int) -> str:
    return f"; with {others} that share its files" if others else ""


def inside(path: bytes, root: bytes) -> bool:
    """Given two absolute paths, return whether the first is the second or below it, component by component."""
    return path == root or path.startswith(root.rstrip(b"/") + b"/")


def _of_unit(unit: Sequence[_Member], outset: Outset) -> tuple[tuple[Any, ...], list[Step], list[tuple[str, str]]]:
    """Given the members of a unit in their order, return its rank, its steps, and which stay, with their reasons."""
    asked = any(member.candidate.hash in outset.asked for member in unit)
    frees = max(member.candidate.size - outset.unfreed.get(member.candidate.hash, 0) for member in unit)
    yields = 0
    in_spite = ""
    for member in unit:
        rank, reason = (0, "") if asked else table.protection(member.candidate, outset.rules, outset.now)
        if member.action is None or rank < 0 or (rank > 0 and not outset.emergency):
            return (), [], _stay(unit, member, member.reason or reason)
        if rank > yields:
            yields, in_spite = rank, reason
    if frees <= 0 and not asked:
        return (), [], [(each.candidate.hash, _FREES_NOTHING) for each in unit]
    when, reason, not_before = _turn([member.candidate for member in unit], asked=asked, outset=outset)
    if yields:
        when, reason, not_before = When.EMERGENCY, f"an emergency, although {in_spite}", 0.0
    unready = [member for member in unit if member.action in (Action.PROVE, Action.COPY)]
    hashes = tuple(member.candidate.hash for member in unit)
    steps = [
        Step(
            member.candidate,
            member.action or Action.COPY,
            when,
            reason or table.says(member.candidate, outset.rules, outset.now),
            frees if member is (unready or unit)[-1] else 0,
            not_before,
            hashes,
        )
        for member in unready or unit
    ]
    waiting = [
        (member.candidate.hash, f"{_WAITS} {_named(unready[0])}")
        for member in unit
        if unready and member not in unready
    ]
    return _rank(unit, when, yields), steps, waiting


def _turn(unit: Sequence[Candidate], *, asked: bool, outset: Outset) -> tuple[When, str, float]:
    """Return what a unit waits for, why if it is not for the order, and until when it waits for quiet at most."""
    rules, now = outset.rules, outset.now
    if asked:
        return When.ASKED, "asked for by hand", 0.0
    leaves = [leaving.leaves(candidate, rules, now) for candidate in unit]
    anyway = all(reason for reason, _ in leaves)
    since = max(due for _, due in leaves) if anyway else outset.low_since or now
    until = max(serving.waits_until(candidate, rules, since) for candidate in unit)
    if until <= now or outset.hurry:
        until = 0.0
    if anyway:
        return When.ANYWAY, leaves[0][0], until
    return (When.QUIET if until else When.LOW), "", until


def _stay(unit: Sequence[_Member], because: _Member, reason: str) -> list[tuple[str, str]]:
    shared = f"it shares files with {_named(because)}, which stays: {reason}"
    return [(each.candidate.hash, reason if each is because else each.reason or shared) for each in unit]


def _finish(member: _Member) -> Step:
    candidate = member.candidate
    return Step(
        candidate,
        Action.FINISH,
        When.BEGUN,
        "rTorrent has been switched already",
        candidate.size,
        0.0,
        (candidate.hash,),
    )


def _rank(unit: Sequence[_Member], when: When, yields: int) -> tuple[Any, ...]:
    """Return what units are sorted by: one leaves when the last of its members would."""
    return when, yields, max(member.place for member in unit)


def _named(member: _Member) -> str:
    return f"{member.candidate.hash[:_NAMED]} {member.candidate.name}"


def _candidate(torrent: "Torrent", job: Job | None, outset: Outset) -> Candidate:
    return Candidate(
        torrent.hash,
        torrent.name,
        torrent.size,
        torrent.finished or (job.submitted if job else 0.0),
        torrent.ratio,
        torrent.up_rate,
        torrent.label,
        torrent.trackers,
        torrent.seeders,
        outset.lately.get(torrent.hash, 0.0),
        outset.untold.get(torrent.hash, ()),
    )


def _verdict(torrent: "Torrent", job: Job | None, ssd: bytes) -> tuple[Action | None, str]:
    """Return what can be done to a torrent, or else why nothing can."""
    published = job is not None and job.state in (State.COPIED, State.CACHED)
    if job is not None and job.source and torrent.directory == job.destination:
        if published and job.proof is Proof.READ_BACK:
            return Action.FINISH, ""
        return None, f"{job.state}, and on the HDD already"
    if not inside(torrent.directory, ssd):
        return None, "not on the SSD"
    if torrent.meta or not torrent.complete:
        return None, "not finished"
    if torrent.hashing:
        return None, "rTorrent is checking it"
    if job is None or job.state in (State.GONE, State.SUBMITTED):
        return Action.COPY, ""
    if published:
        return Action.RELOCATE if job.proof is Proof.READ_BACK else Action.PROVE, ""
    return None, f"{job.state}: {job.reason}" if job.reason else str(job.state)
