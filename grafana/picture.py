"""Draws a dashboard as SVG, from its committed JSON and the answers of a real Prometheus. No browser, no Grafana.

It is a plain drawing of what Grafana would show: places, titles, units, thresholds and colours are the JSON's, the
numbers are Prometheus'. It is not a screenshot, and says so at its foot.
"""

import math
from collections.abc import Callable, Iterator
from html import escape
from typing import Any

COLUMN, ROW, GAP = 60, 34, 8  # pixels of a column and a row of Grafana's grid, and between two panels
COLORS = {"green": "#73bf69", "orange": "#ff9830", "red": "#f2495c", "dark-red": "#c4162a", "blue": "#5794f2"}
PALETTE = ("#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#b877d9", "#37872d", "#fade2a", "#447ebc", "#c15c17")
BACK, PANEL, TEXT, DIM = "#111217", "#181b1f", "#ccccdc", "#7b8087"

_LEGEND_ROWS = 2

Ask = Callable[[str, bool], list[dict[str, Any]]]  # PromQL, instant -> Prometheus' result


def draw(dashboard: dict[str, Any], ask: Ask, foot: str) -> str:
    """Given a dashboard's JSON, a way to ask Prometheus and a line for the foot, return the SVG."""
    width = 24 * COLUMN + GAP
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"]) * ROW + 84
    font = 'font-family="Inter, Helvetica, Arial, sans-serif" font-size="12"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" {font}>',
        f'<rect width="{width}" height="{height}" fill="{BACK}"/>',
        _text(GAP + 4, 30, dashboard["title"], size=20),
    ]
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        x, y = place["x"] * COLUMN + GAP, place["y"] * ROW + 48
        w, h = place["w"] * COLUMN - GAP, place["h"] * ROW - GAP
        parts.append(f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="3" fill="{PANEL}" stroke="#2c3235"/>')
        parts.append(_text(x + 10, y + 20, panel["title"], bold=True))
        answers = [ask(target["expr"], target["instant"]) for target in panel["targets"]]
        parts += _KINDS[panel["type"]](panel, answers, (x + 10, y + 30, w - 20, h - 40))
    parts += [_text(GAP + 4, height - 14, foot, color=DIM), "</svg>"]
    return "\n".join(parts) + "\n"


Box = tuple[float, float, float, float]  # x, y, width, height


def _stat(panel: dict[str, Any], answers: list[list[dict[str, Any]]], box: Box) -> Iterator[str]:
    x, y, w, h = box
    value = float(answers[0][0]["value"][1])
    shown = _words(panel["fieldConfig"]["defaults"]).get(value) or humane(
        value, panel["fieldConfig"]["defaults"]["unit"]
    )
    color = _color(value, panel["fieldConfig"]["defaults"]["thresholds"]["steps"])
    yield _text(x + w / 2, y + h / 2 + 12, shown, size=30, color=color, anchor="middle")


def _lines(panel: dict[str, Any], answers: list[list[dict[str, Any]]], box: Box) -> Iterator[str]:
    x, y, w, h = box
    series = [
        (_legend(target["legendFormat"], found["metric"]), [(at, float(value)) for at, value in found["values"]])
        for target, answer in zip(panel["targets"], answers, strict=True)
        for found in answer
    ]
    unit = panel["fieldConfig"]["defaults"]["unit"]
    points = [point for _, line in series for point in line if math.isfinite(point[1])]
    first, last = min(at for at, _ in points), max(at for at, _ in points)
    top = max(value for _, value in points) * 1.1 or 1.0
    left, bottom, wide, high = x + 62, y + h - 36, w - 66, h - 44
    for share in (0.0, 0.5, 1.0):
        level = bottom - high * share
        yield f'<line x1="{left}" y1="{level:.1f}" x2="{left + wide}" y2="{level:.1f}" stroke="#2c3235"/>'
        yield _text(left - 6, level + 4, humane(top * share, unit), size=10, color=DIM, anchor="end")
    label, row = x, 0
    for number, (name, line) in enumerate(series):
        color = PALETTE[number % len(PALETTE)]
        path = " ".join(
            f"{left + wide * (at - first) / ((last - first) or 1):.1f},{bottom - high * value / top:.1f}"
            for at, value in line
            if math.isfinite(value)
        )
        yield f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.5"/>'
        length = 24 + 5.8 * len(name)
        if label + length > x + w:
            label, row = x, row + 1
        if row < _LEGEND_ROWS:
            yield f'<rect x="{label:.1f}" y="{bottom + 16 + 15 * row}" width="10" height="3" fill="{color}"/>'
            yield _text(label + 14, bottom + 21 + 15 * row, name, size=10, color=DIM)
        label += length


def _table(panel: dict[str, Any], answers: list[list[dict[str, Any]]], box: Box) -> Iterator[str]:
    x, y, w, _ = box
    organize = next(step["options"] for step in panel["transformations"] if step["id"] == "organize")
    titles, order = organize["renameByName"], organize["indexByName"]
    rows: dict[str, dict[str, Any]] = {}
    for target, answer in zip(panel["targets"], answers, strict=True):
        for found in answer:
            row = rows.setdefault(found["metric"]["instance"], {})
            row.update(found["metric"])
            row[f"Value #{target['refId']}"] = float(found["value"][1])
    overrides = {
        override["matcher"]["options"]: {item["id"]: item["value"] for item in override["properties"]}
        for override in panel["fieldConfig"]["overrides"]
    }
    names = sorted(titles, key=lambda name: order[name])
    first = 60  # pixels that the host's name gets more than the others
    step = (w - first) / len(names)
    for column, name in enumerate(names):
        left = x + step * column + (first if column else 0)
        yield _text(left, y + 14, titles[name], size=11, color="#6e9fff", bold=True)
        found_for = overrides.get(titles[name], {})
        for line, instance in enumerate(sorted(rows)):
            value, level = rows[instance].get(name, ""), y + 40 + 28 * line
            if isinstance(value, float):
                if "thresholds" in found_for:
                    color = _color(value, found_for["thresholds"]["steps"])
                    yield (
                        f'<rect x="{left - 4:.1f}" y="{level - 16}" width="{step - 4:.1f}" height="23" '
                        f'fill="{color}" opacity="0.55"/>'
                    )
                value = _words(found_for).get(value) or humane(value, found_for.get("unit", "short"))
            yield _text(left, level, value)


_KINDS: dict[str, Callable[[dict[str, Any], list[list[dict[str, Any]]], Box], Iterator[str]]] = {
    "stat": _stat,
    "timeseries": _lines,
    "table": _table,
}


def _text(
    x: float, y: float, text: str, *, size: int = 12, color: str = TEXT, anchor: str = "start", bold: bool = False
) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{color}" text-anchor="{anchor}"{weight}>'
        f"{escape(text)}</text>"
    )


