import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.observation.trend import WINDOW, Trend

START = 1_800_000_000.0


def trend(*looks):
    made = Trend()
    for after, free in looks:
        made.add(START + after, free)
    return made


def test_what_shrinks_steadily_fills_at_that_rate_whatever_the_pace_of_the_looks():
    for pace in (1, 30, 60, 300):
        looks = [(after, 10**9 - 1000 * after) for after in range(0, 3601, pace)]
        assert trend(*looks).filling == pytest.approx(1000)


def test_two_minutes_are_needed():
    assert trend().filling == 0
    assert trend((0, 9), (119, 5)).filling == 0
    assert trend((0, 240), (120, 0)).filling == 2


def test_only_the_last_half_hour_counts():
    assert trend(*((after, 0 if after < 600 else 500) for after in range(0, 600 + int(WINDOW) + 61, 30))).filling == 0


def test_what_was_freed_is_less_than_nothing():
    assert trend((0, 0), (200, 1000)).filling == -5


def test_a_clock_that_goes_back_begins_anew():
    assert trend((1000, 500), (1200, 300), (0, 300)).filling == 0


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 10**15)), max_size=200))
def test_any_looks_in_any_order_keep_it_small(looks):
    made = trend(*looks)
    assert abs(made.filling) <= 10**15
    assert len(made._looks) <= WINDOW / 60 + 2
