"""What a check found. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"  # it works, but not as well or as safely as it could
    ERROR = "error"  # torrents are not copied, or not told of, until it is mended


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    what: str
    evidence: str
    remedy: str = ""
    unreachable: bool = False  # an error only because rTorrent did not answer


def ok(what: str, evidence: str) -> Finding:
    """Return a finding that is well."""
    return Finding(Level.OK, what, evidence)


def warning(what: str, evidence: str, remedy: str) -> Finding:
    """Return a finding that works."""
    return Finding(Level.WARNING, what, evidence, remedy)


def error(what: str, evidence: str, remedy: str) -> Finding:
    """Return a finding that does not."""
    return Finding(Level.ERROR, what, evidence, remedy)
