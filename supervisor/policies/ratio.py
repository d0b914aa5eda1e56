"""The torrent with the lowest ratio leaves first: a shelf for each half. Pure."""

from supervisor.policies.base import Candidate


def shelf(candidate: Candidate, _now: float) -> int:
    """Return how many halves the ratio has."""
    return int(candidate.ratio * 2)


def says(candidate: Candidate, _now: float) -> str:
    """Return it in words."""
    return f"ratio {candidate.ratio:.1f}"
