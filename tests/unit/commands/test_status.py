import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from supervisor.adapters.processes import start_time
from supervisor.commands import display, plain, status
from supervisor.commands.reader import Reader
from supervisor.errors import ConfigurationError, InvalidInput
from supervisor.jobs import Event, Job, Notice, Proof, State, Telling
from supervisor.journal import Journal, place
from supervisor.observation.snapshot import Disk, Held, Leaving, RTorrent, Snapshot, Worker, to_json
from tests.support.needs import ROOT, need_root

NOW = 1_800_000_000.0
HOSTILE = "Evil\x1b[2J\x07\n\u202efdp.exe\u2066\x9b31m\u200b\ud800 日本語 é"


def hash_of(number):
    return f"{number:040X}"


def job(number, state, **changes):
    return Job(hash_of(number), state, NOW - 100, NOW - 60, **({"name": f"Torrent {number}", "size": 10**9} | changes))


@pytest.fixture
def state(tmp_path):
    for name in ("spool", "run"):
        (tmp_path / name).mkdir()
    Journal(place(str(tmp_path))).close()
    return tmp_path


def fill(state, jobs=(), notices=(), events=()):
    journal = Journal(place(str(state)))
    journal.write(jobs, notices, events)
    journal.close()


def snapshot(**changes):
    """Return a snapshot of a supervisor that runs: this process."""
    return replace(
        Snapshot(
            at=NOW - 1,
            pid=os.getpid(),
            started=start_time(os.getpid()),
            version="9.9",
            ready=True,
            draining=False,
            journal_error="",
            workers=(Worker("copier-1", "copier", 1, up=True, heard=NOW), Worker("space", "space", 0, False, NOW)),
            disks=(
                Disk("ssd", "/ssd", 100 << 30, 40 << 30, trusted=True),
                Disk("hdd", "/hdd", 1 << 40, 0, trusted=True),
            ),
            rtorrent=RTorrent(reachable=True, since=NOW - 9),
            low_mark=20 << 30,
            high_mark=20 << 30,
        ),
        **changes,
    )


def live(state, shot):
    (state / "run" / "live.json").write_bytes(to_json(shot))


def shown(state, now=NOW):
    lines = list(plain.render(status.gather(str(state), now)))
    assert all(display.columns(line) <= 80 for line in lines), max(lines, key=display.columns)
    return "\n".join(lines)


def test_what_waits_for_an_hour_or_for_room_is_said(state):
    waits = {"room": 2, "copy-hours": 12, "daily-budget": 1}
    live(state, snapshot(waiting_for=waits, opens={"copy-hours": NOW + 3 * 3600}))
    text = shown(state)
    assert "! 2 torrents fit on no HDD" in text
    assert "12 torrents wait for COPY_HOURS, which open in 3 h" in text
    assert "1 torrents wait for tomorrow: HDD_DAILY_BUDGET is used up" in text
    assert "RELOCATION_HOURS" not in text


# -- up and down -------------------------------------------------------------------------------------------------------


def test_what_is_held_is_shown_with_its_reason_and_since_when_and_no_more_than_a_few(state):
    held = tuple(Held(hash_of(each), HOSTILE, 10, 7, NOW - 90, f"{HOSTILE}: no room") for each in range(7))
    live(state, snapshot(held=(replace(held[0], since=0.0), *held[1:])))
    text = shown(state)
    assert "Held, for want of room: 7, the oldest 5 of them" in text
    lines = [line for line in text.splitlines() if "to come" in line]
    assert len(lines) == 5
    assert all("7 B of 10 B to come" in line and len(line) <= 80 for line in lines)
    assert text.count("for 1 min 30 s: ") == 4  # that of the first is not known
    assert text.count("no room") == 5
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_while_the_supervisor_is_down_it_says_so_and_shows_what_the_journal_has(state):
    fill(state, [job(1, State.FAILED, reason="no space"), job(2, State.CACHED), job(3, State.SUBMITTED)])
    text = shown(state)
    assert "down" in text.splitlines()[0]
    assert "start `seedcache run`" in " ".join(text.split())
    assert "00000000 Torrent 1" in text
    assert "no space" in text
    assert "Queue: 1" in text
    assert re.search(r"1 submitted, .*1 cached, .*1 failed", text)


def test_a_snapshot_of_a_process_that_is_gone_does_not_count_as_up(state):
    gone = subprocess.Popen(["true"])
    gone.wait()
    live(state, snapshot(pid=gone.pid, started=NOW - 500))
    view = status.gather(str(state), NOW)
    assert not view.daemon.running
    assert "40.0 GiB of 100.0 GiB free when last seen" in "\n".join(plain.render(view))


