"""How fast a disk fills up, from looks at its free space. Pure."""

from collections import deque

WINDOW = 1800.0  # seconds that a rate is taken over
_APART = 60.0  # seconds between two looks that are kept
_LEAST = 120.0  # seconds that a rate needs


class Trend:
    """The looks of the last half hour, one a minute."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, int]] = deque()
        self._last = (0.0, 0)

    def add(self, now: float, free: int) -> None:
        """Given the time (unix seconds) and the bytes that are free, note them. A clock that went back begins anew."""
        if self._looks and now < self._last[0]:
            self._looks.clear()
        self._last = (now, free)
        if not self._looks or now - self._looks[-1][0] >= _APART:
            self._looks.append(self._last)
        while now - self._looks[0][0] > WINDOW:
            self._looks.popleft()

    @property
    def filling(self) -> float:
        """Bytes a second by which the free space has shrunk; less than 0: it has grown; 0: that is not known yet."""
        if not self._looks or self._last[0] - self._looks[0][0] < _LEAST:
            return 0.0
        (began, before), (now, free) = self._looks[0], self._last
        return (before - free) / (now - began)
