"""The dashboards: as the code makes them, as the official linter wants them, and in step with the alerts."""

import glob
import json
import re

import promql_parser
import pytest
import yaml

from grafana.build import BOARDS, DIRECTORY, files
from grafana.reference import PAGE, expressions, plain, readers, table
from grafana.rules import ROOT, alerts, metrics_of, rules
from supervisor.observation.metrics import reference

DASHBOARDS = {
    uid: json.loads(text) for uid, text in ((name.removesuffix(".json"), text) for name, text in files().items())
}
PANELS = [(uid, panel) for uid, dashboard in DASHBOARDS.items() for panel in dashboard["panels"]]
OF_PROMETHEUS = {"up", "ALERTS", "scrape_duration_seconds"}  # made by Prometheus itself
SEVERITY = {"critical": {"red", "dark-red"}, "warning": {"orange", "dark-orange"}, "info": {"blue"}}

each_dashboard = pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=DASHBOARDS)
each_panel = pytest.mark.parametrize(
    "panel", [panel for _, panel in PANELS], ids=[f"{uid}-{panel['id']}" for uid, panel in PANELS]
)


def test_what_is_committed_is_what_the_code_makes():
    committed = {}
    for path in glob.glob(f"{DIRECTORY}/*.json"):
        with open(path) as file:
            committed[path.rpartition("/")[2]] = file.read()
    assert committed == files(), "run: python -m grafana.build"


# -- the conditions of the official linter -----------------------------------------------------------------------------


@each_dashboard
def test_a_dashboard_has_the_three_variables(dashboard):
    source, job, instance = dashboard["templating"]["list"]
    assert (source["name"], source["type"], source["query"], source["label"]) == (
        "datasource", "datasource", "prometheus", "Data source",
    )  # fmt: skip
    for variable, name, label in ((job, "job", "Job"), (instance, "instance", "Instance")):
        assert (variable["name"], variable["type"], variable["label"]) == (name, "query", label)
        assert variable["datasource"]["uid"] == "${datasource}"
        assert variable["multi"] is True
        assert variable["allValue"] == ".+"
        assert variable["refresh"] == 2
        found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
        assert found.group(2) == name
        promql_parser.parse(plain(found.group(1)))


@each_dashboard
def test_a_dashboard_cannot_be_edited_and_is_of_the_classic_schema(dashboard):
    assert dashboard["editable"] is False
    assert dashboard["schemaVersion"] == 42


@each_panel
def test_a_panel_has_a_source_a_title_a_description_and_a_unit(panel):
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert panel["title"].strip()
    assert len(panel["description"].split()) > 5
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"] not in ("", "none") or defaults.get("mappings") or panel["type"] == "table"


@each_panel
def test_every_query_asks_only_for_what_was_chosen_and_for_rates_that_fit_the_screen(panel):
    assert panel["targets"]
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    for target in panel["targets"]:
        expr = target["expr"]
        assert target["datasource"]["uid"] == "${datasource}"
        for found in re.findall(r"\{([^{}]*)\}", expr):
            assert 'job=~"$job"' in found, expr
            assert 'instance=~"$instance"' in found, expr
        assert bare_selectors(plain(expr)) == [], expr
        assert re.findall(r"\b(?:rate|irate|increase|changes)\([^\[]*\[(?!\$__rate_interval\])", expr) == []
        assert counters_without_a_rate(plain(expr)) == []


def bare_selectors(expr):
    """Return the selectors that do not say which job and instance."""
    found = []

    def visit(node):
        if isinstance(node, promql_parser.VectorSelector):
            names = {matcher.name for matcher in node.matchers.matchers}
            if not {"job", "instance"} <= names:
                found.append(node.name)

    promql_parser.walk(promql_parser.parse(expr), visit)
    return found


def counters_without_a_rate(expr):
    """Return the counters that are not inside of rate, irate or increase."""
    found = []

    def visit(node):
        if isinstance(node, promql_parser.VectorSelector) and node.name.endswith("_total"):
            found.append(node.name)

    def ranges(node):
        if isinstance(node, promql_parser.MatrixSelector) and node.vector_selector.name in found:
            found.remove(node.vector_selector.name)

    promql_parser.walk(promql_parser.parse(expr), visit)
    promql_parser.walk(promql_parser.parse(expr), ranges)
    return found


def test_the_two_helpers_see_what_they_look_for():
    assert bare_selectors('rate(a_total[1m]) + b{job="x"}') == ["a_total", "b"]
    assert counters_without_a_rate("a_total + rate(b_total[1m])") == ["a_total"]


# -- what the linter does not check ------------------------------------------------------------------------------------


def test_every_dashboard_has_an_id_of_its_own():
    assert [board.uid for board in BOARDS] == list(DASHBOARDS)
    assert len({dashboard["title"] for dashboard in DASHBOARDS.values()}) == len(BOARDS) == 5


@each_dashboard
def test_panels_have_ids_of_their_own_and_do_not_overlap(dashboard):
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    taken = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


