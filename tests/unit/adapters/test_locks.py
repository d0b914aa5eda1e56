import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from supervisor.adapters import locks
from supervisor.errors import Busy, ConfigurationError, Exit

HOLDER = """
import sys
from supervisor.adapters import locks
with locks.hold(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "locks" / "space.lock")


@pytest.fixture
def holder():
    """Start real processes that hold a lock until their standard input ends."""
    processes = []

    def start(path: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_a_second_process_is_told_at_once_who_holds_the_lock(path, holder):
    process = holder(path)
    with pytest.raises(Busy, match=f"{path} is locked by process {process.pid}") as caught, locks.hold(path):
        pass
    assert caught.value.exit_code is Exit.BUSY


def test_the_kernel_releases_the_lock_of_a_holder_that_is_killed(path, holder):
    process = holder(path)
    process.kill()
    process.wait()
    with locks.hold(path):
        assert Path(path).read_text() == f"{os.getpid()}\n"


def test_the_lock_of_one_that_was_killed_and_cannot_end_is_free_for_the_next(path, holder):
    process = holder(path)
    process.send_signal(signal.SIGSTOP)  # it has its lock, and executes nothing
    locks.bury(path, process.pid + 1)
    with pytest.raises(Busy), locks.hold(path):
        pass
    locks.bury(path, process.pid)
    with locks.hold(path):
        with pytest.raises(Busy, match=f"process {os.getpid()}"), locks.hold(path):
            pass
        assert Path(path).read_text() == f"{os.getpid()}\n"


def test_the_loser_neither_unlinks_nor_empties_the_holders_file(path, holder):
    process = holder(path)
    before = os.stat(path)
    for _ in range(2):
        with pytest.raises(Busy), locks.hold(path):
            pass
    after = os.stat(path)
    assert (after.st_ino, after.st_size, after.st_mtime_ns) == (before.st_ino, before.st_size, before.st_mtime_ns)
    with pytest.raises(Busy, match=str(process.pid)), locks.hold(path):
        pass


def test_the_file_stays_after_the_lock_is_released_and_can_be_held_again(path):
    for _ in range(3):
        with locks.hold(path):
            pass
        assert os.path.exists(path)


def test_the_lock_is_released_when_the_body_fails(path, holder):
    with pytest.raises(ZeroDivisionError), locks.hold(path):
        raise ZeroDivisionError
    holder(path)


def test_two_threads_of_one_process_exclude_each_other(path):
    outcome = []

    def try_it():
        try:
            with locks.hold(path):
                outcome.append("held")
        except Busy:
            outcome.append("busy")

    with locks.hold(path):
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()
    assert outcome == ["busy"]


def test_a_child_process_does_not_keep_the_lock_alive(path, holder):
    with locks.hold(path):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        holder(path)
    finally:
        child.kill()
        child.wait()


def test_a_missing_directory_is_made_for_the_owner_alone(path):
    with locks.hold(path):
        assert os.stat(os.path.dirname(path)).st_mode & 0o777 == 0o700


def test_a_symbolic_link_is_refused_and_what_it_points_at_stays_as_it_was(path, tmp_path):
    target = tmp_path / "target"
    target.write_text("precious")
    os.makedirs(os.path.dirname(path))
    os.symlink(target, path)
    with pytest.raises(ConfigurationError, match="symbolic link"), locks.hold(path):
        pass
    assert target.read_text() == "precious"


def test_a_place_that_cannot_hold_a_lock_is_a_configuration_problem(tmp_path):
    (tmp_path / "file").touch()
    for path in (str(tmp_path / "file" / "x.lock"), str(tmp_path)):
        with pytest.raises(ConfigurationError, match="cannot be a lock"), locks.hold(path):
            pass


def test_the_holder_is_another_process_when_the_file_does_not_say(path, holder):
    holder(path)
    os.truncate(path, 0)
    with pytest.raises(Busy, match="another process"), locks.hold(path):
        pass


def test_what_is_no_file_is_no_lock_and_is_not_waited_for(path):
    os.makedirs(os.path.dirname(path))
    os.mkfifo(path)
    with pytest.raises(ConfigurationError, match="cannot be a lock"), locks.hold(path):
        pass
