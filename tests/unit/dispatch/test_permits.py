"""Hours and budgets: what is begun, what is held back, and what an emergency overrides. In UTC, on 1 January 1970."""

import os

import pytest

from supervisor.dispatch.inquirer import Surveyed
from supervisor.jobs import State
from supervisor.messages import Copy, Prove
from tests.unit.office import COPIED, Office, a_hash, seen

A, B, C, D = (a_hash(number) for number in (0xA, 0xB, 0xC, 0xD))
HOUR, DAY = 3600.0, 86400.0
NIGHT = ("01:00-05:00",)


@pytest.fixture
def opened(tmp_path):
    """Return opened(**settings): an office with all workers, at 00:16:40; on the same home it is the one before."""

    def open_(**settings):
        made = Office(tmp_path, time_zone="UTC", writers_per_device=2, **settings)
        made.hire()
        return made

    return open_


def ready(office, *hashes, size=5):
    given = []
    for job_hash in hashes:
        office.ask(job_hash)
        given += office.locate(job_hash, size=size)
    return [task.hash for _, task in given]


def at(office, now):
    office.now = now
    return [task.hash for _, task in office.handle()]


def test_copies_are_begun_in_their_hours_only_and_go_on_over_the_end(opened):
    office = opened(copy_hours=NIGHT, space_check_interval=1e6)
    assert ready(office, A, B, C) == []
    assert office.state(A) is State.SUBMITTED
    assert office.dispatcher.scheduler.waiting_for()["copy-hours"] == 3
    assert office.dispatcher.scheduler.permits.opens == {"copy-hours": HOUR}
    assert office.dispatcher.next_due == HOUR
    assert at(office, HOUR - 1) == []
    assert at(office, HOUR) == [A, B]
    office.now = 5 * HOUR
    assert office.answer("copier-1", COPIED) == []
    assert office.state(A) is State.CACHED
    assert office.state(C) is State.SUBMITTED
    assert office.dispatcher.next_due == DAY + HOUR


def test_a_proof_that_somebody_asks_for_does_not_wait_for_the_hours(opened):
    office = opened(copy_hours=("00:00-00:30",))
    office.copied(A)
    office.now = HOUR
    ((_, task),) = office.ask(A, "verify")
    assert isinstance(task, Prove)


def test_torrents_leave_in_their_hours_only_but_for_those_a_person_wants_gone(opened):
    office = opened(relocation_hours=NIGHT)
    office.copied(A)
    office.copied(B)
    office.low(A, B)
    assert [task.hash for worker, task in office.sent if worker == "space"] == []
    assert office.dispatcher.scheduler.waiting_for()["relocation-hours"] == 2
    office.ask(B, "relocate")
    office.handle(Surveyed(tuple(seen(h, os.fsencode(office.ssd / h)) for h in (A, B))))
    assert office.task("space").hash == B


def test_an_emergency_overrides_the_hours_and_the_story_says_so(opened):
    office = opened(relocation_hours=NIGHT, copy_hours=NIGHT, space_low="100%", space_emergency="100%")
    office.copied(A)
    assert "against COPY_HOURS: an emergency (SPACE_EMERGENCY)" in told(office, A, "copying")
    office.low(A)
    assert office.task("space").hash == A
    assert "against RELOCATION_HOURS" in told(office, A, "relocating")
    assert office.dispatcher.scheduler.waiting_for()["relocation-hours"] == 0


def told(office, job_hash, action):
    return next(event.text for event in office.journal.events(job_hash, 100) if event.action == action)


def test_the_budget_of_a_day_is_kept_over_a_restart_and_renewed_at_midnight(opened):
    office = opened(hdd_daily_budget="10 B")
    assert ready(office, A, B, C, size=5) == [A, B]
    office.answer("copier-1", COPIED)
    assert office.state(C) is State.SUBMITTED
    assert office.dispatcher.scheduler.waiting_for()["daily-budget"] == 1
    assert office.dispatcher.scheduler.permits.next_change == DAY
    office.journal.close()
    again = opened(hdd_daily_budget="10 B")
    again.now = 2 * HOUR
    again.locate(B)  # it was begun today: it goes on
    again.locate(C)
    assert {task.hash for _, task in again.sent} == {B}
    assert at(again, DAY - 1) == []
    assert at(again, DAY) == [C]


def test_one_larger_than_the_budget_goes_alone_and_first(opened):
    office = opened(hdd_daily_budget="10 B")
    assert ready(office, A, size=20) == [A]
    assert ready(office, B, size=1) == []
    assert at(office, DAY) == [B]
    office.answer("copier-1", COPIED)
    assert ready(office, C, size=20) == []
    assert ready(office, D, size=9) == [D]


def test_each_hdd_has_a_budget_of_its_own(tmp_path):
    rules = (("tv", f"{tmp_path}/hdd"), ("films", f"{tmp_path}/hdd2"))
    office = Office(tmp_path, hdds=2, time_zone="UTC", writers_per_device=9, hdd_daily_budget="5 B", destinations=rules)
    office.hire("copier-1", "copier-2", "copier-3")
    for job_hash, label in ((A, "tv"), (B, "tv"), (C, "films")):
        office.ask(job_hash)
        office.locate(job_hash, label=label)
    copies = [task for _, task in office.sent if isinstance(task, Copy)]
    assert [task.hash for task in copies] == [A, C]


def test_the_reserve_is_not_given_out(opened):
    office = opened(destination_reserve="100%")
    assert ready(office, A) == []
    assert office.state(A) is State.WAITING
    assert "DESTINATION_RESERVE" in office.job(A).reason
