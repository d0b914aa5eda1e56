"""The torrent that most others seed leaves first, since it is missed least: a shelf for each doubling. Pure."""

from supervisor.policies.base import Candidate


def shelf(candidate: Candidate, _now: float) -> int:
    """Return the binary digits of the number of seeders, negative; one whose seeders are not known leaves last."""
    return -candidate.seeders.bit_length()


def says(candidate: Candidate, _now: float) -> str:
    """Return it in words."""
    return f"{candidate.seeders} seeders" if candidate.seeders else "seeders not known"
