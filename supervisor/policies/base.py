"""What a policy is given, what a person has set, and what it answers. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

DAY = 86400.0  # seconds
MIB, GIB = 1024**2, 1024**3


@dataclass(frozen=True, slots=True)
class Candidate:
    """A finished torrent that could leave the SSD."""

    hash: str
    name: str
    size: int  # bytes
    finished: float  # unix seconds
    ratio: float  # uploaded / downloaded
    up_rate: int = 0  # bytes a second, now
    label: str = ""
    trackers: tuple[str, ...] = ()  # their hosts, lower-case
    seeders: int = 0  # 0: none, or not known
    lately: float = 0.0  # bytes uploaded of late: each counts half as much after each half-life
    untold: tuple[str, ...] = ()  # services that have not confirmed its import


@dataclass(frozen=True, slots=True)
class Rules:
    """What a person has set of [policy]. Lengths of time are in seconds; 0: that rule is off."""

    order: tuple[str, ...] = ("idle", "age")
    keep_labels: tuple[str, ...] = ()
    keep_trackers: tuple[str, ...] = ()
    min_seed_time: float = 0.0
    min_ratio: float = 0.0
    import_hold: float = 0.0
    patience: float = 600.0
    leave_labels: tuple[str, ...] = ()
    max_stay: float = 0.0
    half_life: float = 3 * DAY


@dataclass(frozen=True, slots=True)
class Key:
    """One way to put candidates into an order: on numbered shelves, the lowest of which leaves first.

    Shelves are a candidate's own affair, whatever the others are: so a torrent that comes or goes moves no other. And
    they are wide, so that the next key has a say.
    """

    shelf: Callable[[Candidate, float], int]  # candidate, now
    says: Callable[[Candidate, float], str]


Protection = Callable[
    [Candidate, Rules, float], str
]  # candidate, rules, now -> what keeps it and until when; "": nothing


def span(seconds: float) -> str:
    """Return a length of time in words, rounded down to days, hours or minutes."""
    for unit, length in (("day", DAY), ("hour", 3600.0), ("minute", 60.0)):
        count = int(seconds // length)
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"
