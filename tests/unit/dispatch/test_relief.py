"""When the SSD is looked over, and what leaves it then."""

import itertools
import os
from dataclasses import replace

import pytest

from supervisor.dispatch.inquirer import Surveyed
from supervisor.jobs import State
from supervisor.measures import GIB
from supervisor.messages import Relocated
from tests.unit.office import Office, a_hash, relocated, seen

A, B = a_hash(1), a_hash(2)


@pytest.fixture
def office(tmp_path):
    made = Office(tmp_path)
    made.hire()
    yield made
    made.journal.close()


def marks(office, low, high=None):
    """Set the marks relative to what is free now, in units of 5 GiB: others write to this disk, too."""
    free = office.relief.disks.seen[0].free / GIB
    office.dispatcher.settings = replace(
        office.settings, space_low=f"{free + 5 * low:.3f}", space_high=f"{free + 5 * (high or low):.3f}"
    )


def turn(office, seconds):
    office.now += seconds
    office.handle()
    return office.questions.surveys


def test_torrents_go_on_leaving_until_the_high_mark(office):
    marks(office, -1, +1)
    turn(office, 31)
    assert (office.relief.low, office.relief.low_since) == (False, 0.0)
    marks(office, +1, +2)
    turn(office, 31)
    assert (office.relief.low, office.relief.low_since) == (True, office.now)
    began = office.now
    marks(office, -1, +1)
    turn(office, 31)
    assert (office.relief.low, office.relief.low_since) == (True, began)
    marks(office, -2, -1)
    turn(office, 31)
    assert (office.relief.low, office.relief.low_since) == (False, 0.0)


def test_an_ssd_that_nothing_can_leave_is_surveyed_ever_less_often_until_something_changes(office):
    marks(office, +1)
    asked = []
    for _ in range(200):
        before = office.questions.surveys
        if turn(office, 30) > before:
            office.handle(Surveyed(()))
            asked.append(office.now)
    at = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert at[:4] == [30, 60, 120, 240]
    assert set(at[6:]) == {900}
    before = office.questions.surveys
    office.copied(A)
    turn(office, 1)
    assert office.questions.surveys == before + 1


def test_all_torrents_are_looked_over_once_an_hour_though_there_is_space(office):
    before = office.questions.surveys
    turn(office, 3599)
    assert office.questions.surveys == before
    turn(office, 31)
    assert office.questions.surveys == before + 1
    office.handle(Surveyed((seen(A, os.fsencode(office.ssd / A), up_total=70),)))
    assert office.journal.uploads()[A].total == 70
    turn(office, 1800)
    assert office.questions.surveys == before + 1


def test_a_label_that_leaves_at_once_does_not_wait_for_low_space(office):
    office.dispatcher.settings = replace(office.settings, policy_leave_labels=("TV",))
    before = office.questions.surveys
    office.copied(A)
    assert office.questions.surveys == before + 1
    office.handle(Surveyed((seen(A, os.fsencode(office.ssd / A)), seen(B, os.fsencode(office.ssd / B), label="x"))))
    relocated(office, A)
    texts = [event.text for event in office.journal.events(A)]
    assert any("its label tv leaves at once (POLICY_LEAVE_LABELS)" in text for text in texts)
    assert office.journal.job(B) is None


def test_a_unit_that_has_begun_to_leave_leaves_whole_though_there_is_space_again(office):
    office.copied(A)
    office.copied(B)
    both = [seen(each, os.fsencode(office.ssd / "x")) for each in (A, B)]
    office.relief.low = True
    office.handle(Surveyed(tuple(both)))
    assert office.task("space").hash == A
    office.answer("space", Relocated(0.002, 0))  # the measurement says that there is space
    assert not office.relief.low
    assert office.task("space").hash == B
    relocated(office, B)
    assert (office.state(A), office.state(B)) == (State.RELOCATED, State.RELOCATED)


def test_one_that_peers_are_served_from_waits_while_others_leave_and_is_looked_at_again(office):
    office.copied(A)
    marks(office, +1)
    turn(office, 31)
    office.handle(Surveyed((seen(A, os.fsencode(office.ssd / A), up_rate=9),)))
    assert "space" not in office.crew.tasks()
    before = office.questions.surveys
    turn(office, 31)
    assert office.questions.surveys == before + 1
    office.handle(Surveyed((seen(A, os.fsencode(office.ssd / A), up_rate=9),)))
    turn(office, 600)
    office.handle(Surveyed((seen(A, os.fsencode(office.ssd / A), up_rate=9),)))
    assert office.task("space").hash == A
