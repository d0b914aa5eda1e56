"""What torrents have uploaded of late."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.dispatch.uploads import Uploads, sampled
from supervisor.jobs import Sample
from supervisor.journal import Journal
from tests.unit.office import a_hash, seen

A, B = a_hash(1), a_hash(2)
WEEK, HOUR, DAY = 7 * 86400.0, 3600.0, 86400.0
NOW = 10 * WEEK


def torrent(total, job_hash=A, finished=NOW):
    return seen(job_hash, b"/ssd/x", up_total=total, finished=finished)


def test_half_of_what_was_uploaded_is_forgotten_in_each_half_life():
    before = Sample(1000, 800.0, NOW)
    assert sampled(before, torrent(1000), NOW + WEEK, WEEK).lately == pytest.approx(400)
    assert sampled(before, torrent(1500), NOW + 2 * WEEK, WEEK) == Sample(1500, pytest.approx(700), NOW + 2 * WEEK)


def test_a_sum_that_became_less_is_that_of_a_torrent_added_again():
    assert sampled(Sample(1000, 0.0, NOW), torrent(30), NOW, WEEK) == Sample(30, 30.0, NOW)


def test_a_clock_that_goes_back_forgets_nothing_twice():
    assert sampled(Sample(10, 8.0, NOW), torrent(10), NOW - DAY, WEEK) == Sample(10, 8.0, NOW)


def test_one_seen_for_the_first_time_is_taken_to_have_uploaded_evenly():
    just = sampled(None, torrent(1000, finished=NOW - 60), NOW, WEEK).lately
    old = sampled(None, torrent(1000, finished=NOW - 9 * WEEK), NOW, WEEK).lately
    assert just == pytest.approx(1005, rel=1e-3)
    assert 0 < old < 200


def test_one_that_has_just_finished_has_its_size_as_a_credit_that_is_forgotten_like_any_upload():
    fresh = replace(torrent(0, finished=NOW), size=1000)
    assert sampled(None, fresh, NOW, WEEK).lately == pytest.approx(1000, rel=1e-3)
    assert sampled(None, fresh, NOW + WEEK, WEEK).lately == pytest.approx(500, rel=1e-3)
    later = sampled(sampled(None, fresh, NOW, WEEK), fresh, NOW + WEEK, WEEK)
    assert later.lately == pytest.approx(500, rel=1e-3)


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 10**12)), max_size=20))
def test_it_is_never_less_than_nothing_nor_more_than_was_uploaded_in_all(steps):
    sample, now, total = Sample(0, 0.0, NOW), NOW, 0
    for seconds, more in steps:
        now, total = now + seconds, total + more
        sample = sampled(sample, torrent(total), now, WEEK)
        assert 0 <= sample.lately <= total * (1 + 1e-9)


def test_samples_are_written_once_an_hour_and_only_those_that_changed(tmp_path):
    journal = Journal(str(tmp_path / "journal"))
    uploads = Uploads(journal.uploads(), NOW)
    uploads.sample([torrent(10), torrent(20, B)], NOW + 1, WEEK)
    assert uploads.unwritten(NOW + HOUR - 1) == {}
    first = uploads.unwritten(NOW + HOUR)
    assert set(first) == {A, B}
    journal.write(samples=first)
    uploads.wrote(first, NOW + HOUR)
    uploads.sample([torrent(10), torrent(25, B)], NOW + 1.5 * HOUR, WEEK)
    assert set(uploads.unwritten(NOW + 2 * HOUR)) == {B}
    journal.close()
    again = Journal(str(tmp_path / "journal"))
    assert again.uploads() == first
    restarted = Uploads(again.uploads(), NOW + 3 * HOUR)  # it was killed before it wrote: the bytes are not lost
    restarted.sample([torrent(25, B)], NOW + 3 * HOUR, WEEK)
    assert restarted.lately()[B] == pytest.approx(30, rel=0.02)  # 5 of them its credit
    again.close()


def test_one_that_has_left_the_ssd_is_forgotten_after_a_day(tmp_path):
    uploads = Uploads({A: Sample(1, 1.0, NOW), B: Sample(1, 1.0, NOW)}, NOW)
    uploads.sample([torrent(1, B)], NOW + 2 * DAY, WEEK)
    gone = uploads.unwritten(NOW + 2 * DAY)
    assert gone == {A: None}
    journal = Journal(str(tmp_path / "journal"))
    journal.write(samples={A: Sample(1, 1.0, NOW)})
    journal.write(samples=gone)
    uploads.wrote(gone, NOW + 2 * DAY)
    assert (journal.uploads(), set(uploads.lately())) == ({}, {B})
    journal.close()
