"""docs/reliability.md: the figures of the last campaign in the words of report.md."""

import fcntl
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.campaign.invariants import ALWAYS, AT_THE_END
from tests.campaign.ledger import WHERE, Ledger
from tests.support.needs import ROOT

FIGURES = Path(ROOT, "docs", "reliability.json")
PAGE = Path(ROOT, "docs", "reliability.md")
_WORDS = Path(__file__).with_name("report.md")


def update(part: str) -> None:
    """Given a part that was run, take its figures over and write the page."""
    found = Ledger(part).figures()
    with WHERE.joinpath("report.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other parts may run beside
        figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
        figures[part] = found
        FIGURES.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")
        PAGE.write_text(page(figures))


def page(figures: Mapping[str, Any]) -> str:
    """Given the figures of each part, return the page."""
    words = _WORDS.read_text()
    done = sorted(figures, key=lambda part: words.find(f"**{part}**"))
    counts = [figures[part]["counts"] for part in done]
    struck = sum(found.get("struck", 0) for found in counts)
    states = sum(found.get("states", 0) for found in counts)
    kills = sum(count for found in counts for what, count in found.items() if what.startswith("kill "))
    violated = [f"- violated: {part}: {case}" for part in done for case in figures[part]["violated"]]
    cases = sum(figures[part]["cases"] for part in done)
    summary = (
        f"In all **{cases} cases**: {struck} strikes at a chosen step, {kills} kills at random moments, {states} "
        f"states of the disks after a power cut. **{len(violated)} violated** an invariant."
    )
    table = ["| Part | Cases run, of | Violated | Counted | Minutes |", "|---|---|---|---|---|"]
    for part in done:
        found = figures[part]
        told = ", ".join(f"{what}: {count:,}" for what, count in sorted(found["counts"].items()))
        run = f"{found['cases']} of {found['planned']}"
        table.append(f"| {part} | {run} | {len(found['violated'])} | {told} | {found['minutes']} |")
    return words.format(
        summary="\n".join([summary, *violated]),
        table="\n".join(table),
        always="\n".join(f"- {name}: {what}" for name, what in ALWAYS.items()),
        end="\n".join(f"- {name}: {what}" for name, what in AT_THE_END.items()),
    )
