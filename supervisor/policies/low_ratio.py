"""A torrent seeds from the SSD until it has a ratio. Pure."""

from supervisor.policies.base import Candidate, Rules


def protects(candidate: Candidate, rules: Rules, _now: float) -> str:
    """Return the reason."""
    if candidate.ratio < rules.min_ratio:
        return f"its ratio {candidate.ratio:.2f} is below POLICY_MIN_RATIO, {rules.min_ratio:g}: it may leave with that"
    return ""
