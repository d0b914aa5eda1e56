"""Torrents of these trackers stay on the SSD. Pure."""

from supervisor.policies.base import Candidate, Rules


def protects(candidate: Candidate, rules: Rules, _now: float) -> str:
    """Return the reason; a host stands for its subdomains too."""
    for kept in rules.keep_trackers:
        host = kept.lower().rstrip(".")
        for tracker in candidate.trackers:
            if tracker == host or tracker.endswith("." + host):
                return f"torrents of its tracker {tracker} are kept on the SSD; take {kept} off POLICY_KEEP_TRACKERS"
    return ""
