"""The torrent that finished first leaves first: a shelf for each day. Pure."""

from supervisor.policies.base import DAY, Candidate


def shelf(candidate: Candidate, now: float) -> int:
    """Return the days since it finished, negative: the oldest are on the lowest shelf."""
    return -int(max(now - candidate.finished, 0.0) // DAY)


def says(candidate: Candidate, now: float) -> str:
    """Return it in words."""
    days = -shelf(candidate, now)
    return f"finished {days} day{'s' if days > 1 else ''} ago" if days else "finished less than a day ago"
