"""Puts right what rTorrent and the journal disagree about, as far as that is safe: torrents that were erased."""

from functools import partial

from supervisor.dispatch.board import Board
from supervisor.dispatch.crew import Crew
from supervisor.dispatch.desk import Desk
from supervisor.dispatch.inquirer import Surveyed
from supervisor.dispatch.reconciling import Absences
from supervisor.dispatch.relief import Relief
from supervisor.jobs import State


class Drifting:
    """Compares every survey of rTorrent, whatever it was made for, with the journal."""

    def __init__(self, board: Board, crew: Crew, desk: Desk, relief: Relief) -> None:
        self._board, self._crew, self._desk, self._relief = board, crew, desk, relief
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
        if answer.saved is None:
            return
        listed = {torrent.hash for torrent in answer.torrents}
        for job in self._absences.note(self._board.living, listed, answer.saved, now):
            reason = "erased in rTorrent; what is on the disks was left as it is"
            self._board.put(job.to(State.GONE, now, reason=reason), now)
            worker = self._crew.worker_of(job.hash)
            if worker is not None:
                self._board.then(partial(self._desk.to_stop.append, worker))
