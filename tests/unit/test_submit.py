"""Both ways to submit, `seedcache submit` and the shell script, tried alike: they must write the same."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from supervisor import spool

HASH = "0123456789ABCDEF0123456789abcdef01234567"
SCRIPT = Path(__file__).parents[2] / "bin" / "seedcache-submit"
WAYS = {
    "python": [sys.executable, "-c", "import sys; from supervisor.submit import main; sys.exit(main(sys.argv[1:]))"],
    "script": [str(SCRIPT)],
}


@pytest.fixture
def state(tmp_path):
    (tmp_path / "spool").mkdir()
    return tmp_path


@pytest.fixture(params=WAYS, ids=list(WAYS))
def submit(request, state):
    def run(*words, **environment):
        return subprocess.run(
            [*WAYS[request.param], *words],
            env={"PATH": os.environ["PATH"], "SEEDCACHE_STATE_DIR": str(state), **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def names(state):
    return sorted(os.listdir(state / "spool"))


def test_a_submission_is_an_empty_file_named_after_hash_and_event(submit, state):
    assert submit(HASH).returncode == 0
    assert submit("-e", "inserted", HASH.lower()).returncode == 0
    assert names(state) == sorted([f"{HASH}.finished", f"{HASH.lower()}.inserted"])
    assert all((state / "spool" / name).stat().st_size == 0 for name in names(state))


def test_the_reader_finds_what_either_way_wrote(submit, state):
    submit(HASH.lower())
    assert spool.scan(str(state)) == ([(f"{HASH.lower()}.finished", HASH.upper(), "finished")], [])


def test_a_second_submission_joins_the_first_that_is_not_read_yet(submit, state):
    assert submit(HASH).returncode == 0
    assert submit(HASH).returncode == 0
    assert names(state) == [f"{HASH}.finished"]


def test_the_option_wins_over_the_environment(submit, tmp_path):
    other = tmp_path / "other"
    (other / "spool").mkdir(parents=True)
    assert submit("-d", str(other), HASH).returncode == 0
    assert names(other) == [f"{HASH}.finished"]


@pytest.mark.parametrize(
    "words",
    [
        [],
        [""],
        ["abc"],
        [HASH + "0"],
        [HASH[:-1] + "G"],
        [HASH[:-1] + "\n"],
        [HASH[:-1] + "é"],
        ["../../etc/passwd"],
        [HASH, HASH],
        ["-e", "erased", HASH],
        ["-e", "../x", HASH],
        ["-x", HASH],
        ["-d"],
    ],
)
def test_anything_else_is_refused_with_one_line_and_nothing_written(submit, state, words):
    done = submit(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("seedcache")
    assert len(done.stderr.splitlines()) == 1
    assert names(state) == []


def test_a_missing_spool_is_a_failure_that_names_the_place(submit, state):
    (state / "spool").rmdir()
    done = submit(HASH)
    assert done.returncode == 1
    assert str(state / "spool") in done.stderr


def test_files_that_are_no_entry_are_named_and_left_alone(state):
    for name in ("README", f"{HASH}.exe", "all.finished", f"{HASH}"):
        (state / "spool" / name).touch()
    entries, strange = spool.scan(str(state))
    assert entries == []
    assert sorted(strange) == sorted(["README", f"{HASH}.exe", "all.finished", HASH])
    assert len(names(state)) == 4