@each_panel
def test_a_panel_that_can_be_red_says_what_to_do_then(panel):
    if alerts_of(panel) and panel["type"] != "table":
        assert re.search(r"[Ww]hen it (is|stays) (not 0|red|orange|blue)", panel["description"]), panel["title"]


@each_panel
def test_a_legend_is_shown_where_lines_are(panel):
    if panel["type"] == "timeseries":
        assert panel["options"]["legend"]["showLegend"] is True


def alerts_of(panel):
    return [link["title"].removeprefix("Alert ") for link in panel.get("links", [])]


def test_every_alert_leads_to_its_panel_and_the_panel_back():
    for name, alert in alerts().items():
        uid, number = re.match(r"/d/([\w-]+)\?viewPanel=(\d+)", alert.annotations["dashboard"]).groups()
        (panel,) = [panel for panel in DASHBOARDS[uid]["panels"] if panel["id"] == int(number)]
        assert name in alerts_of(panel), f"{name} leads to '{panel['title']}', which does not name it"


def test_panels_name_only_alerts_that_exist():
    for _, panel in PANELS:
        assert set(alerts_of(panel)) <= set(alerts())


@each_panel
def test_colours_change_where_the_alerts_fire(panel):
    """A value that is over the alert's threshold has the colour of its severity; one that is not has another."""
    if panel["type"] == "table":
        return
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert steps[0]["value"] is None
    values = [step["value"] for step in steps[1:]]
    assert values == sorted(values)
    expected = {}
    for name in alerts_of(panel):
        alert = alerts()[name]
        if alert.comparison:
            expected[1.0 if (alert.comparison, alert.threshold) == ("==", 0) else alert.threshold] = alert
    if panel["title"] == "Firing alerts":  # counts those that fire; the one it is linked with has no threshold
        assert [step["color"] for step in steps] == ["green", "orange"]
        assert values == [1]
        return
    assert set(values) == set(expected)
    for index, value in enumerate(values):
        alert = expected[value]
        falls = alert.comparison.startswith("<") or (alert.comparison, alert.threshold) == ("==", 0)
        colour = steps[index if falls else index + 1]["color"]
        assert colour in SEVERITY[alert.severity], (panel["title"], value)


def test_a_table_colours_its_columns_as_the_alerts_do():
    (table_panel,) = [panel for _, panel in PANELS if panel["type"] == "table"]
    found = {}
    for override in table_panel["fieldConfig"]["overrides"]:
        for item in override["properties"]:
            if item["id"] == "thresholds":
                found[override["matcher"]["options"]] = [step["value"] for step in item["value"]["steps"]]
    assert found["SSD free"] == [None, alerts()["SeedcacheSsdCritical"].threshold]
    assert found["HDD free"] == [None, alerts()["SeedcacheHddReserveReached"].threshold]
    assert found["Longest wait"] == [None, alerts()["SeedcacheCopyStuck"].threshold]
    assert found["Up"] == found["Ready"] == found["rTorrent"] == [None, 1.0]


@each_dashboard
def test_starts_and_switches_are_marked(dashboard):
    names = {mark["name"] for mark in dashboard["annotations"]["list"]}
    assert {"Supervisor started", "Worker replaced", "Switched to the HDD"} <= names


# -- metrics and their readers -----------------------------------------------------------------------------------------

NAMES = {line.split("`")[1] for line in reference()[2:]}


def test_every_metric_that_is_read_exists():
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    everything = [*expressions(), *((rule.get("record") or rule["alert"], rule["expr"]) for rule in rules())]
    for reader, expr in everything:
        for name in metrics_of(expr):
            known = name in NAMES | recorded | OF_PROMETHEUS or re.sub(r"_(bucket|count|sum)$", "", name) in NAMES
            assert known, f"{reader} reads {name}"


def test_every_metric_has_a_reader():
    assert NAMES - set(readers(NAMES)) == set()


def test_every_recording_rule_has_a_reader():
    used = set().union(*(metrics_of(expr) for _, expr in expressions()))
    assert {rule["record"] for rule in rules() if "record" in rule} - used == set()


def test_the_page_of_the_metrics_is_what_code_rules_and_dashboards_say():
    with open(PAGE) as file:
        shown = [line for line in file.read().splitlines() if line.startswith("|")]
    assert shown == table(), "run: python -m grafana.reference"


# -- provisioning ------------------------------------------------------------------------------------------------------


def test_provisioning_files_say_what_grafana_needs():
    found = {}
    for path in glob.glob(f"{ROOT}/grafana/provisioning/*/*.yml"):
        with open(path) as file:
            found[path.split("/")[-2]] = yaml.safe_load(file)
    assert set(found) == {"datasources", "dashboards", "alerting"}
    assert all(content["apiVersion"] == 1 for content in found.values())
    (source,) = found["datasources"]["datasources"]
    assert source["type"] == "prometheus"
    assert source["uid"]
    (provider,) = found["dashboards"]["providers"]
    assert provider["type"] == "file"
    assert provider["allowUiUpdates"] is False
    contacts = {point["name"] for point in found["alerting"]["contactPoints"]}
    (policy,) = found["alerting"]["policies"]
    assert {policy["receiver"], *(route["receiver"] for route in policy["routes"])} <= contacts
