"""Puts right what rTorrent and the journal disagree about, as far as that is safe: torrents that were erased."""

import logging
from collections.abc import Iterable
from functools import partial

from supervisor.dispatch import decisions
from supervisor.dispatch.board import Board
from supervisor.dispatch.crew import Crew
from supervisor.dispatch.desk import Desk
from supervisor.dispatch.inquirer import Surveyed
from supervisor.dispatch.reconciling import Absences, Report
from supervisor.dispatch.relief import Relief
from supervisor.jobs import State
from supervisor.observation.metrics import Metrics

log = logging.getLogger(__name__)


class Drifting:
    """Compares every survey of rTorrent, whatever it was made for, with the journal."""

    def __init__(self, board: Board, crew: Crew, desk: Desk, relief: Relief, metrics: Metrics) -> None:
        self._board, self._crew, self._desk, self._relief = board, crew, desk, relief
        self._metrics = metrics
        self._absences = Absences()
        self._asked = False

    @property
    def next_due(self) -> float:
        """When rTorrent is to be asked again for what it lacked (unix seconds)."""
        return float("inf") if self._asked else self._absences.due

    def look(self, now: float) -> None:
        """Ask again if it is time."""
        if now >= self.next_due:
            self._asked = True
            self._relief.look_over()

    def surveyed(self, answer: Surveyed, now: float) -> None:
        """Given a survey, give up the jobs of torrents that were erased in rTorrent."""
        self._asked = False
        self._relief.links, self._relief.unfreed = answer.ties.links, answer.ties.unfreed
        if answer.saved is None:
            return
        listed = {torrent.hash for torrent in answer.torrents}
        for job in self._absences.note(self._board.living, listed, answer.saved, now):
            reason = "erased in rTorrent; what is on the disks was left as it is"
            self._board.put(job.to(State.GONE, now, reason=reason), now)
            worker = self._crew.worker_of(job.hash)
            if worker is not None:
                self._board.then(partial(self._desk.to_stop.append, worker))

    def missed(self, hashes: Iterable[str], now: float) -> None:
        """Given finished torrents that a plan wants copied, submit those that no hook told of."""
        for job_hash in hashes:
            known = self._board.get(job_hash)
            if known is None or known.state in (State.RELOCATED, State.GONE):
                job = decisions.submitted(known, job_hash, now)
                self._board.put(job, now, "no hook told of it: found while space is low")
                self._board.then(self._metrics.unannounced)

    def swept(self, report: Report | None, reason: str) -> None:
        """Given what a sweep left open, or why there was none, say so."""
        if report is None:
            log.warning("rTorrent, journal and disks were not compared: %s", reason, extra={"action": "sweep-failed"})
            return
        self._board.then(partial(self._metrics.swept, report.at, report.count, report.size))
        open_now = ", ".join(f"{count} {kind}" for kind, count in report.count.items() if count) or "nothing"
        log.info("`seedcache reconcile` shows: %s", open_now, extra={"action": "swept"})
        for note in report.notes:
            log.warning("not mended, or not looked at: %s", note, extra={"action": "sweep-incomplete"})
