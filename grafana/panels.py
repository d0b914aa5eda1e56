"""What a dashboard consists of, as data: panels, their queries, the alerts they belong to. Pure.

In an expression `{@}` stands for the selectors that every query carries: the job and the instance that were chosen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

SELECTORS = 'job=~"$job", instance=~"$instance"'


class Kind(StrEnum):
    """How a panel shows its numbers, by Grafana's name of the plugin."""

    STAT = "stat"  # one number
    LINES = "timeseries"
    BARS = "bargauge"
    TABLE = "table"
    STATES = "state-timeline"


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel."""

    expr: str  # PromQL, with {@}
    legend: str = "__auto"

    @property
    def full(self) -> str:
        """The expression as Grafana has it."""
        return self.expr.replace("@", SELECTORS)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: a query of its own, or a label of one."""

    title: str
    unit: str = "none"
    alert: str = ""  # whose threshold colours it
    words: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel. Its id is what the alerts link to: never give it to another one."""

    id: int
    kind: Kind
    title: str
    text: str  # what it shows; and, if it can be red, what to do then
    unit: str
    queries: tuple[Query, ...]
    width: int = 8  # of 24
    height: int = 8
    alerts: tuple[str, ...] = ()  # whose thresholds it shows
    warn_at: float | None = None  # a threshold where no alert has one
    words: Mapping[int, str] = field(default_factory=dict)  # what a value means
    columns: tuple[Column, ...] = ()  # of a table, one for each query
    labels: Mapping[str, str] = field(default_factory=dict)  # of a table: label -> title


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard."""

    uid: str
    title: str
    text: str
    panels: tuple[Panel, ...]
