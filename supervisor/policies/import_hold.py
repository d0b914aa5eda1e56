"""A torrent stays until Sonarr or Radarr has confirmed its import, but not for ever. Pure.

The import is made from the HDD copy, so nothing breaks without this; it is for those who look at the SSD path.
"""

from supervisor.policies.base import Candidate, Rules, span


def protects(candidate: Candidate, rules: Rules, now: float) -> str:
    """Return the reason; one that was never confirmed is held until it has been finished for so long."""
    left = candidate.finished + rules.import_hold - now
    if candidate.untold and left > 0:
        services = " and ".join(candidate.untold)
        return f"{services} has not confirmed its import: it may leave then, or in {span(left)} (POLICY_IMPORT_HOLD)"
    return ""
