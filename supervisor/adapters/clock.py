"""The clock. Inner code is given the time as a value."""

import time


def now() -> float:
    """Return the wall clock in unix seconds."""
    return time.time()


def monotonic() -> float:
    """Return seconds on a clock that never jumps."""
    return time.monotonic()
