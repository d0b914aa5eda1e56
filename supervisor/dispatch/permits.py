"""What the hours (COPY_HOURS, RELOCATION_HOURS) and the day's budget allow now; an emergency overrides them."""

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from supervisor import measures
from supervisor.adapters import clock
from supervisor.dispatch import schedules
from supervisor.dispatch.board import Board
from supervisor.dispatch.disks import Disks
from supervisor.jobs import Job
from supervisor.measures import Amount
from supervisor.settings import Settings

log = logging.getLogger(__name__)

COPY, RELOCATION, BUDGET = "copy-hours", "relocation-hours", "daily-budget"  # of snapshot.WAITS
_OVERRIDDEN = ", against {}: an emergency (SPACE_EMERGENCY)"


@dataclass(frozen=True, slots=True)
class Permit:
    """Whether something may be done now."""

    given: bool
    note: str = ""  # for the torrent's story: what it is done in spite of


class Permits:
    """What a torrent's copy takes of the budget is its size, once for each day on which an attempt at it was begun."""

    def __init__(self, board: Board, disks: Disks) -> None:
        self._board, self._disks = board, disks
        self._day = (0.0, 0.0)  # unix seconds: the beginning of today, and of tomorrow
        self._begun: set[str] = set()  # hashes whose copy was begun today
        self._spent: Counter[bytes] = Counter()  # HDD root -> bytes of those
        self._budget = Amount(0.0, percent=False)
        self._emergency = False
        self.copying = self.relocating = Permit(given=True)
        self.opens: dict[str, float] = {}  # what is closed now -> when it opens (unix seconds), emergency or not

    def look(self, now: float, settings: Settings, *, emergency: bool) -> None:
        """Given the time, the settings and whether the SSD is all but full, find out what is allowed."""
        zone = clock.zone(settings.time_zone)
        self._budget = measures.amount(settings.hdd_daily_budget)
        if not self._budget.number:
            self._day = 0.0, 0.0  # what was begun is not remembered; the journal has it if there is a budget again
            self._begun, self._spent = set(), Counter()
        elif not self._day[0] <= now < self._day[1]:
            self._day = schedules.midnight(zone, now), schedules.midnight(zone, now, days=1)
            self._begun, self._spent = set(), Counter()
            for job_hash in self._board.begun_since(self._day[0]):
                job = self._board.get(job_hash)
                if job is not None:
                    self.begin(job)
        before = self.opens, self._emergency and bool(self.opens)
        self._emergency = emergency
        self.opens = {
            what: schedules.opening(windows, zone, now)
            for what, windows in (
                (COPY, schedules.windows(settings.copy_hours)),
                (RELOCATION, schedules.windows(settings.relocation_hours)),
            )
            if schedules.since(windows, zone, now) is None
        }
        self.copying = self._permit(COPY, "COPY_HOURS")
        self.relocating = self._permit(RELOCATION, "RELOCATION_HOURS")
        if before != (self.opens, emergency and bool(self.opens)):
            self._tell(now)

    def affords(self, job: Job) -> Permit:
        """Given a job that is to be copied, say whether the budget of its HDD allows it today.

        A torrent larger than the budget goes alone, first on a day.
        """
        if not self._budget.number or job.hash in self._begun:
            return Permit(given=True)
        hdd = self._disks.hdd_of(job.destination)
        size = next((disk.size for place, disk in self._disks.measured() if place is hdd), 0)
        spent = self._spent[hdd.path] if hdd is not None else 0
        if not spent or spent + job.size <= self._budget.of(size):
            return Permit(given=True)
        return self._over("HDD_DAILY_BUDGET")

    def begin(self, job: Job) -> None:
        """A copy is begun."""
        hdd = self._disks.hdd_of(job.destination)
        if self._budget.number and hdd is not None and job.hash not in self._begun:
            self._begun.add(job.hash)
            self._spent[hdd.path] += job.size

    def waiting(self, ready: Iterable[Job]) -> int:
        """Given the jobs that can be copied, return how many the budget keeps until tomorrow."""
        return sum(not self.affords(job).given for job in ready) if self._budget.number else 0

    @property
    def next_change(self) -> float:
        """When more will be allowed than at the last look (unix seconds; infinity: nothing is held back)."""
        return min([*self.opens.values(), *([self._day[1]] if self._budget.number else [])], default=float("inf"))

    def _permit(self, what: str, name: str) -> Permit:
        return Permit(given=True) if what not in self.opens else self._over(name)

    def _over(self, name: str) -> Permit:
        return Permit(given=True, note=_OVERRIDDEN.format(name)) if self._emergency else Permit(given=False)

    def _tell(self, now: float) -> None:
        for what, opens in self.opens.items():
            if self._emergency:
                text = "the %s are closed, and overridden: the SSD is below SPACE_EMERGENCY"
                log.warning(text, what, extra={"action": "hours-overridden"})
            else:
                log.info("the %s open in %.0f minutes", what, (opens - now) / 60, extra={"action": "hours-closed"})
        if not self.opens:
            log.info("no hours hold anything back", extra={"action": "hours-open"})
