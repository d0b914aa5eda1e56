"""The alerts, as the dashboards need them: read from the rules of Prometheus, so that a threshold is written once."""

import functools
import os
from dataclasses import dataclass
from typing import Any

import promql_parser
import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RULES = os.path.join(ROOT, "prometheus", "rules")
_COMPARISONS = frozenset({"<", "<=", ">", ">=", "=="})


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert."""

    name: str
    severity: str
    expr: str
    annotations: dict[str, str]
    comparison: str  # of its first threshold, in reading order; empty: it has none
    threshold: float


def rules() -> list[dict[str, Any]]:
    """Return all rules, recording and alerting, as they are written."""
    found = []
    for name in sorted(os.listdir(RULES)):
        with open(os.path.join(RULES, name), encoding="utf-8") as file:
            found += [rule for group in yaml.safe_load(file)["groups"] for rule in group["rules"]]
    return found


@functools.cache
def alerts() -> dict[str, Alert]:
    """Return all alerts by name."""
    found = {}
    for rule in rules():
        if "alert" in rule:
            comparison, threshold = first_threshold(rule["expr"])
            severity, annotations = rule["labels"]["severity"], rule["annotations"]
            found[rule["alert"]] = Alert(rule["alert"], severity, rule["expr"], annotations, comparison, threshold)
    return found


def first_threshold(expr: str) -> tuple[str, float]:
    """Given PromQL, return its first comparison with a number, operator and number; ("", 0) if there is none."""
    found: list[tuple[str, float]] = []

    def visit(node: object) -> None:
        if isinstance(node, promql_parser.BinaryExpr) and isinstance(node.rhs, promql_parser.NumberLiteral):
            operator = str(node.op)
            if operator in _COMPARISONS:
                found.append((operator, node.rhs.val))

    promql_parser.walk(promql_parser.parse(expr), visit)
    return found[0] if found else ("", 0.0)


def metrics_of(expr: str) -> set[str]:
    """Given PromQL, return the names of all metrics in it."""
    found: set[str] = set()

    def visit(node: object) -> None:
        if isinstance(node, promql_parser.VectorSelector) and node.name:
            found.add(node.name)

    promql_parser.walk(promql_parser.parse(expr), visit)
    return found
