"""The rules, their tests, their runbooks and the examples, judged by Prometheus' own tools."""

import glob
import os
import re
import shlex
import shutil

import pytest
import yaml

from grafana.rules import ROOT, alerts, rules
from supervisor.commands.arguments import parser
from supervisor.observation.metrics import Metrics
from supervisor.observation.snapshot import RTorrent, Snapshot
from supervisor.settings import specs
from tests.observability.tools import AMTOOL, PROMTOOLS, run

RULES = sorted(glob.glob(f"{ROOT}/prometheus/rules/*.yml"))
TESTS = sorted(glob.glob(f"{ROOT}/prometheus/tests/*.yml"))
RUNBOOKS = f"{ROOT}/docs/runbooks"
EXAMPLES = f"{ROOT}/prometheus/examples"
ALERTS = [rule for rule in rules() if "alert" in rule]

by_name = pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])


@pytest.fixture(params=PROMTOOLS.values(), ids=PROMTOOLS)
def promtool(request):
    """promtool of each version."""
    return request.param


def test_promtool_finds_nothing_in_the_rules(promtool):
    done = run(promtool, "check", "rules", "--lint-fatal", *RULES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_fires_and_is_quiet_when_it_should(promtool):
    done = run(promtool, "test", "rules", *TESTS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_takes_the_example_configuration(promtool, tmp_path):
    shutil.copy(f"{EXAMPLES}/prometheus.yml", tmp_path)
    (tmp_path / "rules.d").mkdir()
    for path in RULES:
        shutil.copy(path, tmp_path / "rules.d")
    done = run(promtool, "check", "config", "--lint-fatal", f"{tmp_path}/prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(RULES)} rule files found" in done.stdout


def test_promtool_has_nothing_to_say_about_the_metrics(promtool):
    nothing = Snapshot(0, 0, 0, "", False, False, "", (), (), RTorrent(reachable=False, since=0))
    done = run(promtool, "check", "metrics", text=Metrics(lambda: nothing).exposition().decode())
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@by_name
def test_an_alert_has_a_test_that_fires_and_one_that_is_quiet(rule):
    expected = set()
    for path in TESTS:
        with open(path) as file:
            for test in yaml.safe_load(file)["tests"]:
                for case in test["alert_rule_test"]:
                    if case["alertname"] == rule["alert"]:
                        expected.add(bool(case["exp_alerts"]))
    assert expected == {True, False}


@by_name
def test_an_alert_says_what_it_is_and_where_to_go_on(rule):
    assert re.fullmatch(r"Seedcache([A-Z][a-z]+)+", rule["alert"])
    assert rule["for"]
    assert set(rule["labels"]) == {"severity"}
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    notes = rule["annotations"]
    assert set(notes) == {"summary", "description", "dashboard", "runbook_url"}
    assert "{{" not in notes["summary"]
    assert notes["runbook_url"] == f"docs/runbooks/{rule['alert']}.md"
    if rule["alert"] not in ("SeedcacheWatchdog", "SeedcacheAbsent"):
        assert "{{ $labels.instance }}" in notes["description"]


@by_name
def test_an_alert_has_a_runbook_of_four_parts_with_commands(rule):
    with open(f"{RUNBOOKS}/{rule['alert']}.md") as file:
        text = file.read()
    assert text.startswith(f"# {rule['alert']}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Meaning", "Impact", "Diagnosis", "Mitigation"]
    for part in re.split(r"^## .*$", text, flags=re.MULTILINE)[1:]:
        assert len(part.split()) >= 2
    assert "```sh" in text.partition("## Diagnosis")[2].partition("## Mitigation")[0]


def test_every_runbook_belongs_to_an_alert():
    assert {name.removesuffix(".md") for name in os.listdir(RUNBOOKS)} == set(alerts())


def test_runbooks_name_only_alerts_commands_and_settings_that_exist():
    settings = {name.upper() for name in specs()}
    for name in os.listdir(RUNBOOKS):
        with open(f"{RUNBOOKS}/{name}") as file:
            text = file.read()
        assert set(re.findall(r"\bSeedcache[A-Z]\w+", text)) <= set(alerts()), name
        for setting in re.findall(r"`([A-Z]+_[A-Z_]+)`", text):
            assert setting in settings, (name, setting)
        commands = re.findall(r"`seedcache ([^`]+)`", text) + re.findall(r"^seedcache ([^#|\n]+)", text, re.MULTILINE)
        for command in commands:
            words = shlex.split(command)
            try:
                parser().parse_args(words)
            except SystemExit as refused:
                pytest.fail(f"{name}: `seedcache {command}` is refused ({refused.code})")


def test_amtool_takes_the_example_and_sends_each_severity_where_it_belongs():
    config = f"{EXAMPLES}/alertmanager.yml"
    done = run(AMTOOL, "check-config", config)
    assert done.returncode == 0, done.stdout + done.stderr
    for name, alert in alerts().items():
        receiver = {"critical": "pager", "warning": "mail", "info": "nobody"}[alert.severity]
        receiver = "dead-mans-switch" if name == "SeedcacheWatchdog" else receiver
        labels = (f"alertname={name}", f"severity={alert.severity}")
        done = run(
            AMTOOL, "config", "routes", "test", f"--config.file={config}", f"--verify.receivers={receiver}", *labels
        )
        assert done.returncode == 0, (name, done.stdout + done.stderr)


def test_what_is_inhibited_exists():
    with open(f"{EXAMPLES}/alertmanager.yml") as file:
        text = file.read()
    assert set(re.findall(r"\bSeedcache[A-Z]\w+", text)) <= set(alerts())
