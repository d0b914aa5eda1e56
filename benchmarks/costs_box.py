"""What the benchmarks of the supervisor's own cost share: a row of the table, real disks, and what processes use."""

import contextlib
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import psutil

from supervisor.jobs import Event, Job, Proof, State
from supervisor.journal import Journal, place
from tests.support.mounts import loop_mounted
from tests.support.supervisors import SupervisorProcess

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    case: str
    what: str
    unit: str
    values: tuple[float, ...]
    limit: float | None = None  # None: it is there to compare with
    least: bool = False  # the limit is the least, not the most

    @property
    def median(self) -> float:
        """The value that is held against the limit."""
        return statistics.median(self.values)

    @property
    def kept(self) -> bool | None:
        """Whether the limit is kept; None: there is none."""
        if self.limit is None:
            return None
        return self.median >= self.limit if self.least else self.median <= self.limit


@dataclass(frozen=True, slots=True)
class Box:
    """Two disks and one for the state, each an ext4 in an image on the machine's own disk: an fsync is one."""

    home: Path
    ssd: Path
    hdd: Path
    state: Path

    def supervisor(self, name: str, scgi_url: str, **settings: object) -> SupervisorProcess:
        """Prepare a `seedcache run` of that name with its own state, as a user would have it but for what is given."""
        usual = {"log_level": "INFO", "space_check_interval": 30, "rpc_timeout": 10, "max_concurrent_processes": 3}
        return SupervisorProcess(self.state / name, self.ssd, self.hdd, scgi_url, **usual | settings)


@contextlib.contextmanager
def box(mib: int = 256) -> Iterator[Box]:
    """Make the disks, each of so many MiB; all is gone afterwards. Needs root."""
    with tempfile.TemporaryDirectory(prefix="seedcache-costs-") as directory, contextlib.ExitStack() as stack:
        home = Path(directory)
        disks = [stack.enter_context(loop_mounted(home, name, mib=mib)) for name in ("ssd", "hdd")]
        yield Box(home, *disks, stack.enter_context(loop_mounted(home, "state", mib=1024)))


class Took(NamedTuple):
    """What one process took, in seconds."""

    wall: float  # from before the fork to its end
    processor: float  # on a processor, in user and kernel mode


def timed(command: Sequence[str | os.PathLike[str]], environment: Mapping[str, str]) -> Took:
    """Run a command whose output nobody reads; return what it took. Raise CalledProcessError if it fails."""
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    began = time.perf_counter()
    pid = os.posix_spawn(command[0], command, environment, file_actions=quiet)
    _, status, used = os.wait4(pid, 0)
    ended = time.perf_counter()
    if status:
        raise subprocess.CalledProcessError(os.waitstatus_to_exitcode(status), list(command))
    return Took(ended - began, used.ru_utime + used.ru_stime)


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 60.0, every: float = 0.005) -> float:
    """Poll until the condition holds; return when it did (time.perf_counter). Raise TimeoutError after the seconds."""
    deadline = time.perf_counter() + seconds
    while not condition():
        if time.perf_counter() > deadline:
            raise TimeoutError(f"not in {seconds} s: {what}")
        time.sleep(every)
    return time.perf_counter()


def family(pid: int) -> list[psutil.Process]:
    """Given the parent's pid, return all processes of a supervisor."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def memory(pid: int) -> int:
    """Return the bytes of a process, what it shares divided by who shares it (PSS, proc_pid_smaps(5))."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) << 10
    return 0


def processor_seconds(*pids: int) -> float:
    """Return the time on a processor of processes since their start, all threads that ever were, in nanosecond steps.

    The clock of clock_getcpuclockid(3), which Python lacks; the number is made as the kernel's posix-timers.h says.
    The ticks of /proc/PID/stat would hide what is shorter than 10 ms.
    """
    return sum(time.clock_gettime(~pid << 3 | 2) for pid in pids)


def a_hash(number: int) -> str:
    """Return the info-hash of an invented torrent."""
    return f"{number:040X}"


def history(state_dir: Path, box: Box, states: Mapping[State, int], first: int = 0) -> None:
    """Write a journal with so many torrents in each state, as they would be after a few years, three events each."""
    state_dir.mkdir(parents=True, exist_ok=True)
    journal = Journal(place(str(state_dir)))
    now, number = time.time(), first
    jobs, events = [], []
    for state, count in states.items():
        for _ in range(count):
            at = now - 86400 - number
            name = f"Some.Show.S01E{number:06d}.1080p.WEB.H264-GROUP"
            source, destination = (
                os.fsencode(root / folder / name) for root, folder in ((box.ssd, ""), (box.hdd, "tv"))
            )
            jobs.append(
                Job(
                    a_hash(number), state, at, at + 60, name=name, label="tv", size=3 << 30, multi=True, source=source,
                    destination=destination, finished=at, proof=Proof.READ_BACK,
                )
            )  # fmt: skip
            story = ("submitted", "copied", state.value)
            events += [Event(at + step, a_hash(number), action, "so it went") for step, action in enumerate(story)]
            number += 1
    journal.write(jobs, (), events)
    journal.close()
