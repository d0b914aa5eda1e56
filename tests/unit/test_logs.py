"""One event is one line, whatever a torrent is called."""

import logging

import pytest

from supervisor import logs


@pytest.fixture
def log_file(tmp_path):
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield tmp_path / "log"
    for handler in root.handlers:
        if handler not in before[0]:
            handler.close()
    root.handlers[:], root.level = before


def test_a_name_cannot_forge_a_line_or_move_the_cursor(log_file):
    logs.start("INFO", str(log_file))
    logging.getLogger("supervisor").info("action=copied %s", "a\nlevel=ERROR forged\x1b[2J\u202ecba \N{ROCKET} é")
    (line,) = log_file.read_text().splitlines()
    assert line.endswith("action=copied a\\u000alevel=ERROR forged\\u001b[2J\\u202ecba \N{ROCKET} é")


def test_what_is_below_the_level_is_not_logged(log_file):
    logs.start("WARNING", str(log_file))
    logging.getLogger("supervisor").info("action=copied")
    assert log_file.read_text() == ""


def test_libraries_that_tell_what_they_send_are_kept_quiet(log_file):
    logs.start("DEBUG", str(log_file))
    logging.getLogger("urllib3.connectionpool").debug("GET /api?apikey=secret")
    assert "secret" not in log_file.read_text()
