"""The oldest finished torrent leaves first. Pure."""

from collections.abc import Sequence

from supervisor.policies.base import Candidate


def oldest_first(candidates: Sequence[Candidate], now: float) -> list[Candidate]:  # noqa: ARG001  (the contract's)
    """Given candidates, return them by the time they finished, equals by their hash: a plan is stable."""
    return sorted(candidates, key=lambda candidate: (candidate.finished, candidate.hash))
