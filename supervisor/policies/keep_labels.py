"""Torrents with these labels stay on the SSD. Pure."""

from supervisor.policies.base import Candidate, Rules


def protects(candidate: Candidate, rules: Rules, _now: float) -> str:
    """Return the reason; labels are compared whole, in any case."""
    if candidate.label.casefold() in (label.casefold() for label in rules.keep_labels):
        return f"its label {candidate.label} is kept on the SSD; take it off POLICY_KEEP_LABELS or change the label"
    return ""
