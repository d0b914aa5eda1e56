"""The journal in an upgrade that is taken back: the schema goes back, and what has come in since is not lost."""

import importlib.util
import sqlite3
from pathlib import Path

import pytest

from supervisor.jobs import Job, State
from supervisor.journal import Journal, place
from tests.support.needs import ROOT

_spec = importlib.util.spec_from_file_location("journal_role", Path(ROOT, "ansible/roles/seedcache/files/journal.py"))
tool = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tool)

OLD, NEW = "A" * 40, "B" * 40


def job(number: str) -> Job:
    return Job(number, State.SUBMITTED, 1.0, 1.0)


@pytest.fixture
def state(tmp_path):
    (tmp_path / "spool").mkdir()
    journal = Journal(place(str(tmp_path)))
    journal.write([job(OLD)])
    journal.close()
    return tmp_path


def add(state: Path, number: str, schema: int | None = None) -> None:
    journal = Journal(place(str(state)))
    journal.write([job(number)])
    journal.close()
    if schema is not None:
        with sqlite3.connect(place(str(state))) as database:
            database.execute(f"PRAGMA user_version={schema}")


def known(state: Path) -> set[str]:
    journal = Journal(place(str(state)), read_only=True)
    found = {job.hash for job in journal.living()}
    journal.close()
    return found


def test_the_copy_holds_what_a_reader_that_is_still_there_keeps_in_the_write_ahead_log(state):
    reader = Journal(place(str(state)))  # as a `seedcache status` that runs: the log is not folded in
    add(state, NEW)
    assert tool.main("backup", str(state), "1.0") == 0
    reader.close()
    with sqlite3.connect(state / "backups" / "1.0.sqlite") as copy:
        assert {row[0] for row in copy.execute("SELECT hash FROM jobs")} == {OLD, NEW}


def test_a_journal_whose_schema_is_the_same_stays(state, capsys):
    tool.main("backup", str(state), "1.0")
    add(state, NEW)
    tool.main("restore", str(state), "1.0")
    assert "stays" in capsys.readouterr().out
    assert known(state) == {OLD, NEW}


def test_a_journal_that_a_newer_release_has_changed_is_put_back_and_what_came_in_is_submitted_again(state, capsys):
    tool.main("backup", str(state), "1.0")
    add(state, NEW, schema=99)
    tool.main("restore", str(state), "1.0")
    assert "put back" in capsys.readouterr().out
    assert known(state) == {OLD}
    assert [entry.name for entry in (state / "spool").iterdir()] == [f"{NEW}.finished"]
    assert (state / "journal.sqlite.newer").exists()


def test_the_oldest_copies_go_when_there_are_more_than_five(state):
    for number in range(8):
        tool.main("backup", str(state), f"1.{number}")
    assert len(list((state / "backups").iterdir())) == 5
    assert (state / "backups" / "1.7.sqlite").exists()


def test_without_a_journal_there_is_nothing_to_keep(tmp_path):
    assert tool.main("backup", str(tmp_path), "1.0") == 0
    assert tool.main("restore", str(tmp_path), "1.0") == 0