def _words(config: dict[str, Any]) -> dict[float, str]:
    found = [mapping["options"] for mapping in config.get("mappings", [])]
    return {float(value): result["text"] for options in found for value, result in options.items()}


def _color(value: float, steps: list[dict[str, Any]]) -> str:
    """Return the colour of a value: of the last step that is not above it."""
    reached = [step["color"] for step in steps if step["value"] is None or value >= step["value"]]
    return COLORS[reached[-1]]


def _legend(form: str, labels: dict[str, str]) -> str:
    for name, value in labels.items():
        form = form.replace(f"{{{{{name}}}}}", value)
    return form


def humane(value: float, unit: str) -> str:
    """Given a number and Grafana's name of its unit, return it as a person reads it."""
    if not math.isfinite(value):
        return "-"
    if unit == "percentunit":
        return f"{value:.0%}" if value >= 0.1 else f"{value:.1%}"  # noqa: PLR2004
    if unit in ("bytes", "binBps"):
        for prefix in ("", "Ki", "Mi", "Gi", "Ti"):
            if abs(value) < 1024 or prefix == "Ti":  # noqa: PLR2004
                return f"{value:.3g} {prefix}B{'/s' if unit == 'binBps' else ''}"
            value /= 1024
    if unit in ("s", "dtdurations"):
        for name, seconds in (("d", 86400), ("h", 3600), ("min", 60)):
            if value >= seconds:
                return f"{value / seconds:.1f} {name}"
        return f"{value:.3g} s"
    return f"{value:.4g}"
