"""The journal: all or nothing, one writer, any number of readers, bytes as they are."""

import os
import signal
import sqlite3
import subprocess
import sys

import pytest

from supervisor.errors import ConfigurationError
from supervisor.jobs import Bookmark, Event, Job, Notice, Proof, State, Telling
from supervisor.journal import _STEPS, Journal, JournalUnwritable
from tests.support.needs import ROOT

A, B = "A" * 40, "B" * 40
JOB = Job(
    A, State.CACHED, 1.5, 2.5, attempts=3, due=4.5, reason="x", name="Caf\xe9 \N{ROCKET}", label="tv/4K", size=1 << 60,
    multi=True, source=b"/ssd/\xff\xfe \n", destination=b"/hdd/\x80'\"", finished=5.5, proof=Proof.READ_BACK,
)  # fmt: skip


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "journal.sqlite")


@pytest.fixture
def journal(path):
    opened = Journal(path)
    yield opened
    opened.close()


def test_a_job_comes_back_as_it_was_to_the_last_byte(journal, path):
    journal.write([JOB])
    assert journal.job(A) == JOB
    journal.close()
    assert Journal(path).job(A) == JOB


def test_a_job_is_replaced_by_its_next_state(journal):
    journal.write([JOB])
    journal.write([JOB.to(State.RELOCATING, 9.0)])
    assert journal.job(A).state is State.RELOCATING
    assert journal.counts() == {State.RELOCATING: 1}


def test_all_of_a_turn_is_written_or_nothing(journal):
    journal.write([JOB])
    broken = Job(B, State.SUBMITTED, 1.0, 1.0, name=object())  # what SQLite cannot hold
    with pytest.raises(JournalUnwritable):
        journal.write([JOB.to(State.RELOCATING, 9.0), broken], events=[Event(1.0, A, "x", "y")])
    assert (journal.job(A), journal.job(B), journal.events(A)) == (JOB, None, [])
    journal.write([JOB.to(State.RELOCATING, 9.0)])  # and the next turn can be


def test_a_reader_reads_while_the_writer_writes(journal, path):
    journal.write([JOB])
    reader = Journal(path, read_only=True)
    journal.write(events=[Event(float(number), A, "x", str(number)) for number in range(50)])
    assert [event.text for event in reader.events(A, 2)] == ["49", "48"]
    with pytest.raises(JournalUnwritable):
        reader.write([JOB])
    reader.close()


def test_the_living_are_those_that_have_not_ended(journal):
    journal.write([JOB, Job(B, State.RELOCATED, 1.0, 1.0)])
    assert [job.hash for job in journal.living()] == [A]


def test_notices_are_found_by_state_and_by_torrent(journal):
    sent, pending = Notice(A, "sonarr", Telling.SENT, 1.0), Notice(B, "radarr", Telling.PENDING, 1.0, due=7.0)
    journal.write(notices=[sent, pending])
    assert journal.notices(Telling.PENDING) == [pending]
    assert journal.notices(None, A) == [sent]
    assert len(journal.notices()) == 2


def test_the_identity_of_a_file_system_is_remembered(journal):
    journal.trust(b"/hdd/\xff", "uuid=ab fsid=1")
    assert journal.filesystem(b"/hdd/\xff") == "uuid=ab fsid=1"
    assert journal.filesystem(b"/other") is None


@pytest.mark.parametrize(("written", "read"), [(str(2**64 - 1), "fsid=ffffffffffffffff"), ("0", None)])
def test_what_was_remembered_as_a_number_goes_on_to_count(journal, path, written, read):
    journal.close()
    with sqlite3.connect(path) as database:
        database.execute("INSERT INTO filesystems VALUES (?, ?)", (b"/hdd", written))
    database.close()
    again = Journal(path)
    assert again.filesystem(b"/hdd") == read
    again.close()


def test_one_that_a_newer_program_wrote_is_refused(journal, path):
    journal.close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(ConfigurationError, match="upgrade"):
        Journal(path)


@pytest.mark.parametrize("content", [b"", b"not a database, but long enough to look like one" * 50])
def test_one_that_is_none_is_refused_or_made(path, content):
    with open(path, "wb") as file:
        file.write(content)
    if content:
        with pytest.raises(ConfigurationError, match=path):
            Journal(path)
    else:
        Journal(path).close()


def test_one_that_is_not_there_cannot_be_read(path):
    with pytest.raises(ConfigurationError, match="started once"):
        Journal(path, read_only=True)
    assert not os.path.exists(path)


def test_what_was_written_survives_a_kill_of_the_writer(path):
    code = (
        "import sys, os, signal; from supervisor.journal import Journal; from supervisor.jobs import *\n"
        "journal = Journal(sys.argv[1])\n"
        "for number in range(100): journal.write([Job(f'{number:040X}', State.SUBMITTED, 1.0, 1.0)])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert sum(1 for _ in Journal(path).living()) == 100


def test_what_is_written_is_on_stable_storage_when_it_returns(path):
    """https://www.sqlite.org/pragma.html#pragma_synchronous: 2 is FULL, which syncs the log at each commit."""
    database = Journal(path)._database
    assert database.execute("PRAGMA synchronous").fetchone() == (2,)
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()


def test_one_of_the_first_version_is_brought_up_to_date_and_can_be_read_before(path):
    database = sqlite3.connect(path)
    database.executescript(f"{_STEPS[0]} PRAGMA user_version=1;")
    database.execute("INSERT INTO events (at, hash, action, text) VALUES (1.0, 'A', 'failed', 'x')")
    database.commit()
    database.close()
    before = Journal(path, read_only=True)
    assert (before.bookmarks(), before.last_event()) == ([], 1)
    before.close()
    writer = Journal(path)
    mark = Bookmark("webhook", 1, Telling.PENDING, 2, 3.0, "away", 4.0, 5)
    writer.write(bookmarks=[mark])
    assert writer.bookmarks() == [mark]
    assert [event.text for _, event in writer.events_of(["failed"], 0, 9)] == ["x"]
    assert writer.events_of(["failed"], 1, 9) == writer.events_of(["gone"], 0, 9) == []
    writer.close()
