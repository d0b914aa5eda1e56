"""The supervisor's own cost, measured on this machine and held against the limits of COSTS.md.

    python -m benchmarks.costs [--quick] [--only NAME …]

Prints a table, and writes it to benchmarks/results/costs.json. Exits 1 if a limit is not kept. Needs root (loop mounts)
and rTorrent. --quick takes fewer rounds: to see that it works, not to quote.
"""

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path

from benchmarks import costs_crowd, costs_rtorrent, costs_standing, costs_way_in
from benchmarks.costs_box import Row, box

CASES = {
    "hook": costs_way_in.hook,
    "latency": costs_way_in.latency,
    "ingest": costs_way_in.ingest,
    "idle": costs_standing.idle,
    "rows": costs_standing.rows,
    "outage": costs_rtorrent.outage,
    "survey": costs_rtorrent.survey,
    "first": costs_rtorrent.first,
    "crowd": costs_crowd.crowd,
}
RESULTS = Path(__file__).parent / "results" / "costs.json"


def main() -> int:
    """Measure, print, write; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--only", metavar="NAME", nargs="+", choices=CASES, help=f"of {', '.join(CASES)}")
    options = parser.parse_args()
    rows: list[Row] = []
    loads = [os.getloadavg()[0]]
    _line("case", "what", "median", "min - max", "n", "limit", "")
    for name in options.only or CASES:
        with box() as disks:
            for row in CASES[name](disks, quick=options.quick):
                rows.append(row)
                _show(row)
        loads.append(os.getloadavg()[0])
    missed = [row for row in rows if row.kept is False]
    print(f"\nload {min(loads):.1f} to {max(loads):.1f} on {os.cpu_count()} cores; limits missed: {len(missed)}")
    if not options.only:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(_as_dict(rows, loads, quick=options.quick), indent=1) + "\n")
    return 1 if missed else 0


def _show(row: Row) -> None:
    limit = "" if row.limit is None else f"{'>=' if row.least else '<='} {row.limit:g}"
    verdict = {None: "", True: "ok", False: "MISSED"}[row.kept]
    spread = f"{min(row.values):.4g} - {max(row.values):.4g}" if len(row.values) > 1 else ""
    _line(row.case, row.what, f"{row.median:.4g} {row.unit}", spread, str(len(row.values)), limit, verdict)


def _line(case: str, what: str, value: str, spread: str, count: str, limit: str, verdict: str) -> None:
    print(f"{case:8} {what:44} {value:>20} {spread:>20} {count:>4} {limit:>8} {verdict}", flush=True)


def _as_dict(rows: list[Row], loads: list[float], *, quick: bool) -> dict[str, object]:
    return {
        "version": 1,
        "at": round(time.time()),
        "quick": quick,
        "machine": {
            "cores": os.cpu_count(),
            "kernel": platform.release(),
            "python": platform.python_version(),
            "load": [round(load, 2) for load in loads],
        },
        "rows": [
            {
                "case": row.case,
                "what": row.what,
                "unit": row.unit,
                "median": row.median,
                "min": min(row.values),
                "max": max(row.values),
                "n": len(row.values),
                "limit": row.limit,
                "kept": row.kept,
            }
            for row in rows
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
