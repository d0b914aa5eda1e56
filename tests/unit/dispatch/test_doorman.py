"""When rTorrent is asked what it downloads, and what the space worker is then told to do."""

import os
from dataclasses import replace

import pytest

from supervisor.dispatch.downloads import Download
from supervisor.dispatch.inquirer import Downloading, Surveyed
from supervisor.messages import Admit, Admitted, Move
from tests.unit.office import Office, a_hash, seen

OLDER, NEWER = a_hash(2), a_hash(1)


@pytest.fixture
def office(tmp_path):
    made = Office(tmp_path)
    made.hire("space")
    yield made
    made.journal.close()


def tell(office, *, checking=False):
    """Say that rTorrent downloads two that fit one by one, and not both; the newer one perhaps is still checked."""
    each = office.relief.disks.seen[0].free * 3 // 5
    told = {"complete": False, "size": each, "left_bytes": each, "wanted_chunks": 1}
    told["directory"] = os.fsencode(office.ssd)
    older, newer = (seen(job_hash, added=at, **told) for job_hash, at in ((OLDER, 1.0), (NEWER, 2.0)))
    if checking:
        newer = replace(newer, hashing=1, active=False)
    downloads = tuple(Download(torrent, "", 0, each) for torrent in (older, newer))
    at_once = office.handle(Downloading(downloads, office.questions.rounds))
    return at_once + office.handle(Surveyed(()))  # first, what could leave the SSD is asked for: nothing can


def orders(office):
    task = office.task("space")
    assert isinstance(task, Admit)
    return [(order.hash, order.move) for order in task.orders]


def test_one_that_is_still_checked_is_held_afterwards_and_no_older_one_in_its_place(office):
    office.doorman.look(office.now)
    assert tell(office, checking=True) == []
    assert office.doorman.next_look - office.now == 0.5
    office.now += 0.5
    assert office.handle() == []
    assert office.doorman.next_look > office.now
    assert len(tell(office)) == 1
    assert orders(office) == [(NEWER, Move.HOLD)]


def test_many_that_come_at_once_are_one_look(office):
    office.doorman.look(office.now)
    asked = office.questions.rounds
    for _ in range(20):
        office.now += 0.01
        office.doorman.soon(office.now)
        office.handle()
    assert office.questions.rounds == asked
    office.now += 0.25
    office.handle()
    assert office.questions.rounds == asked + 1


def test_orders_that_cannot_be_carried_out_are_given_ever_less_often(office):
    waits = []
    office.doorman.look(office.now)
    for _ in range(12):
        tell(office)
        office.answer("space", Admitted((), (f"held {NEWER}: it is being checked",)))
        waits.append(office.doorman.next_look - office.now)
        office.now = office.doorman.next_look
        office.handle()
    assert waits[:4] == [0.5, 1.0, 2.0, 4.0]
    assert waits[-1] == 60.0
