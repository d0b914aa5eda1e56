"""All policies: the keys of POLICY_ORDER, what protects, and in which order protections yield. Pure."""

from supervisor.policies import (
    age,
    idle,
    import_hold,
    keep_labels,
    keep_trackers,
    low_ratio,
    ratio,
    seed_time,
    seeders,
    size,
)
from supervisor.policies.base import Candidate, Key, Protection, Rules

KEYS: dict[str, Key] = {
    "age": Key(age.shelf, age.says),
    "ratio": Key(ratio.shelf, ratio.says),
    "idle": Key(idle.shelf, idle.says),
    "size": Key(size.shelf, size.says),
    "seeders": Key(seeders.shelf, seeders.says),
}
HARD: tuple[Protection, ...] = (keep_labels.protects, keep_trackers.protects)  # these never yield
SOFT: tuple[Protection, ...] = (import_hold.protects, low_ratio.protects, seed_time.protects)  # the first yields first

Place = tuple[int | float | str, ...]  # sorts as the candidates leave


def place(candidate: Candidate, rules: Rules, now: float) -> Place:
    """Return its place in the order: its shelf by each key, then when it finished, then its hash."""
    shelves = (KEYS[key].shelf(candidate, now) for key in rules.order)
    return (*shelves, candidate.finished, candidate.hash)


def says(candidate: Candidate, rules: Rules, now: float) -> str:
    """Return in words what gave it its place."""
    return ", ".join(KEYS[key].says(candidate, now) for key in rules.order)


def protection(candidate: Candidate, rules: Rules, now: float) -> tuple[int, str]:
    """Return what keeps a candidate: how late it yields in an emergency (-1: never), and the reason; "": nothing does.

    With several soft ones, the last to yield.
    """
    for protects in HARD:
        if reason := protects(candidate, rules, now):
            return -1, reason
    for rank, protects in reversed(list(enumerate(SOFT, 1))):
        if reason := protects(candidate, rules, now):
            return rank, reason
    return 0, ""
