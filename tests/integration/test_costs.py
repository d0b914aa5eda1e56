"""The supervisor's own cost, by the benchmarks in their short form, held to what a busy machine changes little.

That is: counts, memory, time on the processor, and the best of several times instead of the median. The figures to
quote come from `python -m benchmarks.costs`.
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


def test_the_hook_costs_half_a_python_and_a_fiftieth_of_the_ancestor(measured):
    rows = measured("hook")
    ours = best(rows["seedcache-submit, installed"])
    assert ours <= 0.5 * best(rows["python3 -I -S -c pass"])
    assert best(rows["the ancestor"]) >= 50 * ours


def test_a_copy_begins_soon_after_the_hook_has_returned(measured):
    rows = measured("latency")
    for version in VERSIONS:
        assert best(rows[f"{version}: hook's return to copy"]) <= 20  # ms


def test_submissions_are_taken_in_at_a_thousand_a_second_and_none_is_lost(measured):
    rows = measured("ingest")  # raises if one is lost
    assert len(rows) == 4
    assert all(best(row) <= 10 for row in rows.values())  # seconds for 2,000: ten thousand on a machine of our own


def test_while_nothing_happens_nobody_wakes_up_and_all_fit_into_120_mib(measured):
    rows = measured("idle")
    assert best(rows["wake-ups of all threads"]) < 2  # a second: nobody polls
    assert best(rows["processor, 12 s"]) <= 0.2  # % of one core
    assert best(rows["PSS of all"]) <= 120
    assert best(rows["PSS of all, scraped"]) <= 120
    # Their modules are loaded once, before they are forked.
    assert best(rows["PSS of copier-3"]) < 0.53 * best(rows["PSS of space"])


def test_a_long_history_is_shown_at_once(measured):
    rows = measured("rows")
    for name in ("most relocated", "all cached"):
        assert best(rows[f"{name}: scrape"]) <= 100  # ms
        assert best(rows[f"{name}: status, processor"]) <= 300


def test_a_pass_over_five_thousand_torrents_is_one_request_and_less_than_a_second_of_work(measured):
    rows = measured("survey")
    for cached in (0, 1000):
        name = f"5000 torrents, {cached} cached"
        assert max(rows[f"{name}: requests"].values) <= 3
        assert best(rows[f"{name}: processor"]) < 1


def test_the_first_pass_on_a_full_seedbox_asks_no_more_for_more_torrents(measured):
    rows = measured("first")
    assert best(rows["100 unannounced: requests of the pass"]) <= 3
    assert best(rows["100 unannounced: requests until then"]) <= 10


def test_a_switch_takes_no_longer_than_rtorrent_itself_does(measured):
    rows = measured("outage")
    for version in VERSIONS:
        for files in (1, 100, 3000):
            name = f"{version}, {files} files"
            # 10 ms: we look every 5, and what others do on the machine.
            assert best(rows[f"{name}: told"]) <= 3 * best(rows[f"{name}: by hand"]) + 10
