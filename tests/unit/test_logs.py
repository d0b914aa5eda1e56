"""One event is one line, whatever a torrent is called."""

import ast
import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from supervisor import logs, spool
from supervisor.jobs import State
from supervisor.messages import Move
from tests.support.needs import ROOT
from tests.unit.test_structure import TREES

FORGED = 'a\nlevel=error forged="\x1b[2J\u202ecba \N{ROCKET} é\x85\udce9'


@pytest.fixture
def log_file(tmp_path):
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield tmp_path / "log"
    for handler in root.handlers:
        if handler not in before[0]:
            handler.close()
    root.handlers[:], root.level = before


def say(text, *values, level=logging.INFO, **extra):
    logging.getLogger("supervisor").log(level, text, *values, extra={"action": "copied", **extra})


def test_a_line_in_logfmt_has_the_documented_keys_in_order(log_file):
    logs.start("INFO", str(log_file), worker="copier-1")
    say("%d bytes", 7, hash="A" * 40)
    line = re.sub(r"^time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "time=T", log_file.read_text())
    assert line == f'time=T level=info action=copied worker=copier-1 hash={"A" * 40} text="7 bytes"\n'


def test_a_name_cannot_forge_a_line_or_a_key_or_move_the_cursor(log_file):
    logs.start("INFO", str(log_file))
    say("%s", FORGED)
    (line,) = log_file.read_text().splitlines()
    assert line.endswith('text="a\\nlevel=error forged=\\"\\u001b[2J\\u202ecba \N{ROCKET} é\\u0085?"')


def test_a_line_in_json_is_the_same_to_a_program_and_as_harmless_to_a_terminal(log_file):
    logs.start("INFO", str(log_file), "json")
    say("%s", FORGED, level=logging.WARNING)
    (line,) = log_file.read_text().splitlines()
    told = json.loads(line)
    assert told.pop("time").endswith("Z")
    assert told == {"level": "warning", "action": "copied", "text": FORGED.replace("\udce9", "?")}
    assert not logs._UNFIT.search(line)


@pytest.mark.parametrize("form", logs.FORMATS)
def test_a_defect_is_one_line_with_its_trace(log_file, form):
    logs.start("INFO", str(log_file), form)
    try:
        int("x")
    except ValueError:
        logging.getLogger("supervisor").exception("report it", extra={"action": "unexpected"})
    (line,) = log_file.read_text().splitlines()
    assert "Traceback" in line
    assert "ValueError: invalid literal" in line


def test_what_is_below_the_level_is_not_logged(log_file):
    logs.start("WARNING", str(log_file))
    say("x")
    assert log_file.read_text() == ""


def test_libraries_that_tell_what_they_send_are_kept_quiet(log_file):
    logs.start("DEBUG", str(log_file))
    logging.getLogger("urllib3.connectionpool").debug("GET /api?apikey=secret")
    assert "secret" not in log_file.read_text()


def test_a_rotated_file_is_left_and_a_new_one_begun(log_file):
    logs.start("INFO", str(log_file))
    say("first")
    log_file.rename(f"{log_file}.1")
    say("second")
    assert "second" in log_file.read_text()
    assert "second" not in Path(f"{log_file}.1").read_text()


def test_a_file_that_cannot_be_opened_anew_stops_nobody(log_file, capsys):
    log_file = log_file.parent / "logs" / "log"
    log_file.parent.mkdir()
    logs.start("INFO", str(log_file))
    log_file.parent.rename(log_file.parent.parent / "elsewhere")
    say("lost")
    assert "No such file" in capsys.readouterr().err
    log_file.parent.mkdir()
    say("found")
    assert "found" in log_file.read_text()


def in_the_journal(*, ours: bool) -> str:
    """Log a warning in a process of its own, whose standard error is a pipe; return what came out of it."""
    reading, writing = os.pipe()
    status = os.fstat(writing)
    stream = f"{status.st_dev}:{status.st_ino}" if ours else "1:2"
    code = "from supervisor import logs; logs.start('INFO', ''); import logging; logging.warning('x y')"
    with open(reading, encoding="utf-8") as pipe:
        subprocess.run(
            [sys.executable, "-c", code], stderr=writing, check=True, cwd=ROOT,
            env={"PATH": os.environ["PATH"], "JOURNAL_STREAM": stream},
        )  # fmt: skip
        os.close(writing)
        return pipe.read()


def test_to_journald_a_line_has_its_priority_and_no_time_and_elsewhere_it_is_the_other_way_round():
    assert in_the_journal(ours=True) == '<4>level=warning action=library text="x y"\n'
    assert in_the_journal(ours=False).startswith("time=")


# -- docs/logs.md ------------------------------------------------------------------------------------------------------

LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}


def calls():
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                yield name, node, node.func


def logged():
    """Yield where each line of the log is made, and its action as it is written there."""
    for name, node, call in calls():
        if getattr(call.value, "id", "") == "log" and call.attr in LEVELS:
            extra = next((word.value for word in node.keywords if word.arg == "extra"), ast.Dict([], []))
            pairs = {key.value: value for key, value in zip(extra.keys, extra.values, strict=True)}
            yield f"{name}:{node.lineno}", pairs.get("action")


def actions():
    """Return every action that there can be."""
    found = {"library"} | set(State) | set(Move) | {*spool.EVENTS, *spool.COMMANDS}
    found |= {action.value for _, action in logged() if isinstance(action, ast.Constant)}
    for _, node, call in calls():
        if call.attr == "tell" and isinstance(node.args[1], ast.Constant):
            found.add(node.args[1].value)
    return found


def test_every_line_says_its_action():
    assert [place for place, action in logged() if action is None] == []


def test_the_documented_actions_are_those_that_there_are():
    table = Path(ROOT, "docs", "logs.md").read_text().partition("## Actions")[2]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    documented = [action for row in rows for action in re.findall(r"`([\w-]+)`", row)]
    assert sorted(documented) == sorted(actions())
