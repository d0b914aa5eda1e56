"""Makes a dashboard's classic JSON (schema 42, Grafana 10 and later) from what `panels` says, with Grafana's own SDK.

Three things the SDK leaves out are set here: a panel's `id`, the legend, and where a panel stands.
"""

import json
from collections.abc import Iterator
from typing import Any

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.panels import SELECTORS, Board, Column, Kind, Panel
from grafana.rules import Alert, alerts

_BUILDERS: dict[Kind, Any] = {
    Kind.STAT: stat.Panel,
    Kind.LINES: timeseries.Panel,
    Kind.BARS: bargauge.Panel,
    Kind.TABLE: table.Panel,
    Kind.STATES: statetimeline.Panel,
}
_COLORS = {"critical": "red", "warning": "orange", "info": "blue"}
_NOW = {Kind.STAT, Kind.BARS, Kind.TABLE}  # they show the latest value
_WIDTH = 24
_SOURCE = common_models.DataSourceRef(type_val="prometheus", uid="${datasource}")
_TAG = "seedcache"
MARKS = (
    # The value is the time: a change in a range is not seen when Prometheus got no answer for as long as that.
    ("Supervisor started", "blue", f"1000 * seedcache_process_start_time_seconds{{{SELECTORS}}}"),
    (
        "Worker replaced",
        "orange",
        f"increase(seedcache_worker_restarts_total{{{SELECTORS}}}[$__rate_interval]) > 0",
    ),
    ("Switched to the HDD", "green", f"increase(seedcache_relocations_total{{{SELECTORS}}}[$__rate_interval]) > 0"),
)


def build(board: Board) -> dict[str, Any]:
    """Given a dashboard, return what its JSON file holds."""
    built = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.text)
        .tags([_TAG])
        .readonly()
        .refresh("30s")
        .time("now-6h", "now")
        .timezone("browser")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink("seedcache")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags([_TAG])
            .include_vars(include_vars=True)
            .keep_time(keep_time=True)
            .as_dropdown(as_dropdown=True)
        )
    )
    for variable in _variables():
        built = built.with_variable(variable)
    for name, color, expr in MARKS:
        mark = (
            dashboard.AnnotationQuery().name(name).datasource(_SOURCE).enable(enable=True).icon_color(color).expr(expr)
        )
        mark = mark.title_format(name).tag_keys("instance,role").step("60s")
        built = built.annotation(mark.use_value_for_time(use_value_for_time=expr.startswith("1000 *")))
    for panel, place in zip(board.panels, _places(board.panels), strict=True):
        built = built.with_panel(_panel(panel).grid_pos(place))
    return dict(json.loads(json.dumps(built.build(), cls=JSONEncoder)))


def _variables() -> Iterator[Any]:
    yield dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
    for name, label, query in (
        ("job", "Job", "label_values(seedcache_build_info, job)"),
        ("instance", "Instance", 'label_values(seedcache_build_info{job=~"$job"}, instance)'),
    ):
        yield (
            dashboard.QueryVariable(name)
            .label(label)
            .datasource(_SOURCE)
            .query({"query": query, "refId": name})
            .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(models.VariableSort.ALPHABETICAL_ASC)
            .multi(multi=True)
            .include_all(include_all=True)
            .all_value(".+")
            .current(models.VariableOption(selected=True, text="All", value="$__all"))
        )


def _places(panels: tuple[Panel, ...]) -> Iterator[models.GridPos]:
    """Lay panels out as text flows: from left to right, then in the next line."""
    x = y = height = 0
    for panel in panels:
        if x + panel.width > _WIDTH:
            x, y, height = 0, y + height, 0
        yield models.GridPos(h=panel.height, w=panel.width, x=x, y=y)
        x, height = x + panel.width, max(height, panel.height)


