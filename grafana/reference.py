"""Writes the table of docs/metrics.md: `python -m grafana.reference`. Each metric, and who reads it.

An alert or a panel reads a metric also through a recording rule.
"""

import os
import re
from collections import defaultdict

from grafana.build import BOARDS
from grafana.frame import MARKS
from grafana.rules import ROOT, metrics_of, rules
from supervisor.observation.metrics import reference

PAGE = os.path.join(ROOT, "docs", "metrics.md")
_PARTS = re.compile(r"_(bucket|count|sum)$")


def plain(expr: str) -> str:
    """Given a query of a dashboard, return PromQL: Grafana's own variables replaced."""
    for variable, value in (("$__rate_interval", "1m"), ("$job", ".+"), ("$instance", ".+")):
        expr = expr.replace(variable, value)
    return expr


def expressions() -> list[tuple[str, str]]:
    """Return every reader of metrics, for people, and its PromQL."""
    found = [(f"alert {rule['alert']}", rule["expr"]) for rule in rules() if "alert" in rule]
    for board in BOARDS:
        short = board.title.removeprefix("seedcache: ")
        found += [(f"{short}: {panel.title}", plain(query.full)) for panel in board.panels for query in panel.queries]
    return found + [(f"annotation {name}", plain(expr)) for name, _, expr in MARKS]


def readers(names: set[str]) -> dict[str, list[str]]:
    """Given the names of metrics as the page has them, return who reads each."""
    recorded = {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}

    def resolved(expr: str) -> set[str]:
        direct = metrics_of(expr)
        return direct.union(*(resolved(recorded[name]) for name in direct if name in recorded))

    found: dict[str, list[str]] = defaultdict(list)
    for reader, expr in expressions():
        for name in resolved(expr):
            known = name if name in names else _PARTS.sub("", name)
            if reader not in found[known]:
                found[known].append(reader)
    return found


def table() -> list[str]:
    """Return the lines of the page's table."""
    lines = reference()
    names = {line.split("`")[1] for line in lines[2:]}
    known = readers(names)
    out = [f"{lines[0]} Read by |", f"{lines[1]}---|"]
    return out + [f"{line} {'; '.join(known.get(line.split('`')[1], []))} |" for line in lines[2:]]


def main() -> None:
    """Put the table into the page."""
    with open(PAGE, encoding="utf-8") as file:
        prose = [line for line in file.read().splitlines() if not line.startswith("|")]
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write("\n".join([*prose, *table()]).rstrip("\n") + "\n")


if __name__ == "__main__":
    main()
