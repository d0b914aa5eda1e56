import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time

import pytest

from supervisor import cli, spool
from supervisor.adapters.processes import start_time
from supervisor.commands import arguments
from supervisor.jobs import Job, Notice, Proof, State, Telling
from supervisor.journal import Journal, place
from supervisor.observation.snapshot import RTorrent, Snapshot, to_json
from tests.support.needs import ROOT
from tests.support.rtorrents import until

HASH = "0123456789ABCDEF0123456789ABCDEF01234567"
SEEDCACHE = [sys.executable, "-c", "import sys; from supervisor.cli import main; sys.exit(main())"]


@pytest.fixture
def state(tmp_path):
    for name in ("spool", "run", "ssd", "hdd"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def environ(state):
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(state),
        "SEEDCACHE_STATE_DIR": str(state),
        "DOWNLOAD_PATH_SSD": str(state / "ssd"),
        "FINAL_DEST_BASE_HDD": str(state / "hdd"),
        "SCGI_URL": str(state / "rpc"),
    }


@pytest.fixture
def seedcache(environ):
    def run(*words, **more):
        return subprocess.run(
            [*SEEDCACHE, *words], env=environ | more, capture_output=True, text=True, check=False, timeout=200
        )

    return run


def job(job_hash=HASH, state=State.CACHED, **changes):
    now = time.time()
    return Job(job_hash, state, now - 100, now - 60, **({"name": "A torrent", "proof": Proof.READ_BACK} | changes))


def fill(state, *jobs, notices=()):
    journal = Journal(place(str(state)))
    journal.write(jobs, notices)
    journal.close()


def entries(state):
    return sorted(os.listdir(state / "spool"))


def running(state):
    """Make this test process pass for the supervisor."""
    now = time.time()
    pid = os.getpid()
    shot = Snapshot(now, pid, start_time(pid), "1", True, False, "", (), (), RTorrent(reachable=True, since=now))
    (state / "run" / "live.json").write_bytes(to_json(shot))


# -- submit ------------------------------------------------------------------------------------------------------------


def test_submit_is_answered_before_anything_else_is_imported(environ, state):
    code = "import sys; from supervisor.cli import main; main(); print(*sys.modules)"
    bare = subprocess.run(
        [sys.executable, "-c", "import sys, os; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "submit", HASH], env=environ, capture_output=True, text=True, check=True
    )
    more = set(done.stdout.split()) - set(bare.stdout.split())
    assert more == {"supervisor", "supervisor.cli", "supervisor.spool", "supervisor.submit"}
    assert entries(state) == [f"{HASH}.finished"]


@pytest.mark.parametrize(
    "words", [["-d", "{}", "submit", HASH], ["submit", "-d", "{}", HASH], ["--state-dir={}", "submit", HASH]]
)
def test_the_state_directory_may_be_named_before_or_after_the_command(seedcache, state, tmp_path, words):
    other = tmp_path / "other"
    (other / "spool").mkdir(parents=True)
    done = seedcache(*(word.format(other) for word in words))
    assert (done.returncode, done.stderr) == (0, "")
    assert entries(other) == [f"{HASH}.finished"]
    assert entries(state) == []


def test_submit_help_is_help_and_no_hash(seedcache, state):
    done = seedcache("submit", "--help")
    assert done.returncode == 0
    assert "example: seedcache submit" in done.stdout
    assert entries(state) == []


def test_nonsense_is_refused_alike_by_both_roads(seedcache, state):
    assert seedcache("submit", "xyz").returncode == 2
    assert seedcache("-d", str(state), "submit", "xyz").returncode == 2
    assert entries(state) == []


# -- asking for something ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "at", "entry"),
    [
        (["queue", "retry"], State.FAILED, f"{HASH}.retry"),
        (["queue", "cancel"], State.WAITING, f"{HASH}.cancel"),
        (["relocate"], State.CACHED, f"{HASH}.relocate"),
        (["verify"], State.RELOCATED, f"{HASH}.verify"),
    ],
)
def test_a_request_for_one_torrent_becomes_an_entry_that_the_supervisor_understands(seedcache, state, words, at, entry):
    fill(state, job(state=at), job("F" * 40))
    done = seedcache(*words, HASH[:6].lower())
    assert (done.returncode, done.stderr) == (0, "")
    assert f"asked: {words[-1]} {HASH} A torrent" in done.stdout
    assert "it will be done when `seedcache run` starts" in done.stdout
    assert entries(state) == [entry]
    assert spool.scan(str(state))[1] == []