def test_a_process_that_has_got_the_pid_since_does_not_count_as_up(state):
    live(state, snapshot(at=NOW - 3600, started=start_time(os.getpid()) - 5000))
    assert not status.gather(str(state), NOW).daemon.running


def test_an_idle_supervisor_whose_last_snapshot_is_old_is_up(state):
    live(state, snapshot(at=NOW - 3600))
    assert status.gather(str(state), NOW).daemon.running


def test_a_clock_that_was_set_after_the_start_does_not_make_it_down(state):
    live(state, snapshot(at=NOW - 1, started=1000.0))
    assert status.gather(str(state), NOW).daemon.running


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"\xff", b"[]", b'{"workers": [], "disks": [], "rtorrent": {"x": 1}}', b"null"]
)
def test_a_snapshot_that_is_broken_is_as_none(state, content):
    (state / "run" / "live.json").write_bytes(content)
    assert "down" in shown(state)


def test_without_a_journal_the_error_says_how_to_get_one(tmp_path):
    with pytest.raises(ConfigurationError, match="seedcache run"):
        status.gather(str(tmp_path), NOW)


def test_up_it_shows_disks_and_workers(state):
    live(state, snapshot())
    text = shown(state)
    assert "seedcache 9.9: up for" in text
    assert "SSD [############--------]  60 %  40.0 GiB of 100.0 GiB free" in text
    assert "relocates below 20.0 GiB" in text
    assert re.search(r"copier-1 +idle", text)
    assert re.search(r"space +starting", text)
    assert "!" not in text


def test_a_working_worker_has_a_bar_a_rate_and_an_eta(state):
    worker = Worker(
        "copier-1", "copier", 1, True, NOW, hash_of(7), "A torrent", "copy", NOW - 50, 50 << 30, 100 << 30, 512 << 20
    )
    live(state, snapshot(workers=(worker,)))
    text = shown(state)
    assert re.search(r"copier-1 +copy +00000000 A torrent", text)
    assert re.search(r"\[#####-----\]  50 % 50.0 of 100.0 GiB  512.0 MiB/s  ETA 1 min 40 s", text)


def test_every_problem_of_the_running_supervisor_is_named_first(state):
    live(
        state,
        snapshot(
            journal_error="disk full",
            draining=True,
            low_space=True,
            relocations_planned=3,
            read_back=False,
            rtorrent=RTorrent(False, NOW - 300, "nothing listens there"),
            disks=(Disk("hdd", "/hdd", 0, 0, trusted=False),),
        ),
    )
    fill(state, [job(1, State.FAILED)], [Notice(hash_of(1), "sonarr", Telling.FAILED, NOW, reason="wrong key")])
    text = shown(state)
    problems = [line for line in text.splitlines() if line.startswith("! ")]
    assert len(problems) == 8
    for word in (
        "disk full",
        "/hdd",
        "5 min",
        "nothing listens",
        "told to stop",
        "20.0 GiB",
        "VERIFICATION",
        "1 failed",
    ):
        assert word in text
    assert "sonarr" in text
    assert "wrong key" in text


def test_lists_show_the_oldest_and_say_how_many_there_are(state):
    fill(state, [job(n, State.WAITING, due=NOW + 90, attempts=2, reason="the HDD is away") for n in range(1, 9)])
    text = shown(state)
    assert "Waiting for another try: 8, the oldest 5 of them" in text
    assert text.count("the HDD is away") == 5
    assert "in 1 min 30 s, 2 failed" in text


def test_a_long_reason_is_wrapped_and_not_cut(state):
    reason = " ".join(f"word{n}" for n in range(60))
    fill(state, [job(1, State.FAILED, reason=reason)])
    assert reason.split() == [word for word in shown(state).split() if word.startswith("word")]


def test_last_events_carry_the_name_of_their_torrent(state):
    fill(
        state,
        [job(1, State.CACHED)],
        events=[Event(NOW - 5, hash_of(1), "cached", ""), Event(NOW, hash_of(9), "x", "?")],
    )
    assert re.search(r"5 s ago +00000000 cached +Torrent 1", shown(state))


# -- other users -------------------------------------------------------------------------------------------------------


