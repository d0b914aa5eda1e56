"""Prints the table of docs/policies.md: `python -m tests.simulation`."""

from supervisor.measures import GIB
from supervisor.policies import table
from supervisor.policies.base import Rules
from tests.simulation.seedbox import lives, next_days, simulate

SEEDS = (1, 2, 3)
COUNT = 1000


def rows() -> list[str]:
    """Return the lines of the table: means over the seeds."""
    cases = [("clairvoyant: knows the next 7 days", Rules(order=("idle", "age")), next_days(7))]
    cases += [(f"`{', '.join(order)}`", Rules(order=order), None) for order in (Rules().order, *_single())]
    lines = ["| `order` | Upload served from the SSD | Moved | Relocations | Times full |", "|---|---|---|---|---|"]
    for name, rules, foresight in cases:
        found = [simulate(lives(COUNT, seed), rules, foresight) for seed in SEEDS]
        mean = [
            sum(values) / len(found)
            for values in zip(*((o.served, o.moved, o.relocations) for o in found), strict=True)
        ]
        full = sum(outcome.full for outcome in found)
        lines.append(f"| {name} | {mean[0]:.1%} | {mean[1] / GIB / 1024:.1f} TiB | {mean[2]:.0f} | {full} |")
    return lines


def _single() -> list[tuple[str, ...]]:
    return [("idle", "size"), *((key,) for key in table.KEYS)]


if __name__ == "__main__":
    print("\n".join(rows()))  # noqa: T201
