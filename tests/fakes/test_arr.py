"""The stand-in answers in the shapes that Sonarr and Radarr document."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import requests

from tests.fakes.arr import COMMANDS, KEY, FakeArr, Mode
from tests.fakes.shapes import COMMAND, DOWNLOAD_CLIENT_CONFIG, STATUS
from tests.support.rtorrents import until

HEADERS = {"X-Api-Key": KEY}
HASH = "ABCDEF0123456789ABCDEF0123456789ABCDEF01"


def command(service: str, **changes: object) -> dict:
    return {"name": COMMANDS[service], "downloadClientId": HASH, "path": "/tv/x", "importMode": "Copy"} | changes


@pytest.fixture(params=["sonarr", "radarr"])
def arr(request):
    with FakeArr(request.param) as fake:
        yield fake


@pytest.mark.parametrize("mode", [Mode.WELL, Mode.UNSUCCESSFUL, Mode.FAILS, Mode.NEVER_COMPLETES])
def test_every_answer_about_a_command_has_the_documented_shape(arr, mode):
    arr.mode = mode
    created = requests.post(f"{arr.url}/api/v3/command", json=command(arr.service), headers=HEADERS, timeout=60)
    assert created.status_code == 201
    answers = [created.json()]
    for _ in range(3):
        answers.append(requests.get(f"{arr.url}/api/v3/command/{answers[0]['id']}", headers=HEADERS, timeout=60).json())
    for answer in answers:
        jsonschema.validate(answer, COMMAND)
    assert answers[0]["status"] == "queued"
    assert answers[1]["status"] == "started"


def test_the_status_has_the_documented_shape(arr):
    answer = requests.get(f"{arr.url}/api/v3/system/status", headers=HEADERS, timeout=60)
    jsonschema.validate(answer.json(), STATUS)
    assert answer.json()["appName"].lower() == arr.service


def test_the_download_client_settings_have_the_documented_shape(arr):
    answer = requests.get(f"{arr.url}/api/v3/config/downloadclient", headers=HEADERS, timeout=60)
    jsonschema.validate(answer.json(), DOWNLOAD_CLIENT_CONFIG)


def test_the_schemas_reject_what_is_not_in_them():
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"id": 1, "status": "done"}, COMMAND)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"verison": "4"}, STATUS)


def test_nothing_is_told_without_the_key(arr):
    for headers in ({}, {"X-Api-Key": "wrong"}):
        assert requests.get(f"{arr.url}/api/v3/system/status", headers=headers, timeout=60).status_code == 401
        answer = requests.post(f"{arr.url}/api/v3/command", json=command(arr.service), headers=headers, timeout=60)
        assert answer.status_code == 401
    assert arr.commands == []


@pytest.mark.parametrize(
    "changes", [{"name": "Backup"}, {"path": ""}, {"downloadClientId": HASH.lower()}, {"importMode": "copy!"}]
)
def test_a_command_that_is_wrong_is_refused(arr, changes):
    body = command(arr.service, **changes)
    answer = requests.post(f"{arr.url}/api/v3/command", json=body, headers=HEADERS, timeout=60)
    assert answer.status_code == 400
    assert arr.commands == []


def test_a_body_that_is_not_declared_as_json_is_refused(arr):
    body = json.dumps(command(arr.service))
    answer = requests.post(f"{arr.url}/api/v3/command", data=body, headers=HEADERS, timeout=60)
    assert answer.status_code == 415


def test_after_a_restart_it_knows_no_earlier_command_and_has_the_same_port(arr):
    created = requests.post(f"{arr.url}/api/v3/command", json=command(arr.service), headers=HEADERS, timeout=60).json()
    arr.stop()
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{arr.url}/api/v3/system/status", headers=HEADERS, timeout=60)
    arr.start()
    answer = requests.get(f"{arr.url}/api/v3/command/{created['id']}", headers=HEADERS, timeout=60)
    assert answer.status_code == 404


def test_it_runs_by_itself_and_prints_each_command(tmp_path):
    port_file = tmp_path / "port"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.arr", "--port-file", str(port_file), "--key", "k"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    try:
        until(port_file.exists, "it listens")
        url = f"http://127.0.0.1:{int(port_file.read_text())}/api/v3/command"
        requests.post(url, json=command("sonarr"), headers={"X-Api-Key": "k"}, timeout=60).raise_for_status()
        assert process.stdout.readline() == f"sonarr: {json.dumps(command('sonarr'))}\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()
