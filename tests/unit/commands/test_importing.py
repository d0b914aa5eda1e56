"""Moving over from pyrosimple-manager, by the real command."""

import os
import subprocess
import sys
import tomllib
from types import SimpleNamespace

import pytest

from supervisor import settings, spool
from supervisor.commands import legacy
from supervisor.jobs import Job, State
from supervisor.journal import Journal, place
from tests.support.needs import ROOT

KEY = "0123456789abcdef0123456789abcdef"
# As its documentation has it, comments behind values included.
ENV = """\
# Core paths - MUST match your volume mounts exactly
DOWNLOAD_PATH_SSD="/downloads/ssd"          # Fast SSD cache
export FINAL_DEST_BASE_HDD='/downloads/the hdd'
SCGI_URL=/dev/shm/rtorrent.sock
MAX_CONCURRENT_PROCESSES=4                   # Max simultaneous torrent processes
DISK_SPACE_THRESHOLD_GB=250
VERIFICATION_ENABLED=true

NOTIFY_ARR_ENABLED=true
SONARR_API_KEY={key}
SONARR_TAG="tv"
RADARR_URL="http://radarr:7878"
RADARR_API_KEY=
LOG_LEVEL="INFO"   # DEBUG, INFO, WARNING, ERROR
PUID=568
what is this
"""
HASHES = [f"{number:040X}" for number in (1, 2, 3)]


@pytest.fixture
def moved(tmp_path):
    state = tmp_path / "state"
    (state / "spool").mkdir(parents=True)
    queue = tmp_path / "locks" / "queue"
    queue.mkdir(parents=True)
    for age, job_hash in enumerate(HASHES):
        (queue / f"{job_hash.lower()}_{1700000000 - age}.queue").write_text(f"{job_hash}\n{1700000000 - age}\n")
    (queue / f"{HASHES[0]}_1700000500.queue").write_text("queued twice")
    (queue / "0123_1.queue").write_text("")
    env = tmp_path / ".env"
    env.write_text(ENV.format(key=KEY) + f"LOCK_DIR={tmp_path}/locks\n")
    return SimpleNamespace(env=env, queue=queue, state=state, file=tmp_path / "etc" / "settings.toml", home=tmp_path)


def run(moved, *words, **environ):
    return subprocess.run(
        [sys.executable, "-m", "supervisor.cli", "--config", moved.file, "-d", moved.state, "import-legacy", *words],
        capture_output=True, text=True, check=False, cwd=ROOT, env={"PATH": os.environ["PATH"], **environ},
    )  # fmt: skip


def contents(path):
    return {item: item.read_bytes() for item in path.rglob("*") if item.is_file()}


def waiting(moved):
    return [job_hash for _, job_hash, _ in spool.scan(str(moved.state))[0]]


def test_without_yes_it_says_what_maps_to_what_and_changes_nothing(moved):
    before = contents(moved.home)
    done = run(moved, moved.env)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert "DOWNLOAD_PATH_SSD = /downloads/ssd" in lines
    assert "FINAL_DEST_BASE_HDD = /downloads/the hdd" in lines
    assert "SONARR_API_KEY = ********" in lines
    assert "SONARR_URL = http://sonarr:8989  (its default)" in lines
    assert "left out: PUID: seedcache has no such setting" in lines
    assert "left out: RADARR_URL: RADARR_API_KEY is not set: it was never told" in lines
    assert f"not understood: {moved.env}, line 16" in lines
    assert "not understood: 0123_1.queue" in lines
    assert [line for line in lines if "would be handed in" in line] == [
        f"{job_hash} would be handed in" for job_hash in reversed(HASHES)
    ]
    assert lines[-1] == "nothing was changed; with --yes it is done"
    assert KEY not in done.stdout
    assert contents(moved.home) == before


