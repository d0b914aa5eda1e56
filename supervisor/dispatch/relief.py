"""Makes room on the SSD: knows when it is low, and what leaves next."""

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from supervisor.dispatch import planning
from supervisor.dispatch.disks import Disks
from supervisor.dispatch.inquirer import Inquirer
from supervisor.dispatch.planning import Action, Outset, Step, When, inside
from supervisor.dispatch.uploads import Uploads
from supervisor.jobs import Job, is_due
from supervisor.measures import Marks
from supervisor.settings import Settings

if TYPE_CHECKING:
    from supervisor.adapters.torrents import Torrent

log = logging.getLogger(__name__)

_LONGEST_PAUSE = 900.0  # seconds between two surveys of an SSD that is low while nothing can leave it
_SAMPLE_EVERY = 3600.0  # seconds between two surveys at most, low or not: uploads are sampled, longest stays end
_AT_ONCE = (Action.FINISH, Action.RELOCATE)
_WHATEVER = (When.ASKED, When.ANYWAY)  # these do not wait for low space


class Relief:
    """One pass over the SSD at a time: planned from one survey of rTorrent, measured again after every step."""

    def __init__(self, disks: Disks, inquirer: Inquirer, uploads: Uploads) -> None:
        self.disks, self._inquirer, self.uploads = disks, inquirer, uploads
        self._steps: deque[Step] = deque()
        self._told: dict[str, str] = {}  # hash -> why it leaves
        self._asked: dict[str, None] = {}  # hashes that a person wants off the SSD, low or not
        self._unlisted: dict[str, None] = {}  # those that rTorrent did not list: the worker finds out why
        self._together: set[str] = set()  # hashes of units that have begun to leave
        self._awaited: set[str] = set()  # hashes whose copy or proof is all that keeps one that waits for nothing else
        self._surveying = False
        self._next_look = self._interval = 0.0
        self.looked = 0.0  # unix seconds of the last measurement
        self._pause, self._survey_at = 0.0, 0.0
        self._sample_at = 0.0  # 0: to be set at the first look
        self._free = 0  # bytes
        self.marks = Marks(0, 0, 0)
        self.wanted = 0  # bytes that are to be free for what is being downloaded: a water mark for the time being
        self.in_sight: dict[str, int] = {}  # of the last plan: hash -> bytes, of all that may leave the SSD some time
        self.low = False  # from below the low mark until above the high one
        self.low_since = 0.0  # unix seconds; 0: it is not
        self.emergency = False
        self.links: Mapping[str, frozenset[str]] = {}  # as planning.Outset
        self.unfreed: Mapping[str, int] = {}
        self.verdicts: dict[str, int] = {}  # of the last plan: what is to be done -> with how many torrents
        self.urgent: dict[str, None] = {}  # hashes whose copy, or whose proof, the SSD waits for
        self.to_prove: dict[str, None] = {}  # hashes whose HDD copy is to be read back

    @property
    def planned(self) -> int:
        """How many steps the pass at hand still has."""
        return len(self._steps)

    def upcoming(self, count: int) -> list[Step]:
        """Return so many of the next steps of the pass at hand. From any thread."""
        return list(self._steps)[:count]

    @property
    def working(self) -> bool:
        """Whether rTorrent is being asked what can leave, or something that can has still to be given to the worker."""
        return self._surveying or any(self._due(step, self.looked) for step in list(self._steps))

    @property
    def surveying(self) -> bool:
        """Whether a plan is about to be made."""
        return self._surveying

    @property
    def leaving(self) -> int:
        """How many bytes the pass at hand can still remove at once."""
        return sum(step.frees for step in self._steps)

    @property
    def next_look(self) -> float:
        """When the disks are to be measured again (unix seconds)."""
        return self._next_look

    def due(self, now: float) -> bool:
        """Say whether they are to be measured now: also if the clock was put back since they were."""
        return not now < self._next_look <= now + self._interval

    def look(self, now: float, settings: Settings) -> None:
        """Measure the disks; if the SSD is low and no pass is on, begin one."""
        self._interval, self.looked = settings.space_check_interval, now
        self._next_look = now + self._interval
        self._sample_at = self._sample_at or now + _SAMPLE_EVERY
        ssd = self.disks.look(settings)
        self._free, self.marks = ssd.free, settings.marks(ssd.size).raised(self.wanted)
        self.low = ssd.size > 0 and self.marks.calls(ssd.free, low=self.low)
        self.low_since = (self.low_since or now) if self.low else 0.0
        self.emergency = ssd.size > 0 and ssd.free < self.marks.emergency
        if not self.low:
            self._pause = self._survey_at = 0.0
            self._steps = deque(step for step in self._steps if step.when in _WHATEVER or step.hash in self._together)
        if not self.disks.usable:
            return
        nothing_to_do = self.low and not any(self._due(step, now) for step in self._steps)
        if is_due(self._sample_at, now) or (nothing_to_do and is_due(self._survey_at, now)):
            self._survey()

    def disks_changed(self, destination: bytes, now: float, settings: Settings) -> bool:
        """A step towards a destination failed. Return whether its disk is away, or another one is in its place."""
        self.look(now, settings)
        return not (self.disks.serves(destination) if destination else self.disks.usable)

    def soon(self, *, anyway: bool = False) -> None:
        """Something changed that may help: measure at the next opportunity, if the SSD is low or anyway."""
        self._pause = self._survey_at = 0.0
        if self.low or anyway:
            self._next_look = 0.0

    def plan(
        self,
        torrents: Iterable["Torrent"],
        jobs: Mapping[str, Job],
        untold: Mapping[str, tuple[str, ...]],
        settings: Settings,
        now: float,
    ) -> tuple[list[str], list[tuple[str, str]]]:
        """Given all torrents, the living jobs and who has still to be told of which, plan the pass.

        Return the hashes that must be copied first, and of those that a person wants off the SSD the ones that must
        stay, with the reasons.
        """
        self._surveying, self._sample_at = False, now + _SAMPLE_EVERY
        known, ssd, rules = tuple(torrents), self.disks.ssd.path, settings.rules
        on_ssd = (torrent for torrent in known if torrent.complete and inside(torrent.directory, ssd))
        self.uploads.sample(on_ssd, now, rules.half_life)
        outset = Outset(
            ssd,
            now,
            self._free,
            self.marks,
            self.wanted,
            (self.low_since or now) if self.low else 0.0,
            rules,
            tuple(self._asked),
            self.uploads.lately(),
            untold,
            self.links,
            self.unfreed,
        )
        self._together &= jobs.keys()
        plan = planning.plan(known, jobs, outset)
        return self._adopt(plan, settings.space_check_interval, now)

    def _adopt(self, plan: planning.Plan, shortest_pause: float, now: float) -> tuple[list[str], list[tuple[str, str]]]:
        wanted = [step for step in plan.steps if self.low or step.when in _WHATEVER or step.hash in self._together]
        self._steps = deque(step for step in wanted if step.action in _AT_ONCE)
        self._told = planning.told(plan)
        waiting = [step for step in wanted if step.action not in _AT_ONCE]
        self._awaited = {step.hash for step in waiting if step.when in _WHATEVER}
        self.verdicts = {**Counter(step.action.value for step in plan.steps), "kept": len(plan.kept)}
        self.in_sight = {step.hash: step.frees for step in plan.steps}
        self.urgent = {step.hash: None for step in waiting}
        self.to_prove |= {step.hash: None for step in waiting if step.action is Action.PROVE}
        if self.low and not self._steps:
            self._pause = min(max(self._pause * 2, shortest_pause), _LONGEST_PAUSE)
            self._survey_at = now + self._pause
        leave = {step.hash for step in self._steps} | {each for step in waiting for each in step.unit}
        reasons = dict(plan.kept)
        stay = [(each, reasons[each]) for each in self._asked if each not in leave and each in reasons]
        self._unlisted |= {each: None for each in self._asked if each not in leave and each not in reasons}
        self._asked = {each: None for each in self._asked if each in leave}
        log.info(
            "%d relocations, %d proofs or copies first, %d kept",
            len(self._steps), len(waiting), len(plan.kept),
            extra={"action": "planned"},
        )  # fmt: skip
        return [step.hash for step in waiting if step.action is Action.COPY], stay

    def next(self, busy: Callable[[str], bool], now: float, *, planned: bool = True) -> tuple[str, str] | None:
        """Return the hash of the torrent that leaves next and why, or None; it is taken off the plan.

        One that is `busy` keeps its place: its copy is being proven. Without `planned` only what a person asked for
        leaves, and what is left of a unit.
        """
        for job_hash in self._unlisted:
            if not busy(job_hash):
                del self._unlisted[job_hash]
                return job_hash, "asked for by hand"
        for step in self._steps:
            held = not planned and step.hash not in self._asked and step.hash not in self._together
            if not held and not busy(step.hash) and self._due(step, now):
                self._steps.remove(step)
                self._together |= set(step.unit)
                self._together.discard(step.hash)
                self._asked.pop(step.hash, None)
                return step.hash, self._told[step.hash]
        return None

    def copied(self, job_hash: str, label: str, settings: Settings) -> None:
        """A copy stands; its torrent may leave at once if its label says so."""
        if label.casefold() in (each.casefold() for each in settings.policy_leave_labels):
            self._survey()
        self.settled(job_hash)

    def settled(self, job_hash: str) -> None:
        """A copy stands, or was read back: if it is all that something waited for, plan again."""
        if job_hash in self._awaited:
            self._awaited.discard(job_hash)
            self._survey()
        self.soon()

    def demand(self, job_hash: str) -> None:
        """A person wants this one off the SSD now: it goes if the next survey does not speak against it."""
        self._asked[job_hash] = None
        self._survey()

    def look_over(self) -> None:
        """Have all torrents of rTorrent looked over, low space or not."""
        self._survey()

    def _due(self, step: Step, now: float) -> bool:
        return step.hash in self._together or step.due(low=self.low, emergency=self.emergency, now=now)

    def _survey(self) -> None:
        if not self._surveying:
            self._surveying = True
            self._inquirer.survey()
