from dataclasses import replace

import pytest

from supervisor.dispatch.reconciling import Absences, Kind, drift
from supervisor.jobs import Job, Proof, State
from tests.unit.office import a_hash, seen

A = a_hash(1)
JOB = Job(A, State.CACHED, 0, 0, label="tv", source=b"/ssd/Show", destination=b"/hdd/tv/Show", proof=Proof.READ_BACK)
THERE = seen(A, b"/ssd/Show")
NOW = 10_000.0
OTHER = frozenset({a_hash(99)})


def kinds(torrent, job):
    return [finding.kind for finding in drift([torrent], {A: job}.get, b"/ssd", NOW)]


@pytest.mark.parametrize("job", [None, replace(JOB, state=State.GONE), replace(JOB, state=State.RELOCATED)])
def test_a_finished_torrent_on_the_ssd_that_nobody_told_of_was_missed(job):
    assert Kind.MISSED in kinds(THERE, job)
    assert Kind.MISSED not in kinds(replace(THERE, finished=NOW - 2), job), "its hook may be on its way"
    for change in ({"hashing": 1}, {"meta": True}, {"directory": b"/elsewhere"}):
        assert Kind.MISSED not in kinds(replace(THERE, **change), job)


@pytest.mark.parametrize("state", [State.SUBMITTED, State.COPYING, State.WAITING, State.FAILED, State.CANCELLED])
def test_one_that_is_known_or_that_a_person_gave_up_was_not_missed(state):
    assert kinds(THERE, replace(JOB, state=state)) == []


def test_skipped_files_are_named_and_an_ordinary_download_is_not():
    partial = replace(THERE, complete=False, left_bytes=5, wanted_chunks=0)
    assert kinds(partial, None) == [Kind.SKIPPED]
    assert kinds(replace(partial, wanted_chunks=2), None) == []


def test_what_others_moved_or_labelled_is_named():
    assert kinds(THERE, JOB) == []
    assert kinds(replace(THERE, directory=b"/hdd/tv/Show"), JOB) == []
    assert kinds(replace(THERE, directory=b"/elsewhere"), JOB) == [Kind.MOVED]
    assert kinds(replace(THERE, label="imported"), JOB) == [Kind.RELABELLED]


class Watch:
    """Absences of some jobs, with one other torrent listed; 300 s go by with each look."""

    def __init__(self, *jobs):
        self.jobs = {job.hash: job for job in jobs}
        self.absences, self.now = Absences(), 0.0

    def look(self, listed=OTHER, saved=frozenset(), seconds=300.0):
        self.now += seconds
        return [job.hash for job in self.absences.note(self.jobs, listed, saved, self.now)]


@pytest.mark.parametrize("state", [State.COPYING, State.COPIED, State.CACHED, State.FAILED])
def test_one_is_gone_when_it_is_missing_three_times(state):
    watch = Watch(replace(JOB, state=state))
    assert [watch.look(), watch.look(), watch.look()] == [[], [], [A]]


def test_looks_in_quick_succession_count_once():
    watch = Watch(JOB)
    assert [watch.look(seconds=1.0) for _ in range(20)] == [[]] * 20
    assert watch.absences.due == 1.0 + 300.0


def test_one_that_is_seen_again_starts_anew():
    watch = Watch(JOB)
    assert [watch.look(), watch.look(), watch.look({A}), watch.look(), watch.look()] == [[]] * 5
    assert watch.look() == [A]


def test_an_empty_list_or_a_saved_torrent_or_a_lost_session_is_no_erasure():
    watch = Watch(JOB)
    assert [watch.look(frozenset()) for _ in range(5)] == [[]] * 5
    assert [watch.look(saved={A}) for _ in range(5)] == [[]] * 5
    many = Watch(*(replace(JOB, hash=a_hash(n)) for n in range(12)))
    assert [many.look() for _ in range(5)] == [[]] * 5
    assert many.absences.due == float("inf")


def test_what_is_looked_up_anyway_is_not_watched():
    for state in (State.SUBMITTED, State.WAITING, State.RELOCATING, State.RELOCATED):
        watch = Watch(replace(JOB, state=state))
        assert [watch.look() for _ in range(4)] == [[]] * 4