def test_with_yes_the_settings_are_in_force_and_the_queue_is_handed_in_the_oldest_first(moved):
    before = contents(moved.queue.parent)
    done = run(moved, moved.env, "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert "process_complete" in done.stdout
    loaded = settings.load(str(moved.file), {})
    assert loaded.download_path_ssd == "/downloads/ssd"
    assert loaded.final_dest_base_hdd == ("/downloads/the hdd",)
    assert (loaded.max_concurrent_processes, loaded.disk_space_threshold_gb) == (4, 250.0)
    assert (loaded.sonarr_url, loaded.sonarr_api_key, loaded.sonarr_tag) == ("http://sonarr:8989", KEY, "tv")
    assert loaded.radarr_url == ""
    assert loaded.state_dir == str(moved.state)
    assert moved.file.stat().st_mode & 0o777 == 0o640
    assert tomllib.loads(moved.file.read_text())["max_concurrent_processes"] == 4
    assert waiting(moved) == list(reversed(HASHES))
    assert contents(moved.queue.parent) == before


def test_done_again_it_changes_nothing_and_what_was_edited_stays(moved):
    run(moved, moved.env, "--yes")
    before = contents(moved.home)
    done = run(moved, moved.env, "--yes")
    assert "is left as it is; it says the same" in done.stdout
    assert contents(moved.home) == before
    moved.file.write_text(moved.file.read_text().replace("= 4", "= 1"))
    done = run(moved, moved.env, "--yes")
    assert "is left as it is; it differs in MAX_CONCURRENT_PROCESSES" in done.stdout
    assert "= 1" in moved.file.read_text()


def test_what_the_journal_knows_is_not_handed_in_again(moved):
    journal = Journal(place(str(moved.state)))
    journal.write([Job(HASHES[1], State.RELOCATED, 1.0, 1.0)])
    journal.close()
    done = run(moved, moved.env, "--yes")
    assert f"{HASHES[1]} is known already: relocated" in done.stdout
    assert waiting(moved) == [HASHES[2], HASHES[0]]


def test_inside_its_container_the_environment_is_enough(moved):
    done = run(moved, "--yes", "--queue", moved.queue, SONARR_API_KEY=KEY, DOWNLOAD_PATH_SSD="/ssd")
    assert done.returncode == 0, done.stderr
    loaded = settings.load(str(moved.file), {})
    assert (loaded.download_path_ssd, loaded.final_dest_base_hdd) == ("/ssd", ("/downloads/hdd",))
    assert loaded.max_concurrent_processes == 3  # its default, not ours
    assert "left out" not in done.stdout
    assert len(waiting(moved)) == 3


def test_a_value_that_cannot_be_is_named_and_nothing_is_written(moved):
    moved.env.write_text("DOWNLOAD_PATH_SSD=downloads\nMAX_CONCURRENT_PROCESSES=many\n")
    done = run(moved, moved.env, "--yes", "--queue", moved.queue)
    assert done.returncode == 3
    assert "DOWNLOAD_PATH_SSD (the predecessor's): 'downloads' is not an absolute path" in done.stderr
    assert "MAX_CONCURRENT_PROCESSES (the predecessor's): 'many'" in done.stderr
    assert "nothing was written" in done.stderr
    assert not moved.file.exists()
    assert waiting(moved) == []


def test_without_a_spool_the_settings_stay_and_the_queue_waits_until_there_is_one(moved):
    (moved.state / "spool").rmdir()
    done = run(moved, moved.env, "--yes")
    assert done.returncode == 3
    assert "Start `seedcache run` once" in done.stderr
    assert moved.file.exists()
    (moved.state / "spool").mkdir()
    assert run(moved, moved.env, "--yes").returncode == 0
    assert len(waiting(moved)) == 3


def test_a_file_that_is_not_there_is_an_error(moved):
    done = run(moved, moved.home / "no")
    assert done.returncode == 3
    assert "cannot be read" in done.stderr


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("  export  A = b  ", "b"),
        ("A=", ""),
        ("A=b # c", "b"),
        ("A=b#c", "b#c"),
        ('A="b # c" # d', "b # c"),
        ("A='b \"c\"'", 'b "c"'),
        ("A=http://x/?a=b", "http://x/?a=b"),
        ("A=it's", "it's"),
    ],
)
def test_a_line_of_an_environment_file(tmp_path, line, value):
    (tmp_path / "env").write_text(f"{line}\n# A=c\n\n")
    assert legacy.read_environment(str(tmp_path / "env")) == ({"A": value}, [])
