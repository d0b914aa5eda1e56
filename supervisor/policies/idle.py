"""The torrent that has earned least of late for the room it takes leaves first: a shelf for each doubling. Pure.

Earned is what it has uploaded of late (see `dispatch.uploads`), as a part of its size: a large torrent has to upload
more than a small one to be worth its room.
"""

import math

from supervisor.policies.base import Candidate

_HARDLY = 1 / 64  # of its size: less is as good as nothing


def shelf(candidate: Candidate, _now: float) -> int:
    """Return 0 if it has hardly uploaded, else 1 and one more for each doubling."""
    part = _part(candidate)
    return 0 if part < _HARDLY else 1 + int(math.log2(part / _HARDLY))


def says(candidate: Candidate, _now: float) -> str:
    """Return it in words."""
    part = _part(candidate)
    if part < _HARDLY:
        return "hardly uploaded of late"
    return f"uploads of late, with the credit of what is new, are {part:.2f} times its size"


def _part(candidate: Candidate) -> float:
    return candidate.lately / max(candidate.size, 1)
