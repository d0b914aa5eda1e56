"""Holds a copy back: a cap on its bytes per second, and slower while the machine waits for its disks."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from supervisor.adapters import clock

_PRESSURE = "/proc/pressure/io"  # Linux 4.20, Documentation/accounting/psi.rst
_LOOK = 1.0  # seconds between two looks at it
_SHORTEST, _LONGEST = 0.02, 1.0  # seconds of rest before a block


def _nobody(_why: str, _seconds: float) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a delivery may be. The default: as fast as it can."""

    rate: int = 0  # bytes per second, of the copy and of the read-back alike; 0: no cap
    pressure: float = 0.0  # percent of time in which all tasks wait for IO ("full avg10"); above it we rest; 0: never
    held: Callable[[str, float], None] = _nobody  # is told "rate" or "pressure", and for how many seconds we waited


class Brake:
    """Says how long to wait before the next bytes; for all threads of a delivery."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self._lock = threading.Lock()
        self._free_at = 0.0  # when all bytes that were taken have passed, at the rate
        self._rest = 0.0
        self._looked = float("-inf")

    @property
    def block(self) -> int:
        """Return the largest number of bytes to read at once: what passes in a second, 64 KiB at least."""
        return max(64 << 10, self.pace.rate >> 12 << 12) if self.pace.rate else 1 << 62

    def take(self, length: int) -> tuple[float, str]:
        """Given the bytes that are read next, return the seconds to wait before, and why ("rate" or "pressure").

        Nothing is saved up while we are slower than the rate: there is no burst later.
        """
        if not self.pace.rate and not self.pace.pressure:
            return 0.0, ""
        with self._lock:
            now = clock.monotonic()
            rest, wait = self._resting(now), 0.0
            if self.pace.rate:
                wait = max(0.0, self._free_at - now)
                self._free_at = max(self._free_at, now) + length / self.pace.rate
        return (rest, "pressure") if rest > wait else (wait, "rate")

    def _resting(self, now: float) -> float:
        """Return the rest before a block: twice as long with each look at a stalled machine, half with each other.

        The copy itself is part of the pressure, so it never rests for good.
        """
        if self.pace.pressure and now - self._looked >= _LOOK:
            self._looked = now
            if stalled() > self.pace.pressure:
                self._rest = min(_LONGEST, max(_SHORTEST, self._rest * 2))
            else:
                self._rest = self._rest / 2 if self._rest > _SHORTEST else 0.0
        return self._rest


def stalled() -> float:
    """Return in how many percent of the last ten seconds all tasks waited for IO; 0 where the kernel cannot say."""
    with suppress(OSError), open(_PRESSURE, encoding="ascii") as file:
        for line in file:
            if line.startswith("full"):
                return float(line.split("avg10=")[1].split()[0])
    return 0.0
