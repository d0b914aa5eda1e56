"""What the supervisor costs others, as far as it can be counted: requests, wake-ups, memory, submissions that are lost.

Times are for `python -m benchmarks.costs`, which these cases come from: a suite beside other work cannot hold them.
"""

import pytest

from benchmarks import costs, costs_box
from tests.support.needs import need_program, need_root
from tests.support.rtorrents import VERSIONS, program

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


@pytest.fixture
def measured():
    """Return measured(case) -> what was measured: its rows by name."""
    need_root()
    need_program("mkfs.ext4")
    for version in VERSIONS:
        program(version)

    def measure(case):
        with costs_box.box() as disks:
            return {row.what: row for row in costs.CASES[case](disks, quick=True)}

    return measure


def best(row):
    return min(row.values)


def test_of_thousands_of_submissions_none_is_lost(measured):
    rows = measured("ingest")  # raises if one is lost
    assert len(rows) == 4


def test_while_nothing_happens_nobody_wakes_up_and_all_fit_into_120_mib(measured):
    rows = measured("idle")
    assert best(rows["wake-ups of all threads"]) < 2  # a second: nobody polls
    assert best(rows["PSS of all"]) <= 120
    assert best(rows["PSS of all, scraped"]) <= 120
    # Their modules are loaded once, before they are forked.
    assert best(rows["PSS of copier-3"]) < 0.53 * best(rows["PSS of space"])


def test_a_pass_over_five_thousand_torrents_is_one_request(measured):
    rows = measured("survey")
    for cached in (0, 1000):
        name = f"5000 torrents, {cached} cached"
        assert max(rows[f"{name}: requests"].values) <= 3


def test_the_first_pass_on_a_full_seedbox_asks_no_more_for_more_torrents(measured):
    rows = measured("first")
    assert best(rows["100 unannounced: requests of the pass"]) <= 3
    assert best(rows["100 unannounced: requests until then"]) <= 10