@pytest.mark.parametrize(
    ("words", "entry"),
    [
        (["queue", "process"], "all.process"),
        (["queue", "clear"], "all.clear"),
        (["space", "run", "--no-wait"], "all.space"),
        (["check", "--trust"], "all.trust"),
    ],
)
def test_a_request_for_everything_says_whether_somebody_is_there_to_do_it(seedcache, state, words, entry):
    assert "when `seedcache run` starts" in seedcache(*words).stdout
    running(state)
    assert "is running" in seedcache(*words).stdout
    assert entries(state) == [entry]
    assert spool.scan(str(state))[1] == []


@pytest.mark.parametrize(
    ("words", "at"),
    [
        (["relocate"], State.WAITING),
        (["verify"], State.FAILED),
        (["queue", "cancel"], State.CACHED),
        (["queue", "retry"], State.CACHED),
    ],
)
def test_what_cannot_be_done_in_a_state_is_refused_at_once(seedcache, state, words, at):
    fill(state, job(state=at))
    done = seedcache(*words, HASH)
    assert done.returncode == 1
    assert f"is {at}" in done.stderr
    assert entries(state) == []


def test_a_torrent_whose_service_was_not_told_can_be_retried_in_any_state(seedcache, state):
    fill(state, job(), notices=[Notice(HASH, "sonarr", Telling.FAILED, 0)])
    assert seedcache("queue", "retry", HASH).returncode == 0


def test_a_hash_that_is_still_in_the_spool_only_can_be_asked_for(seedcache, state):
    fill(state)
    done = seedcache("queue", "cancel", HASH)
    assert done.returncode == 0
    assert "not in the journal yet" in done.stdout


def test_a_beginning_that_fits_nothing_or_two_is_a_usage_error(seedcache, state):
    fill(state, job("AA" + "0" * 38), job("AB" + "0" * 38))
    for text in ("a", "c", "nonsense", "../../x"):
        done = seedcache("verify", text)
        assert done.returncode == 2, text
        assert len(done.stderr.splitlines()) == 1
    assert entries(state) == []


def test_a_spool_that_is_not_there_is_an_error_that_names_it(seedcache, state):
    (state / "spool").rmdir()
    done = seedcache("space", "run")
    assert done.returncode == 1
    assert str(state / "spool") in done.stderr


# -- where the state is ------------------------------------------------------------------------------------------------


def test_the_settings_file_is_loaded_only_if_it_may_name_the_state_directory(environ, state, tmp_path):
    del environ["SEEDCACHE_STATE_DIR"]
    fill(state)
    file = tmp_path / "settings.toml"
    code = "import sys; from supervisor.cli import main; main(); print('dynaconf' in sys.modules, file=sys.stderr)"

    def status():
        command = [sys.executable, "-c", code, "--config", str(file), "status"]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    file.write_text(f'STATE_DIR = "{state}"\n')
    done = status()
    assert str(state) in done.stdout
    assert done.stderr == "True\n"
    file.write_text(f'[State]\ndir = "{state}"\n')
    assert str(state) in status().stdout
    file.write_text('log_level = "INFO"\n')
    done = status()
    assert "/var/lib/seedcache" in done.stderr
    assert done.stderr.endswith("False\n")


def test_a_settings_file_that_was_named_and_is_not_there_is_an_error(seedcache, tmp_path):
    done = seedcache("--config", str(tmp_path / "no.toml"), "status", SEEDCACHE_STATE_DIR="")
    assert done.returncode == 3
    assert "no.toml" in done.stderr


