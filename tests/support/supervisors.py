"""A real seedcache on real disks, as a process of its own, and what a test wants to know of it."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import psutil

from supervisor import spool
from supervisor.jobs import Event, Job, Notice, Sample, State
from supervisor.journal import Journal, place
from tests.support.ports import free_port
from tests.support.rtorrents import until

COMMAND = os.path.join(os.path.dirname(sys.executable), "seedcache")
SUBMIT = os.path.join(os.path.dirname(sys.executable), "seedcache-submit")


class SupervisorProcess:
    """`seedcache run` with its own state directory. Not started by making it."""

    def __init__(self, home: Path, ssd: Path, hdd: Path, scgi_url: str, **settings: Any) -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        self.state = home / "state"
        self.config = home / "settings.toml"
        self.log = home / "log"
        self.port = free_port()
        self.settings = {
            "download_path_ssd": str(ssd),
            "final_dest_base_hdd": str(hdd),
            "scgi_url": scgi_url,
            "state_dir": str(self.state),
            "metrics_port": self.port,
            "disk_space_threshold_gb": 0,
            "space_check_interval": 1,
            "retry_delay": 0.2,
            "rpc_timeout": 2,
            "policy_patience": "0",  # rTorrent tells of an upload for a minute after its end
            "log_level": "DEBUG",
        } | settings
        self.ssd, self.hdd = ssd, hdd
        self.through: list[str] = []  # the command that starts it, if it is not started directly
        self.environment: dict[str, str] = {}  # for its processes and the hook, beside what they always get
        self._process: subprocess.Popen[bytes] | None = None
        self.configure()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def configure(self, **settings: Any) -> None:
        """Write the settings file, with some of them changed."""
        self.settings |= settings
        # JSON's strings, numbers, booleans and arrays are TOML's too.
        self.config.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in self.settings.items()))

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, *, ready: bool = True) -> None:
        """Start it; return when it listens (and, if wanted, when its workers wait for tasks)."""
        assert not self.alive
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self.through, COMMAND, "--config", str(self.config), "run"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": os.environ["PATH"], "HOME": str(self.home), **self.environment},
                process_group=0,  # all its processes can be killed at once, and nobody else's
            )
        if ready:
            until(lambda: self.crew() and all(worker["up"] for worker in self.crew()), "all workers wait for tasks")

    def wait(self, seconds: float = 90.0) -> int:
        """Wait for its end; return the exit code."""
        return self._process.wait(seconds)

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def stop(self) -> int:
        """SIGTERM, and wait for the end of the drain."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """SIGKILL to the parent; its children notice by themselves."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        if self.alive:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill()

    # -- what it says ----------------------------------------------------------------------------------------------

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def live(self) -> dict[str, Any]:
        """The snapshot on disk, if it is this process's; else an empty one."""
        try:
            found = json.loads((self.state / "run" / "live.json").read_bytes())
        except (FileNotFoundError, ValueError):  # after a power cut it may be there, and empty
            found = {}
        if not self.alive:
            raise AssertionError(f"the supervisor ended: {self.said()[-3000:]}")
        return found if found.get("pid") == self.pid else {}

    def crew(self) -> list[dict[str, Any]]:
        return self.live().get("workers", [])

    def worker(self, name: str) -> dict[str, Any]:
        return next(worker for worker in self.crew() if name in (worker["name"], worker["role"]))

    def copying(self, job_hash: str) -> bool:
        """Say whether a copier has written some of the torrent, and not all."""
        return any(
            worker["hash"] == job_hash and worker["phase"] == "copy" and 0 < worker["done"] < worker["total"]
            for worker in self.crew()
        )

    def fork_server(self) -> psutil.Process:
        """The process that all workers and the Manager are forked from."""
        children = psutil.Process(self.pid).children()
        return next(child for child in children if "forkserver" in " ".join(child.cmdline()))

    def manager(self) -> psutil.Process:
        """The multiprocessing.Manager."""
        workers = {worker["pid"] for worker in self.crew()}
        return next(child for child in self.fork_server().children() if child.pid not in workers)

    def victim(self, name: str) -> psutil.Process:
        """A process by name: parent, forkserver, manager, or a worker's name or role."""
        if name == "parent":
            return psutil.Process(self.pid)
        if name in ("forkserver", "manager"):
            return self.fork_server() if name == "forkserver" else self.manager()
        return psutil.Process(self.worker(name)["pid"])

    def cpu_seconds(self) -> float:
        """CPU time that all its processes have used so far."""
        return sum(
            process.cpu_times().user + process.cpu_times().system
            for process in (psutil.Process(self.pid), *psutil.Process(self.pid).children(recursive=True))
        )

    def get(self, path: str) -> tuple[int, str]:
        """One HTTP request."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name: str, **labels: str) -> float:
        """One sample of /metrics; 0 if it is not there."""
        wanted = {f'{key}="{value}"' for key, value in labels.items()}
        for line in self.get("/metrics")[1].splitlines():
            series, _, value = line.rpartition(" ")
            family, _, rest = series.partition("{")
            if family == name and wanted <= set(rest.rstrip("}").split(",")):
                return float(value)
        return 0.0

    # -- what it knows ---------------------------------------------------------------------------------------------

    def job(self, job_hash: str) -> Job | None:
        return self._read(lambda journal: journal.job(job_hash))

    def state_of(self, job_hash: str) -> State | None:
        job = self.job(job_hash)
        return None if job is None else job.state

    def events(self, job_hash: str) -> list[Event]:
        """The torrent's story, the oldest first."""
        return self._read(lambda journal: journal.events(job_hash, 1000))[::-1]

    def notices(self, job_hash: str) -> list[Notice]:
        return self._read(lambda journal: journal.notices(None, job_hash))

    def uploads(self) -> dict[str, Sample]:
        """What the journal has of the uploads, by hash."""
        return dict(self._read(lambda journal: journal.uploads()))

    def _read(self, question: Any) -> Any:
        journal = Journal(place(str(self.state)), read_only=True)
        try:
            return question(journal)
        finally:
            journal.close()

    def wait_for(self, job_hash: str, state: State, seconds: float = 60.0) -> Job:
        """Wait until the job is in the state; return it."""

        def there() -> Job | None:
            job = self.job(job_hash)
            return job if job is not None and job.state is state else None

        try:
            return until(there, f"{job_hash} is {state}", seconds)
        except AssertionError:
            story = [f"{event.action}: {event.text}" for event in self.events(job_hash)]
            raise AssertionError(f"{self.job(job_hash)}\n{story}\n{self.said()[-3000:]}") from None

    def wait_for_event(self, job_hash: str, action: str) -> Event:
        """Wait until its story has such an event, however short the state lasts that it tells of; return the first."""
        return until(
            lambda: next((event for event in self.events(job_hash) if event.action == action), None),
            f"{job_hash} has been {action}",
        )

    # -- what is asked of it ---------------------------------------------------------------------------------------

    def submit(self, job_hash: str, event: str = "finished") -> None:
        """As rTorrent's hook does."""
        subprocess.run([SUBMIT, "-d", str(self.state), "-e", event, job_hash], check=True)

    def ask(self, subject: str, event: str) -> None:
        """As the commands do: `relocate`, `verify`, `retry`, `cancel`; `process`, `clear`, `space` of "all"."""
        spool.write(str(self.state), subject, event)

    def run(self, *words: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command of seedcache on the same settings."""
        return subprocess.run(
            [COMMAND, "--config", str(self.config), *words],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": os.environ["PATH"], "HOME": str(self.home), **self.environment, **(environment or {})},
        )