def _panel(panel: Panel) -> Any:  # noqa: ANN401  (each kind has a builder of its own, without a common type)
    built = _BUILDERS[panel.kind]().id(panel.id).title(panel.title).description(panel.text).datasource(_SOURCE)
    built = built.unit(panel.unit).links(list(_links(panel.alerts)))
    for name, query in zip("ABCDEFGHIJKLM", panel.queries, strict=False):
        target = prometheus.Dataquery().expr(query.full).legend_format(query.legend).ref_id(name).datasource(_SOURCE)
        if panel.kind is Kind.TABLE:
            target = target.format(PromQueryFormat.TABLE)
        built = built.with_target(target.instant() if panel.kind in _NOW else target.range())
    shown = [alerts()[name] for name in panel.alerts if alerts()[name].comparison]
    if panel.kind is Kind.TABLE:
        return _columns(built, panel)
    built = built.mappings(_words(panel.words)).thresholds(_thresholds(shown, panel.warn_at))
    if panel.kind is Kind.LINES:
        legend = common.VizLegendOptions().show_legend(show_legend=True)
        built = built.legend(
            legend.display_mode(common_models.LegendDisplayMode.LIST).placement(common_models.LegendPlacement.BOTTOM)
        )
        mode = common_models.GraphThresholdsStyleMode.DASHED if shown else common_models.GraphThresholdsStyleMode.OFF
        return built.min(0).thresholds_style(common.GraphThresholdsStyleConfig().mode(mode))
    if panel.kind is Kind.STATES:
        return built.color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
    built = built.color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
    return built.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))


def _links(names: tuple[str, ...]) -> Iterator[Any]:
    for name in names:
        yield (
            dashboard.DashboardLink(f"Alert {name}")
            .url(f"/alerting/list?search={name}")
            .target_blank(target_blank=True)
        )


def _thresholds(shown: list[Alert], warn_at: float | None = None) -> Any:  # noqa: ANN401  (the SDK's builder)
    """Colour values as the alerts see them. Alerts of one panel look in one direction."""
    below = [alert for alert in shown if alert.comparison in ("<", "<=") or _is_no(alert)]
    steps = [models.Threshold(None, "green")]
    if below:
        ordered = sorted(below, key=lambda alert: alert.threshold)
        colors = [*(_COLORS[alert.severity] for alert in ordered), "green"]
        if colors[0] == colors[1]:  # two tiers of one severity
            colors[0] = f"dark-{colors[0]}"
        values = [None, *(1.0 if _is_no(alert) else alert.threshold for alert in ordered)]
        steps = [models.Threshold(value, color) for value, color in zip(values, colors, strict=True)]
    elif warn_at is not None:
        steps.append(models.Threshold(warn_at, "orange"))
    elif shown:
        ordered = sorted(shown, key=lambda alert: alert.threshold)
        steps += [models.Threshold(alert.threshold, _COLORS[alert.severity]) for alert in ordered]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def _is_no(alert: Alert) -> bool:
    """Say whether the alert asks for a 0: of something that is 1, or more, if all is well."""
    return alert.comparison == "==" and alert.threshold == 0


def _words(words: Any) -> list[models.ValueMapping]:  # noqa: ANN401  (the mapping of a panel or a column)
    if not words:
        return []
    return [
        models.ValueMap(options={str(value): models.ValueMappingResult(text=text) for value, text in words.items()})
    ]


def _columns(built: Any, panel: Panel) -> Any:  # noqa: ANN401  (as above)
    """Merge the queries of a table into one row for each host, and give each query its column."""
    values = [f"Value #{letter}" for letter in "ABCDEFGHIJKLM"[: len(panel.queries)]]
    titles = {value: column.title for value, column in zip(values, panel.columns, strict=True) if column.title}
    organize = {
        "excludeByName": dict.fromkeys(("Time", "job", *(value for value in values if value not in titles)), True),
        "indexByName": {name: index for index, name in enumerate((*panel.labels, *values))},
        "renameByName": titles | dict(panel.labels),
    }
    for name, options in (("merge", {}), ("organize", organize)):
        built = built.with_transformation(models.DataTransformerConfig(id_val=name, options=options))
    for column in panel.columns:
        if column.title:
            built = built.override_by_name(column.title, list(_properties(column)))
    return built


def _properties(column: Column) -> Iterator[models.DynamicConfigValue]:
    yield models.DynamicConfigValue("unit", column.unit)
    if column.words:
        yield models.DynamicConfigValue("mappings", _words(column.words))
    if column.alert:
        yield models.DynamicConfigValue("thresholds", _thresholds([alerts()[column.alert]]).build())
        yield models.DynamicConfigValue("custom.cellOptions", {"type": "color-background", "mode": "basic"})
