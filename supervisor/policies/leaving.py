"""Torrents that leave the SSD without waiting for low space: by their label, or after a longest stay. Pure."""

from supervisor.policies.base import Candidate, Rules, span


def leaves(candidate: Candidate, rules: Rules, now: float) -> tuple[str, float]:
    """Return why it leaves and since when it is to (unix seconds); no reason: it waits for low space."""
    if candidate.label.casefold() in (label.casefold() for label in rules.leave_labels):
        return f"its label {candidate.label} leaves at once (POLICY_LEAVE_LABELS)", candidate.finished
    due = candidate.finished + rules.max_stay
    if rules.max_stay and now >= due:
        return f"it has been there for POLICY_MAX_STAY, {span(rules.max_stay)}", due
    return "", 0.0
