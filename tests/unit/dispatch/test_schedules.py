"""When something may be done."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from supervisor.dispatch import schedules
from supervisor.dispatch.schedules import Window, midnight, opening, since, windows

BERLIN = ZoneInfo("Europe/Berlin")
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def at(text, zone=BERLIN, fold=0):
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).timestamp()


def shown(instant, zone=BERLIN):
    return datetime.fromtimestamp(instant, zone).strftime("%a %d %H:%M")


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("Mon-Fri 01:00-07:00", Window(frozenset(range(5)), 60, 420)),
        ("sat, SUN *", Window(frozenset({5, 6}), 0, 1440)),
        (" 22:00-6:00 ", Window(frozenset(range(7)), 1320, 1800)),
        ("*", Window(frozenset(range(7)), 0, 1440)),
        ("Fri-Mon 00:00-24:00", Window(frozenset({4, 5, 6, 0}), 0, 1440)),
        ("Mon 23:30-00:00", Window(frozenset({0}), 1410, 1440)),
    ],
)
def test_a_window_is_days_and_hours(text, window):
    assert windows([text]) == (window,)


@pytest.mark.parametrize(
    "text",
    ["", "Mon", "01:00", "Mon 1-7", "Mon 25:00-26:00", "Mon 01:60-02:00", "Mon 01:00-01:00", "Mo 01:00-02:00",
     "Mon-Tue-Wed *", "Mon 01:00-02:00 x", "Mon, *", "Mon 24:00-01:00"],
)  # fmt: skip
def test_what_is_no_window_is_said(text):
    with pytest.raises(ValueError, match=r"window|day|ends where"):
        windows([text])


def test_without_windows_it_is_always_open():
    assert since((), UTC, 5.0) == 0.0
    assert opening((), UTC, 5.0) == 5.0


def test_a_night_belongs_to_the_day_it_begins_on():
    friday = windows(["Fri 22:00-06:00"])
    assert since(friday, BERLIN, at("2024-05-03 23:00")) == at("2024-05-03 22:00")
    assert since(friday, BERLIN, at("2024-05-04 05:59")) == at("2024-05-03 22:00")
    assert since(friday, BERLIN, at("2024-05-04 06:00")) is None
    assert since(friday, BERLIN, at("2024-05-03 05:00")) is None
    assert shown(opening(friday, BERLIN, at("2024-05-04 06:00"))) == "Fri 10 22:00"


def test_windows_that_touch_are_one():
    weekend = windows(["Sat,Sun *", "Fri 20:00-24:00"])
    assert shown(since(weekend, BERLIN, at("2024-05-05 12:00"))) == "Fri 03 20:00"
    always = windows(["*"])
    assert since(always, BERLIN, at("2024-05-05 12:00")) is not None
    assert opening(always, BERLIN, at("2024-05-05 12:00")) == at("2024-05-05 12:00")


def test_an_hour_that_the_clocks_leap_over_is_in_no_window():
    """Sunday 31 March 2024: after 01:59 comes 03:00."""
    night = windows(["Sun 02:30-03:15"])
    assert opening(night, BERLIN, at("2024-03-31 01:00")) == at("2024-03-31 03:00")
    assert since(night, BERLIN, at("2024-03-31 03:14")) == at("2024-03-31 03:00")
    assert since(night, BERLIN, at("2024-03-31 03:15")) is None
    gone = windows(["Sun 02:10-02:40"])
    assert shown(opening(gone, BERLIN, at("2024-03-31 01:00"))) == "Sun 07 02:10"
    long = windows(["Sun 01:00-04:00"])
    assert opening(long, BERLIN, at("2024-03-31 04:00")) - at("2024-03-31 04:00") == 7 * 86400 - 3 * 3600
    assert at("2024-03-31 04:00") - since(long, BERLIN, at("2024-03-31 03:59")) == 2 * 3600


def test_of_an_hour_that_the_clocks_repeat_the_first_counts():
    """Sunday 27 October 2024: after 02:59 comes 02:00."""
    night = windows(["Sun 01:00-02:30"])
    assert since(night, BERLIN, at("2024-10-27 02:29")) == at("2024-10-27 01:00")
    assert since(night, BERLIN, at("2024-10-27 02:30")) is None
    assert since(night, BERLIN, at("2024-10-27 02:29", fold=1)) is None
    late = windows(["Sun 02:30-04:00"])
    assert at("2024-10-27 04:00") - since(late, BERLIN, at("2024-10-27 03:00")) == 2.5 * 3600


def test_a_day_begins_at_midnight_there():
    assert midnight(BERLIN, at("2024-03-31 12:00")) == at("2024-03-31 00:00")
    assert midnight(BERLIN, at("2024-03-31 12:00"), days=1) - midnight(BERLIN, at("2024-03-31 12:00")) == 23 * 3600
    beirut = ZoneInfo("Asia/Beirut")  # where the clocks leap over midnight: on 31 March 2024 the day began at 01:00
    assert midnight(beirut, at("2024-03-31 12:00", beirut)) == at("2024-03-31 01:00", beirut)


TEXTS = st.lists(
    st.builds(
        lambda first, last, start, end: f"{first}-{last} {start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}",
        st.sampled_from(DAYS), st.sampled_from(DAYS), st.integers(0, 1439), st.integers(0, 1440),
    ),
    min_size=1, max_size=3,
)  # fmt: skip
ZONES = st.sampled_from(["Europe/Berlin", "UTC", "America/St_Johns", "Australia/Lord_Howe", "Asia/Beirut"]).map(
    ZoneInfo
)
TIMES = st.integers(int(at("2024-01-01", UTC)), int(at("2026-01-01", UTC))).map(float)


def made(texts):
    try:
        return windows(texts)
    except ValueError:
        assume(condition=False)
    raise AssertionError


@given(TEXTS, ZONES, TIMES)
@example(["Sun-Sun 02:10-02:40"], BERLIN, at("2024-03-31 01:00"))
def test_the_next_opening_is_open_and_until_then_it_is_closed(texts, zone, now):
    when = made(texts)
    opens = opening(when, zone, now)
    assert now <= opens < now + 15 * 86400
    assert since(when, zone, opens) is not None
    if opens > now:
        assert since(when, zone, now) is None
        for part in range(20):
            assert since(when, zone, now + (opens - now) * part / 20) is None
        assert since(when, zone, opens - 1) is None


@given(TEXTS, st.sampled_from(["UTC", "Asia/Kolkata"]).map(ZoneInfo), TIMES)
def test_where_the_clocks_never_change_it_is_open_when_the_wall_says_so(texts, zone, now):
    when = made(texts)
    wall = datetime.fromtimestamp(now, zone)
    minute = wall.hour * 60 + wall.minute
    yesterday = (wall - timedelta(days=1)).weekday()
    says = any(
        (wall.weekday() in window.days and window.start <= minute < window.end)
        or (yesterday in window.days and window.start <= minute + 1440 < window.end)
        for window in when
    )
    assert (schedules.since(when, zone, now) is not None) is says