# -- errors ------------------------------------------------------------------------------------------------------------


def test_all_problems_of_the_settings_are_lines_on_stderr_and_exit_3(seedcache):
    done = seedcache("config", "show", DOWNLOAD_PATH_SSD="relative", SEEDCACHE_METRICS_PORT="x")
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 2
    assert all(line.startswith("seedcache: ") for line in done.stderr.splitlines())


def test_rtorrent_that_is_not_there_is_exit_4(seedcache, state):
    fill(state)
    done = seedcache("space", "plan")
    assert done.returncode == 4
    assert str(state / "rpc") in done.stderr


def test_a_defect_is_one_line_and_a_traceback_only_on_demand(seedcache, state):
    fill(state)
    with open(place(str(state)), "r+b") as file:
        file.seek(200)
        file.write(b"\xff" * 8000)
    done = seedcache("status")
    assert done.returncode in (1, 3)
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_a_traceback_is_shown_on_demand(monkeypatch, capsys):
    def broken(_options):
        raise RuntimeError("broken")

    monkeypatch.setattr(cli, "_status", broken)
    assert cli.main(["status"]) == 1
    assert "this is a defect" in capsys.readouterr().err
    monkeypatch.setenv("SEEDCACHE_DEBUG", "1")
    with pytest.raises(RuntimeError):
        cli.main(["status"])


