"""A clock that a test sets: the supervisor's processes see it go on from there. rTorrent keeps the real one."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

# Run by each of its Pythons as it starts (site(7)); the supervisor asks no other clock for the time of day.
_SHIFT = """\
import time
real = time.time
def shifted():
    with open({offset!r}) as file:
        return real() + float(file.read())
time.time = shifted
"""
_DAY = 86400.0
_AHEAD = 3 * _DAY  # what finished before the test has lost the credit of what is new


class Clock:
    """It shows 00:30 of a day of the week that is some days ahead, in UTC."""

    def __init__(self, home: Path, weekday: int = 3) -> None:
        """Given a directory (made) and the day, 0 for Monday, set it."""
        home.mkdir(parents=True)
        self._offset = home / "offset"
        (home / "sitecustomize.py").write_text(_SHIFT.format(offset=str(self._offset)))
        self.environment = {"PYTHONPATH": str(home)}
        today = datetime.fromtimestamp(time.time() + _AHEAD, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self._day = today + timedelta(days=(weekday - today.weekday()) % 7)
        self.set(0, 30)

    def at(self, hour: int, minute: int = 0, days: int = 0) -> float:
        """Return a time of the day, or of one so many days later (unix seconds)."""
        return (self._day + timedelta(days=days, hours=hour, minutes=minute)).timestamp()

    def set(self, hour: int, minute: int = 0, days: int = 0) -> None:
        """Set it to a time of the day, or of one so many days later."""
        new = self._offset.with_suffix(".new")
        new.write_text(str(self.at(hour, minute, days) - time.time()))
        os.replace(new, self._offset)
