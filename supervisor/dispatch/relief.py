"""Makes room on the SSD: knows when it is low, and what leaves next."""

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from supervisor.dispatch import planning
from supervisor.dispatch.disks import Disks
from supervisor.dispatch.inquirer import Inquirer
from supervisor.dispatch.planning import Action, Step
from supervisor.jobs import Job
from supervisor.settings import Settings

if TYPE_CHECKING:
    from supervisor.adapters.rtorrent import Torrent

log = logging.getLogger(__name__)


class Relief:
    """One pass over the SSD at a time: planned from one survey of rTorrent, measured again after every step."""

    def __init__(self, disks: Disks, inquirer: Inquirer) -> None:
        self.disks, self._inquirer = disks, inquirer
        self._steps: deque[Step] = deque()
        self._wished: dict[str, None] = {}  # hashes that a person wants off the SSD, low or not
        self._demanded: dict[str, None] = {}  # those of them that the last survey does not speak against
        self._surveying = False
        self._next_look = self._interval = 0.0
        self.looked = 0.0  # unix seconds of the last measurement
        self.low = False
        self.wanted = 0  # bytes that are to be free for what is being downloaded: a water mark for the time being
        self.in_sight: dict[str, int] = {}  # of the last plan: hash -> bytes, of all that may leave the SSD some time
        self.verdicts: dict[str, int] = {}  # of the last plan: what is to be done -> with how many torrents
        self.urgent: dict[str, None] = {}  # hashes whose copy, or whose proof, the SSD waits for
        self.to_prove: dict[str, None] = {}  # hashes whose HDD copy is to be read back
        self.after_proof: set[str] = set()  # those of them that leave the SSD then

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
        return self._surveying or bool(self._steps) or bool(self._demanded)

    @property
    def surveying(self) -> bool:
        """Whether a plan is about to be made."""
        return self._surveying

    @property
    def leaving(self) -> int:
        """How many bytes the pass at hand can still remove at once."""
        return sum(step.size for step in self._steps)

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
        ssd = self.disks.look(settings)
        self.low = ssd.size > 0 and ssd.free < max(settings.disk_space_threshold_bytes, self.wanted)
        if not self.low:
            self._steps.clear()
        elif self.disks.usable and not self._steps:
            self._survey()

    def disks_changed(self, destination: bytes, now: float, settings: Settings) -> bool:
        """A step towards a destination failed. Return whether its disk is away, or another one is in its place."""
        self.look(now, settings)
        return not (self.disks.serves(destination) if destination else self.disks.usable)

    def soon(self, *, anyway: bool = False) -> None:
        """Something changed that may help: measure at the next opportunity, if the SSD is low or anyway."""
        if self.low or anyway:
            self._next_look = 0.0

    def plan(self, torrents: Iterable["Torrent"], jobs: Mapping[str, Job], now: float) -> tuple[list[str], list[str]]:
        """Given all torrents and the living jobs, plan the pass.

        Return the hashes that must be copied first, and those that a person wants off the SSD and that must stay:
        another torrent seeds from the same files.
        """
        self._surveying = False
        plan = planning.plan(tuple(torrents), jobs, self.disks.ssd.path, now)
        shared = {job_hash for job_hash, reason in plan.kept if reason == planning.SHARED}
        refused = [job_hash for job_hash in self._wished if job_hash in shared]
        self._demanded |= {job_hash: None for job_hash in self._wished if job_hash not in shared}
        self._wished = {}
        if not self.low:
            return [], refused
        self._steps = deque(step for step in plan.steps if step.action in (Action.FINISH, Action.RELOCATE))
        waiting = [step for step in plan.steps if step.action in (Action.PROVE, Action.COPY)]
        self.in_sight = {step.hash: step.size for step in plan.steps}
        self.verdicts = {**Counter(step.action.value for step in plan.steps), "kept": len(plan.kept)}
        self.urgent = {step.hash: None for step in waiting}
        self.to_prove |= {step.hash: None for step in waiting if step.action is Action.PROVE}
        log.info(
            "%d relocations, %d proofs or copies before more, %d kept", len(self._steps), len(waiting), len(plan.kept),
            extra={"action": "planned"},
        )  # fmt: skip
        return [step.hash for step in waiting if step.action is Action.COPY], refused

    def next(self, busy: Callable[[str], bool]) -> str | None:
        """Return the hash of the torrent that leaves next, or None; it is taken off the plan.

        One that is `busy` keeps its place: its copy is being proven.
        """
        for demanded in self._demanded:
            if not busy(demanded):
                del self._demanded[demanded]
                return demanded
        for step in self._steps if self.low else ():
            if not busy(step.hash):
                self._steps.remove(step)
                return step.hash
        return None

    def proven(self, job_hash: str) -> None:
        """An HDD copy was read back: it leaves the SSD, if that is what it was proven for."""
        if job_hash in self.after_proof:
            self.after_proof.discard(job_hash)
            self.demand(job_hash)
        self.soon()

    def demand(self, job_hash: str) -> None:
        """A person wants this one off the SSD now: it goes if the next survey does not speak against it."""
        self._wished[job_hash] = None
        self._survey()

    def look_over(self) -> None:
        """Have all torrents of rTorrent looked over, low space or not."""
        self._survey()

    def _survey(self) -> None:
        if not self._surveying:
            self._surveying = True
            self._inquirer.survey()