def test_ctrl_c_is_130_without_a_word(monkeypatch, capsys):
    def interrupted(_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_status", interrupted)
    assert cli.main(["status"]) == 130
    assert capsys.readouterr().err == ""


def test_a_reader_that_hangs_up_is_no_defect(environ, state):
    fill(state, *(job(f"{n:040X}", State.FAILED, reason="x" * 300) for n in range(2000)))
    process = subprocess.Popen(
        [*SEEDCACHE, "queue", "list"], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 1


# -- showing -----------------------------------------------------------------------------------------------------------


def test_status_is_for_people_and_for_programs(seedcache, state):
    fill(state, job(), job("F" * 40, State.FAILED, reason="no space"))
    assert "no space" in seedcache("status").stdout
    told = json.loads(seedcache("status", "--json").stdout)
    assert (told["version"], told["jobs"]["failed"], told["running"]) == (1, 1, False)


def test_a_name_reaches_a_pipe_whole_and_a_poor_terminal_as_far_as_it_goes(seedcache, state):
    fill(state, job(state=State.FAILED, name="Ünï\x1b[31m"))
    assert "Ünï?[31m" in seedcache("queue", "list", PYTHONIOENCODING="utf-8").stdout
    assert "?n??[31m" in seedcache("queue", "list", PYTHONIOENCODING="ascii").stdout


def test_queue_list_shows_what_is_not_done_with_reasons(seedcache, state):
    fill(
        state,
        job("A" * 40, State.WAITING, due=time.time() + 600, reason="HDD full"),
        job("B" * 40, State.SUBMITTED),
        job("C" * 40, State.CACHED),
    )
    text = seedcache("queue", "list").stdout
    assert text.index("BBBBBBBB submitted") < text.index("AAAAAAAA waiting")
    assert re.search(r"HDD full; again in 9 min \d+ s", text)
    assert "CCCCCCCC" not in text
    assert [each["state"] for each in json.loads(seedcache("queue", "list", "--json").stdout)["jobs"]] == [
        "submitted",
        "waiting",
    ]


def test_an_empty_queue_says_so(seedcache, state):
    fill(state, job())
    assert seedcache("queue", "list").stdout == "nothing is being copied, queued, waiting or failed\n"


def test_watch_draws_anew_in_place_until_ctrl_c(environ, state):
    fill(state, job())
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [*SEEDCACHE, "status", "--watch"], env=environ | {"TERM": "xterm"}, stdin=child, stdout=child, stderr=child,
        start_new_session=True,
    )  # fmt: skip
    os.close(child)
    seen = b""

    def drawn_twice():
        nonlocal seen
        seen += os.read(parent, 65536)
        return seen.count(b"\x1b[H") >= 3  # once when the screen is entered

    until(drawn_twice, "it was drawn twice")
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(OSError):  # the other end is closed
        while more := os.read(parent, 65536):
            seen += more
    os.close(parent)
    assert process.wait(60) == 0
    assert seen.startswith(b"\x1b[?1049h")  # a screen of its own (console_codes(4), xterm's alternate screen)
    assert seen.endswith((b"\x1b[?1049l\x1b[?25h", b"\x1b[?25h\x1b[?1049l"))  # left, and the cursor is back
    assert b"down" in seen


def test_watch_with_json_is_an_object_a_line_until_ctrl_c(environ, state):
    fill(state, job())
    with subprocess.Popen(
        [*SEEDCACHE, "status", "--watch", "--json"], env=environ, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        first, second = (json.loads(process.stdout.readline()) for _ in range(2))
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert all(json.loads(line)["version"] == 1 for line in process.stdout)
    assert first["at"] < second["at"]
    assert first["jobs"] == second["jobs"]


def test_config_show_hides_keys_and_names_sources(seedcache):
    done = seedcache("config", "show", SONARR_API_KEY="verysecretkey", SONARR_URL="http://x:1")
    assert "verysecretkey" not in done.stdout
    assert re.search(r"SONARR_URL = http://x:1 +# environment variable SONARR_URL", done.stdout)
    told = json.loads(seedcache("config", "show", "--json").stdout)
    assert told["settings"]["METRICS_PORT"] == {"value": "9797", "source": "default"}


def test_hook_print_is_what_install_writes(seedcache, tmp_path, environ):
    rc = tmp_path / "rc"
    rc.touch()
    lines = seedcache("hook", "print").stdout
    assert lines.startswith("method.set_key = event.download.finished, seedcache, ")
    assert lines.count(environ["SEEDCACHE_STATE_DIR"]) == 2
    assert seedcache("hook", "install", str(rc)).returncode == 0
    assert lines in rc.read_text()


def test_hook_install_wants_to_know_where(seedcache):
    done = seedcache("hook", "install")
    assert done.returncode == 2
    assert "--live" in done.stderr


# -- the grammar -------------------------------------------------------------------------------------------------------


def parsers(top):
    yield top
    for action in top._actions:
        if hasattr(action, "choices") and isinstance(action.choices, dict):
            for made in action.choices.values():
                yield from parsers(made)


def test_every_command_has_help_with_an_example_that_parses():
    found = list(parsers(arguments.parser()))
    assert len(found) == 27
    for made in found:
        examples = re.findall(r"^(?:example:|  )? ?seedcache (.*)", made.epilog, re.MULTILINE)
        assert examples
        for example in examples:
            command, _, _ = re.sub(r"[|>].*", "", example).partition("~")
            assert arguments.parser().parse_args(command.split()).handler


def test_every_command_has_its_function():
    for made in parsers(arguments.parser()):
        handler = made.get_default("handler")
        assert handler is None or callable(getattr(cli, f"_{handler}"))


def test_every_entry_that_a_command_writes_is_one_the_spool_knows():
    events = {made.get_default("event") for made in parsers(arguments.parser())} - {None, "finished"}
    assert events | {"trust", "space"} == set(spool.COMMANDS) | set(spool.QUEUE_COMMANDS)


@pytest.mark.parametrize("words", [[], ["nonsense"], ["queue"], ["queue", "nonsense"], ["verify"], ["status", "extra"]])
def test_a_wrong_command_line_is_exit_2_with_the_usage(seedcache, words):
    done = seedcache(*words)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: seedcache")


def test_the_installed_command_is_this_one(environ):
    command = os.path.join(sys.prefix, "bin", "seedcache")
    done = subprocess.run([command, "--help"], env=environ, capture_output=True, text=True, check=True, cwd=ROOT)
    assert "seedcache status --watch" in done.stdout
