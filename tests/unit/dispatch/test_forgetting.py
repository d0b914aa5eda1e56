"""However a torrent's way ends, nothing of it stays in memory: what is kept follows the torrents at hand."""

import os
from collections import deque
from dataclasses import replace

import pytest

from supervisor.dispatch.inquirer import Surveyed, Unlisted
from supervisor.jobs import ENDED
from supervisor.messages import Failed, Proven, Relocated
from tests.unit.office import COPIED, Office, a_hash, relocated, seen

DAY = 86400.0
OTHER = seen(a_hash(0xFFFF), b"/elsewhere")  # rTorrent always lists something
NO_ROOM = Failed("16 MiB more must be free", retry=True, counts=False, lacking=1 << 60)


def sizes(thing, path="", found=None):
    """Return the size of each container that is reached from a thing of ours, by the path to it."""
    found = {} if found is None else found
    for name, value in vars(thing).items():
        here = f"{path}.{name}"
        if isinstance(value, dict | set | list | deque):
            found[here] = len(value)
        elif type(value).__module__.startswith("supervisor.") and hasattr(value, "__dict__") and path.count(".") < 4:
            sizes(value, here, found)
    return found


def series(office):
    return {family.name: len(family.samples) for family in office.metrics.families()}


def is_relocated(office, job_hash):
    office.copied(job_hash)
    office.low(job_hash)
    relocated(office, job_hash)


def is_verified_and_relocated_by_hand(office, job_hash):
    office.copied(job_hash)
    office.ask(job_hash, "verify")
    office.answer("copier-1", Proven(0.1))
    office.relocate(job_hash)
    relocated(office, job_hash)


def is_cancelled_while_it_is_copied(office, job_hash):
    office.ask(job_hash)
    office.locate(job_hash)
    office.ask(job_hash, "cancel")
    office.answer("copier-1", Failed("stopped", retry=True, counts=False))
    office.dispatcher.desk.to_stop.clear()  # the fleet takes these


def is_cancelled_while_it_waits_for_room(office, job_hash):
    office.ask(job_hash)
    office.locate(job_hash)
    office.answer("copier-1", NO_ROOM)
    assert office.room.waiting()
    office.ask(job_hash, "cancel")


def finds_room_later(office, job_hash):
    office.ask(job_hash)
    office.locate(job_hash)
    office.answer("copier-1", replace(NO_ROOM, lacking=0))
    office.now = office.job(job_hash).due
    office.handle()
    office.locate(job_hash)
    office.answer("copier-1", COPIED)
    office.relocate(job_hash)
    relocated(office, job_hash)


def is_denied_by_rtorrent(office, job_hash):
    office.ask(job_hash)
    for _ in range(3):
        office.handle(Unlisted(job_hash))
        office.now += 1000
        office.handle()


def is_erased_after_it_had_failed(office, job_hash):
    office.ask(job_hash)
    office.locate(job_hash)
    office.answer("copier-1", Failed("another file stands there", retry=False))
    missing(office)


def is_erased_while_its_unit_leaves(office, job_hash):
    kin = job_hash.replace("0", "A", 1)
    office.copied(job_hash)
    office.copied(kin)
    office.relief.low = True
    both = [seen(each, os.fsencode(office.ssd / job_hash)) for each in (job_hash, kin)]
    office.handle(Surveyed(tuple(both)))
    missing(office)  # but the first, which the worker has
    office.answer("space", Relocated(0.002, 5))


def missing(office):
    """Have rTorrent list only another torrent, again and again."""
    for _ in range(4):
        office.now += 1000
        office.handle(Surveyed((OTHER,), saved=frozenset()))


@pytest.mark.parametrize(
    "ends",
    [
        is_relocated,
        is_verified_and_relocated_by_hand,
        is_cancelled_while_it_is_copied,
        is_cancelled_while_it_waits_for_room,
        finds_room_later,
        is_denied_by_rtorrent,
        is_erased_after_it_had_failed,
        is_erased_while_its_unit_leaves,
    ],
)
def test_a_torrent_that(ends, tmp_path):
    office = Office(tmp_path)
    office.hire()

    def after(numbers):
        for number in numbers:
            ends(office, a_hash(number))
            assert office.job(a_hash(number)).state in ENDED
        for _ in range(2):  # what has left the SSD is forgotten a day later
            office.now += 2 * DAY
            office.relief.low = False
            office.handle(Surveyed((OTHER,), saved=frozenset()))
        office.questions.asked.clear()
        office.sent.clear()
        return sizes(office) | series(office)

    few, many = after([1, 2, 3]), after(range(4, 34))
    assert {name: (few[name], size) for name, size in many.items() if size != few[name]} == {}
