"""What was tried and what came of it: one line a case, so that a run can be left and taken up again."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.needs import ROOT

WHERE = Path(ROOT, ".cache", "campaign")
Run = Callable[[], dict[str, int] | None]  # does one case; returns what it counted. Raises AssertionError


class Ledger:
    """The cases of one part."""

    def __init__(self, part: str, *, fresh: bool = False) -> None:
        WHERE.mkdir(parents=True, exist_ok=True)
        self._path = WHERE / f"{part}.jsonl"
        if fresh:
            self._path.unlink(missing_ok=True)

    def _read(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._path.read_text().splitlines()] if self._path.exists() else []

    def lines(self) -> dict[str, dict[str, Any]]:
        """Return the last line of each case by its name."""
        return {line["case"]: line for line in self._read() if "case" in line}

    def planned(self, cases: int) -> None:
        """Note how many cases there are in all."""
        with self._path.open("a") as file:
            file.write(json.dumps({"planned": cases}) + "\n")

    def add(self, case: str, seconds: float, counts: dict[str, int], violated: str = "") -> None:
        """Note a case that ended."""
        with self._path.open("a") as file:
            line = {"case": case, "seconds": round(seconds, 2), "counts": counts, "violated": violated}
            file.write(json.dumps(line) + "\n")

    def figures(self) -> dict[str, Any]:
        """Return what it comes to."""
        lines = self.lines().values()
        counts: Counter[str] = Counter()
        for line in lines:
            counts.update(line["counts"])
        return {
            "cases": len(lines),
            "planned": max([len(lines), *(line["planned"] for line in self._read() if "planned" in line)]),
            "violated": sorted(line["case"] for line in lines if line["violated"]),
            "minutes": round(sum(line["seconds"] for line in lines) / 60, 1),
            "counts": dict(counts),
        }
