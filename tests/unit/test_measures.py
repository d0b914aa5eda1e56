import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor import measures
from supervisor.measures import GIB, Marks


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("150", 150 * GIB), ("150 GB", 150 * 10**9), ("1.5TiB", 3 * 2**39), ("1.5 tb", 15 * 10**11), ("10%", 100),
        ("0", 0), ("12.5 %", 125), (" 512 MiB ", 512 * 2**20), ("7 B", 7),
    ],
)  # fmt: skip
def test_amounts_are_sizes_or_parts_of_the_disk(text, amount):
    assert measures.amount(text).of(1000) == amount


@pytest.mark.parametrize("text", ["", "GB", "-1", "1 XB", "1e3", "10 %%", "101%", "1 GB 2", "\u0661", "9" * 40])
def test_what_is_no_amount_is_named(text):
    with pytest.raises(ValueError, match="write"):
        measures.amount(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("3 days", 259200), ("1.5h", 5400), ("90 min", 5400), ("2W", 1209600), ("5 s", 5)]
)
def test_lengths_of_time_have_a_unit(text, seconds):
    assert measures.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "3 moons", "-1 d", "d"])
def test_what_is_no_length_of_time_is_named(text):
    with pytest.raises(ValueError, match="with its unit, like 3 days"):
        measures.seconds(text)


@given(st.lists(st.integers(0, 30)), st.integers(0, 15), st.integers(0, 15))
def test_low_begins_below_the_low_mark_and_ends_at_the_high_one(frees, low_mark, more):
    marks, low = Marks(low_mark, low_mark + more, 0), False
    for free in frees:
        before, low = low, marks.calls(free, low=low)
        assert low or free >= marks.low
        assert not low or free < marks.high
        assert low == before or (free < marks.low if low else free >= marks.high)


def test_what_downloads_need_raises_the_marks():
    assert Marks(10, 20, 5).raised(15) == Marks(15, 20, 5)
    assert Marks(10, 20, 5).raised(30) == Marks(30, 30, 5)
