"""A torrent seeds from the SSD for so long at least. Pure."""

from supervisor.policies.base import Candidate, Rules, span


def protects(candidate: Candidate, rules: Rules, now: float) -> str:
    """Return the reason."""
    left = candidate.finished + rules.min_seed_time - now
    if rules.min_seed_time and left > 0:
        return f"it has not seeded for POLICY_MIN_SEED_TIME, {span(rules.min_seed_time)}: it may leave in {span(left)}"
    return ""
