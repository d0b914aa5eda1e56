"""The clock. Inner code is given the time as a value."""

import time
from datetime import UTC, tzinfo
from functools import cache
from zoneinfo import ZoneInfo


def now() -> float:
    """Return the wall clock in unix seconds."""
    return time.time()


@cache
def zone(name: str) -> tzinfo:
    """Given the name of a time zone ("": the host's), return it. Raise ValueError if there is none of that name."""
    try:
        if name:
            return ZoneInfo(name)
        with open("/etc/localtime", "rb") as file:
            return ZoneInfo.from_file(file)
    except OSError:  # ZoneInfoNotFoundError is a KeyError
        return UTC
    except KeyError as error:
        raise ValueError(
            f"{name!r} is no time zone of this host; write one like Europe/Berlin (or install tzdata)"
        ) from error


def monotonic() -> float:
    """Return seconds on a clock that never jumps."""
    return time.monotonic()
