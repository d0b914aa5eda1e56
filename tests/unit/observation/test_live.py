"""The view of the moment, read by one thread while the loop, in another, goes on."""

import contextlib
import gc
import itertools
import os
import sys

import pytest

import supervisor
from supervisor.dispatch.inquirer import Inquirer
from supervisor.jobs import Job, Notice, State, Telling
from supervisor.observation.live import View
from tests.unit.office import Office, a_hash

PACKAGE = os.path.dirname(supervisor.__file__)
_SPARE = 2001  # CPython keeps so many pairs less one for use again, and makes those without the garbage collector
_NEVER = sys.maxsize // 2**32

FIRST, RESTS, *MOVING = [a_hash(number) for number in range(1, 8)]


class Loop:
    """Has at least four of each: workers, torrents on the way, notices, and steps of a pass."""

    def __init__(self, office):
        self._office = office
        office.hire("copier-1")
        office.copied(FIRST)
        office.low(FIRST)
        self._step = office.relief.upcoming(1)[0]
        for torrent in MOVING[1:]:
            self._one_more(torrent)
        self._put(FIRST, State.GONE)

    def more(self):
        """Have one more of each, and one that rests on both disks."""
        self._one_more(MOVING[0])
        self._put(RESTS, State.CACHED)

    def less(self):
        """Have one less of each, and none that rests."""
        office = self._office
        office.crew.lose(MOVING[0])
        office.board.put_notice(Notice(MOVING[0], "sonarr", Telling.SENT, office.now))
        office.relief._steps.pop()
        self._put(MOVING[0], State.GONE)
        self._put(RESTS, State.GONE)

    def _one_more(self, torrent):
        office = self._office
        office.crew.spawned(torrent, 1, office.now)
        office.board.put_notice(Notice(torrent, "sonarr", Telling.PENDING, office.now))
        office.relief._steps.append(self._step)
        self._put(torrent, State.SUBMITTED)

    def _put(self, torrent, state):
        self._office.board.put(Job(torrent, state, self._office.now, self._office.now), self._office.now)
        self._office.board.commit()


@contextlib.contextmanager
def overtaken(place, turn):
    """Have a turn taken at the so manieth place where a thread can lose the interpreter in our code.

    That is at each instruction, and where an object is made that the garbage collector knows: it may run there, and
    what it runs may let another thread in (in CPython before 3.12 also in the middle of `list(a_dict.items())`).
    Give a list that has an element once that place was reached.
    """
    places, reached = itertools.count(), []

    def pass_by(*_):
        if not reached and next(places) == place:
            reached.append(place)
            turn()

    def trace(frame, event, _):
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            pass_by()
        return trace

    spare = [(number, number) for number in range(_SPARE)]
    thresholds, before = gc.get_threshold(), sys.gettrace()
    gc.callbacks.append(pass_by)
    gc.set_threshold(1, _NEVER, _NEVER)  # the young objects, and no others
    sys.settrace(trace)
    try:
        yield reached
    finally:
        sys.settrace(before)
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(pass_by)
        del spare


@pytest.mark.timeout(900)  # it is all processor time: ten seconds where nobody else wants any
def test_a_snapshot_may_be_overtaken_by_the_loop_anywhere(tmp_path):
    office = Office(tmp_path)
    loop = Loop(office)
    inquirer = Inquirer(str(office.ssd), str(office.ssd), "", 1.0, print)
    view = View(office.settings, office.board, office.crew, office.relief, office.doorman, inquirer)
    workers = len(view.snapshot().workers)
    for place in itertools.count():
        with overtaken(place, loop.more) as reached:
            before = view.snapshot()
        if not reached:
            break
        with overtaken(place, loop.less):
            after = view.snapshot()
        assert len(before.workers) - workers in (0, 1)
        assert len(after.workers) - workers in (0, 1)
    assert place > 500
    office.journal.close()
