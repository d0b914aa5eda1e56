"""The largest torrent leaves first, for few steps: a shelf for each doubling. Pure."""

from supervisor.policies.base import GIB, MIB, Candidate


def shelf(candidate: Candidate, _now: float) -> int:
    """Return the binary digits of its bytes, negative: the largest are on the lowest shelf."""
    return -candidate.size.bit_length()


def says(candidate: Candidate, _now: float) -> str:
    """Return it in words."""
    return f"{candidate.size / GIB:.1f} GiB" if candidate.size >= GIB else f"{candidate.size / MIB:.1f} MiB"