def as_nobody(*words):
    """Run a command as a user who may only read."""
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-m", "supervisor.cli"]
    return subprocess.run([*command, *words], capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.fixture
def public():
    """A state directory that everybody may read: what pytest makes is for root alone."""
    need_root()
    with tempfile.TemporaryDirectory() as top:
        os.chmod(top, 0o755)
        for name in ("spool", "run"):
            os.mkdir(f"{top}/{name}")
        Journal(place(top)).close()
        yield Path(top)


@pytest.mark.parametrize("killed", [False, True])
def test_somebody_who_may_not_write_sees_what_a_supervisor_that_is_down_has_left(public, killed):
    code = (
        "import os, sys; from supervisor.journal import Journal, place; from supervisor.jobs import Job, State;"
        "journal = Journal(place(sys.argv[1])); journal.write([Job('A' * 40, State.FAILED, 1, 1, reason='why')]);"
        + ("os.kill(os.getpid(), 9)" if killed else "journal.close()")
    )
    subprocess.run([sys.executable, "-c", code, str(public)], cwd=ROOT, check=False)
    assert (public / "journal.sqlite-wal").exists() == killed
    done = as_nobody("-d", str(public), "status")
    assert done.returncode == 0, done.stderr
    assert "seedcache: down" in done.stdout
    assert "why" in done.stdout


def test_somebody_who_may_not_see_whether_it_runs_is_not_told_that_it_does_not(public):
    live(public, snapshot())
    os.chmod(public / "run", 0o700)
    done = as_nobody("-d", str(public), "status")
    assert "not to be seen" in done.stdout
    assert "sudo" in done.stdout
    assert "not running" not in done.stdout
    assert json.loads(as_nobody("-d", str(public), "status", "--json").stdout)["running"] is None


# -- hostile names -----------------------------------------------------------------------------------------------------


def test_a_hostile_name_cannot_reach_the_terminal(state):
    name = HOSTILE.replace("\ud800", "")
    worker = Worker("copier-1", "copier", 1, True, NOW, hash_of(1), HOSTILE, "copy", NOW, 1, 2, 1.0)
    live(state, snapshot(workers=(worker,), rtorrent=RTorrent(False, NOW, "\x1b[31merror")))
    fill(
        state,
        [
            job(1, State.FAILED, name=name, reason=name),
            job(2, State.SUBMITTED, name=name),
            job(3, State.WAITING, name=name),
        ],
        events=[Event(NOW, hash_of(1), "failed", name)],
    )
    text = shown(state)
    assert text.isprintable() or all(letter.isprintable() or letter == "\n" for letter in text)
    for bad in "\x1b\x07\x9b\u202e\u2066\u200b\ud800":
        assert bad not in text
    assert "日本語 é" in text
    text.encode()


@pytest.mark.parametrize(("encoding", "expected"), [("utf-8", "日本 é?"), ("ascii", "?? ??"), ("latin-1", "?? é?")])
def test_a_name_is_shown_as_far_as_the_terminal_can(encoding, expected):
    assert display.clean("日本 é\x1b", encoding) == expected


def test_wide_letters_are_counted_as_two_columns():
    assert display.columns("日本é") == 5
    assert display.fit("日本語日本語", 7) == "日本.. "
    assert display.fit("abc", 5) == "abc  "
    assert display.fit("e\u0301" * 3, 3) == "e\u0301" * 3


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (-5, "0 s"), (59.9, "59 s"), (60, "1 min"), (302, "5 min 2 s"), (3600, "1 h"), (90000, "1 d 1 h")],
)
def test_spans(seconds, text):
    assert display.span(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1 << 60, "1024.0 PiB")])
def test_sizes(count, text):
    assert display.size(count) == text


@pytest.mark.parametrize(
    ("done", "total", "text"), [(0, 0, "  0 %"), (999, 1000, " 99 %"), (1000, 1000, "100 %"), (9, 1, "100 %")]
)
def test_a_hundred_percent_is_said_only_when_it_is_all(done, total, text):
    assert display.percent(done, total) == text
    assert len(display.bar(done, total, 10)) == 12


# -- for programs ------------------------------------------------------------------------------------------------------


