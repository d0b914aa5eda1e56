"""When something may be done: windows of the week in a time zone, such as `Mon-Fri 01:00-07:00`. Pure.

A window is what the clocks on the wall show. An hour that they leap over is in none; of one that they repeat, the first
counts as the start and the end of a window.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FORM = re.compile(r"(?:([a-z,\s-]+)\s+)?(?:(\d\d?):(\d\d)\s*-\s*(\d\d?):(\d\d)|(\*))", re.IGNORECASE)
_DAY = 24 * 60  # minutes
_AHEAD = 15  # days that are looked at: a weekly window may fall into an hour that the clocks leap over


@dataclass(frozen=True, slots=True)
class Window:
    """From a minute to another on some days of the week; one that is over midnight belongs to the day it begins on."""

    days: frozenset[int]  # 0: Monday
    start: int  # minutes after midnight
    end: int  # minutes after the same midnight


def windows(texts: Iterable[str]) -> tuple[Window, ...]:
    """Given texts like `Mon-Fri 01:00-07:00`, `Sat,Sun *` or `22:00-06:00`, return the windows. Raise ValueError."""
    return tuple(_window(text) for text in texts)


def since(when: tuple[Window, ...], zone: tzinfo, now: float) -> float | None:
    """Return since when a window is open (unix seconds), or None if none is; without windows it always is: 0."""
    if not when:
        return 0.0
    return next((start for start, end in _intervals(when, zone, now) if start <= now < end), None)


def opening(when: tuple[Window, ...], zone: tzinfo, now: float) -> float:
    """Return when the next window opens (unix seconds): now, if one is open."""
    if since(when, zone, now) is not None:
        return now
    return next((start for start, _ in _intervals(when, zone, now) if start > now), float("inf"))


def midnight(zone: tzinfo, now: float, days: int = 0) -> float:
    """Return when the day began that is so many days after today (unix seconds)."""
    today = datetime.fromtimestamp(now, zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    return _instant(today + timedelta(days=days), zone)


def _window(text: str) -> Window:
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no window; write it like Mon-Fri 01:00-07:00, Sat,Sun * or 22:00-06:00")
    days, *times, whole_day = match.groups()
    if whole_day:
        return Window(_days(days, text), 0, _DAY)
    hours = [int(times[0]), int(times[2])]
    minutes = [int(times[1]), int(times[3])]
    start, end = (hour * 60 + minute for hour, minute in zip(hours, minutes, strict=True))
    if start >= _DAY or end > _DAY or max(minutes) >= 60:  # noqa: PLR2004
        raise ValueError(f"{text!r} has a time that there is not; a day is from 00:00 to 24:00")
    if start == end:
        raise ValueError(f"{text!r} ends where it begins; for the whole day write *")
    return Window(_days(days, text), start, end if end > start else end + _DAY)


def _days(text: str | None, whole: str) -> frozenset[int]:
    if text is None:
        return frozenset(range(7))
    found: set[int] = set()
    for part in text.split(","):
        names = [name.strip().lower() for name in part.split("-")]
        if len(names) > 2 or not set(names) <= set(_DAYS):  # noqa: PLR2004
            raise ValueError(f"{part.strip()!r} in {whole!r} is no day; they are Mon, Tue, Wed, Thu, Fri, Sat, Sun")
        first, last = _DAYS.index(names[0]), _DAYS.index(names[-1])
        found |= {day % 7 for day in range(first, last + 1 + 7 * (last < first))}
    return frozenset(found)


def _intervals(when: tuple[Window, ...], zone: tzinfo, now: float) -> Iterator[tuple[float, float]]:
    """Return the times at which a window is open, in order, those that touch as one, from the day before on."""
    today = datetime.fromtimestamp(now, zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    found = []
    for ahead in range(-7, _AHEAD):
        day = today + timedelta(days=ahead)
        for window in when:
            if day.weekday() in window.days:
                ends = (day + timedelta(minutes=minute) for minute in (window.start, window.end))
                found.append(tuple(_instant(end, zone) for end in ends))
    current: tuple[float, float] | None = None
    for start, end in sorted(found):
        if start >= end:
            continue
        if current is not None and start <= current[1]:
            current = current[0], max(current[1], end)
            continue
        if current is not None:
            yield current
        current = start, end
    if current is not None:
        yield current


def _instant(wall: datetime, zone: tzinfo) -> float:
    """Return when the clocks show a time for the first time (unix seconds), or leap over it."""
    late = wall.replace(tzinfo=zone).timestamp()
    if datetime.fromtimestamp(late, zone).replace(tzinfo=None) == wall:
        return late
    early = wall.replace(tzinfo=zone, fold=1).timestamp()
    before = datetime.fromtimestamp(early, zone).utcoffset()
    while late - early > 1:
        middle = (early + late) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == before:
            early = middle
        else:
            late = middle
    return late
