"""What a policy is given and what it answers. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Candidate:
    """A finished torrent that could leave the SSD."""

    hash: str
    name: str
    size: int  # bytes
    finished: float  # unix seconds
    ratio: float
    up_rate: int  # bytes a second
    peers: int  # connected now


class Policy(Protocol):
    """Puts candidates into the order in which they shall leave the SSD."""

    def __call__(self, candidates: Sequence[Candidate], now: float) -> list[Candidate]:
        """Given candidates in any order and the time (unix seconds), return them, the first to leave first."""
