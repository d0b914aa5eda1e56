"""A torrent that peers are being served from waits for a quiet moment, but not for ever. Pure.

A switch closes the torrent and drops its peers, and they do not call again for minutes.
"""

from supervisor.policies.base import Candidate, Rules


def waits_until(candidate: Candidate, rules: Rules, since: float) -> float:
    """Given since when it could leave (unix seconds), return until when it waits for quiet; 0: it is quiet."""
    return since + rules.patience if candidate.up_rate > 0 and rules.patience else 0.0