def test_json_has_a_version_and_everything_in_bytes_and_seconds(state):
    worker = Worker("copier-1", "copier", 1, True, NOW, hash_of(1), "x", "copy", NOW, 50, 100, 10.0)
    live(state, snapshot(workers=(worker,)))
    odd = job(1, State.WAITING, source=b"/ssd/\xff", name="Näme", proof=Proof.NONE)
    fill(state, [odd], events=[Event(NOW, hash_of(1), "waiting", "text")])
    told = json.loads(json.dumps(status.as_dict(status.gather(str(state), NOW))))
    assert told["version"] == 1
    assert told["running"] is True
    assert set(told["jobs"]) == {str(state) for state in State}
    assert told["snapshot"]["workers"][0]["eta_seconds"] == 5.0
    assert told["waiting"][0]["source"] == "/ssd/\\xff"
    assert told["waiting"][0]["name"] == "Näme"
    assert told["events"][0]["action"] == "waiting"


def closed(schema):
    """Return the schema with every object closed: a name that is not documented is an error."""
    if isinstance(schema, dict):
        more = (
            {"additionalProperties": False} if "properties" in schema and "additionalProperties" not in schema else {}
        )
        return {name: closed(value) for name, value in schema.items()} | more
    return [closed(each) for each in schema] if isinstance(schema, list) else schema


def test_the_documented_schema_is_what_the_program_has():
    done = subprocess.run([sys.executable, "packaging/status_schema.py", "--check"], cwd=ROOT, check=False)
    assert done.returncode == 0, "run: python packaging/status_schema.py"


def test_what_is_told_is_what_the_schema_says(state):
    schema = json.loads(Path(ROOT, "docs", "status.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(closed(schema))
    validator.check_schema(schema)
    validator.validate(status.as_dict(status.gather(str(state), NOW)))  # it never ran
    worker = Worker("copier-1", "copier", 1, True, NOW, hash_of(1), "x", "copy", NOW, 50, 100, 10.0)
    live(state, snapshot(workers=(worker,), leaving=(Leaving(hash_of(1), "x", 5),)))
    jobs = [job(number, each) for number, each in enumerate(State)]
    fill(state, jobs, [Notice(hash_of(1), "sonarr", Telling.FAILED, NOW)], [Event(NOW, hash_of(1), "cached", "")])
    told = json.loads(json.dumps(status.as_dict(status.gather(str(state), NOW))))
    assert told["snapshot"]["leaving"]
    assert told["events"]
    validator.validate(told)
    for broken in ({"version": 2}, {"new": 1}, {"running": "yes"}, {"jobs": {}}, {"failed": [{}]}):
        assert not validator.is_valid(told | broken)


# -- beginnings of hashes ----------------------------------------------------------------------------------------------


def test_a_beginning_that_one_torrent_has_is_enough(state):
    fill(
        state,
        [Job("AB" * 20, State.CACHED, 0, 0), Job("AC" * 20, State.CACHED, 0, 0), Job("F" * 40, State.CACHED, 0, 0)],
    )
    reader = Reader(str(state))
    assert reader.full_hash("ab") == "AB" * 20
    assert reader.full_hash("f") == "F" * 40
    assert reader.full_hash("1" * 40) == "1" * 40
    with pytest.raises(InvalidInput, match=f"several: {'AB' * 20}, {'AC' * 20}"):
        reader.full_hash("a")
    with pytest.raises(InvalidInput, match="begins with 12"):
        reader.full_hash("12")
    for nonsense in ("", "xyz", "a" * 41, "%", "*", "a b"):
        with pytest.raises(InvalidInput):
            reader.full_hash(nonsense)


# -- cost --------------------------------------------------------------------------------------------------------------


def test_of_a_hundred_thousand_jobs_it_reads_few_and_imports_nothing_heavy(state):
    states = [State.RELOCATED] * 9 + [State.CACHED, State.FAILED, State.WAITING, State.SUBMITTED]
    jobs = [job(n, states[n % len(states)]) for n in range(100_000)]
    notices = [Notice(hash_of(n), "sonarr", Telling.SENT, NOW) for n in range(20_000)]
    fill(state, jobs, notices, [Event(NOW, hash_of(n), "cached", "") for n in range(20_000)])
    live(state, snapshot())
    code = "import sys; from supervisor.cli import main; main(); print(*sys.modules, file=sys.stderr)"
    command = [sys.executable, "-c", code, "status", "-d", str(state)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Of the processor, and beside what all of them cost: the machine may be busy with other things.
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    heavy = {"dynaconf", "pyrosimple", "requests", "prometheus_client", "filelock", "inotify_simple", "asyncio"}
    assert not heavy & set(done.stderr.split())
    assert "relocated" in done.stdout
    journal = Journal(place(str(state)), read_only=True)
    began = time.process_time()
    assert len(list(journal.jobs(State))) == len(jobs)
    assert seconds < (time.process_time() - began) / 2
    journal.close()
