"""What the hook asks of the kernel, held to a list: one process, one new file, one fsync after it, nothing else.

rTorrent may run it for a hundred torrents at once; whoever adds a step here adds it to each.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.needs import need_program

HASH = "0123456789ABCDEF0123456789ABCDEF01234567"
SCRIPT = Path(__file__).parents[2] / "bin" / "seedcache-submit"
COMMAND = Path(sys.executable).parent / "seedcache"

# Loading a program and its libraries, and looking at files.
LOADING = {
    "execve", "brk", "mmap", "munmap", "mprotect", "arch_prctl", "access", "faccessat", "faccessat2", "openat", "read",
    "pread64", "close", "fstat", "stat", "lstat", "newfstatat", "statx", "lseek", "readlink", "set_tid_address",
    "set_robust_list", "rseq", "prlimit64", "getrandom", "futex", "fcntl", "fsync", "exit_group",
}  # fmt: skip
# A shell's own: who runs it, and what it does at signals; and putting the new file where `true` writes to.
SHELL = {
    "getuid", "geteuid", "getgid", "getegid", "getpid", "getppid", "getcwd", "rt_sigaction", "rt_sigprocmask", "dup2",
    "dup3", "fadvise64",
}  # fmt: skip
PYTHON = {
    "rt_sigaction", "sysinfo", "gettid", "ioctl", "getdents64", "getuid", "geteuid", "getgid", "getegid", "getcwd",
    "mremap", "madvise", "clock_gettime", "dup", "uname", "sigaltstack",
    "open",  # of /proc/sys/vm/overcommit_memory, by the allocator of Python 3.13
}  # fmt: skip


@dataclass(frozen=True)
class Call:
    """One line of strace."""

    name: str
    arguments: str
    result: str


WAYS = {
    "script": (["/bin/sh", str(SCRIPT)], LOADING | SHELL, 2, 160),  # sh, then sync in its place
    "command": ([str(COMMAND), "submit"], LOADING | PYTHON, 1, 700),
}


@pytest.fixture(params=WAYS)
def way(request):
    return WAYS[request.param]


@pytest.fixture
def state(tmp_path):
    (tmp_path / "spool").mkdir()
    return tmp_path


def traced(command, state, event="finished"):
    """Run it; return its system calls, and how many processes made them."""
    output = state / "strace"
    done = subprocess.run(
        [need_program("strace"), "-f", "-s", "4096", "-o", output, *command, "-d", state, "-e", event, HASH],
        # As rTorrent has it: with the locale of whoever started it.
        env={"PATH": "/usr/bin:/bin", "HOME": str(state), "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    calls, processes = [], set()
    for line in output.read_text().splitlines():
        found = re.fullmatch(r"(\d+) +(\w+)\((.*)\) += (.*)", line)
        if found:
            processes.add(found[1])
            calls.append(Call(*found.groups()[1:]))
        else:
            assert "+++ exited with 0 +++" in line or "exit_group" in line, line
    assert len(processes) == 1
    return calls


def test_it_asks_the_kernel_for_nothing_that_is_not_on_the_list(way, state):
    command, allowed, programs, most = way
    calls = traced(command, state)
    assert {call.name for call in calls} - allowed == set()
    assert sum(call.name == "execve" and call.result == "0" for call in calls) == programs
    assert len(calls) < most


def test_it_creates_one_file_exclusively_and_then_syncs_the_directory_once(way, state):
    calls = traced(way[0], state)
    name = f"{HASH}.finished"
    opened = [call for call in calls if call.name in ("open", "openat") and not call.result.startswith("-1")]
    made = [c for c in opened if re.search("O_CREAT|O_WRONLY|O_RDWR", c.arguments) and '"/dev/null"' not in c.arguments]
    assert len(made) == 1
    assert name in made[0].arguments
    assert {"O_CREAT", "O_EXCL"} <= set(re.findall(r"O_\w+", made[0].arguments))
    syncs = [call for call in calls if "sync" in call.name]
    assert [call.name for call in syncs] == ["fsync"]
    assert syncs[0].result == "0"
    assert calls.index(made[0]) < calls.index(syncs[0])
    spool = next(call for call in opened if f'"{state}/spool"' in call.arguments and call.result == syncs[0].arguments)
    assert calls.index(spool) < calls.index(syncs[0])
    assert os.listdir(state / "spool") == [name]


def test_one_that_joins_is_synced_all_the_same(way, state):
    traced(way[0], state)
    calls = traced(way[0], state)
    assert [call.name for call in calls if "sync" in call.name] == ["fsync"]
    assert len(os.listdir(state / "spool")) == 1


def test_no_locale_is_loaded_by_the_script(state):
    calls = traced(WAYS["script"][0], state)
    assert not [
        call
        for call in calls
        if "/locale" in call.arguments and call.name == "openat" and not call.result.startswith("-1")
    ]


def test_the_installed_script_is_one_that_sh_runs():
    first = (Path(sys.executable).parent / "seedcache-submit").read_text().partition("\n")[0]
    assert first == SCRIPT.read_text().partition("\n")[0] == "#!/bin/sh"
