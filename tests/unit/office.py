"""A dispatcher with a real journal in a temporary directory, two directories for disks, and no process around it."""

import itertools
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from supervisor.adapters.torrents import Torrent
from supervisor.dispatch.board import Board
from supervisor.dispatch.crew import Crew
from supervisor.dispatch.disks import Disks
from supervisor.dispatch.dispatcher import Dispatcher, Message, Submission
from supervisor.dispatch.doorman import Doorman
from supervisor.dispatch.inquirer import Located, Surveyed
from supervisor.dispatch.relief import Relief
from supervisor.dispatch.uploads import Uploads
from supervisor.jobs import Job, Proof, State
from supervisor.journal import Journal
from supervisor.messages import Copied, Done, Relocate, Relocated, Result, Started, Task
from supervisor.observation.metrics import Metrics
from supervisor.observation.snapshot import RTorrent, Snapshot
from supervisor.settings import Settings

COPIED = Copied(Proof.READ_BACK, adopted=False, bytes_written=5, bytes_resumed=0, copy_seconds=0.1, prove_seconds=0.1)


def a_hash(number: int) -> str:
    return f"{number:040X}"


def seen(job_hash: str, directory: bytes, **changes: Any) -> Torrent:
    """Return a finished multi-file torrent as rTorrent describes it."""
    torrent = Torrent(
        job_hash, "Show", directory, True, 5, False, "tv", 50.0, True, 0, True, True, True, 0, 0, 1.0, 0, 0, 0, ""
    )  # fmt: skip
    return replace(torrent, **changes)


@dataclass
class Questions:
    """Takes the dispatcher's questions to rTorrent; a test answers them."""

    asked: list[str] = field(default_factory=list)
    surveys: int = 0
    rounds: int = 0

    def look_up(self, job_hash: str) -> None:
        self.asked.append(job_hash)

    def survey(self) -> None:
        self.surveys += 1

    def downloads(self) -> int:
        self.rounds += 1
        return self.rounds


class Office:
    """Opened again on the same directory it is the supervisor after a restart."""

    def __init__(self, home: Path, *, hdds: int = 1, **settings: Any) -> None:
        self.ssd, self.hdd = home / "ssd", home / "hdd"
        self.hdds = (self.hdd, *(home / f"hdd{number}" for number in range(2, hdds + 1)))
        for directory in (self.ssd, *self.hdds):
            directory.mkdir(exist_ok=True)
        values = {"scgi_url": "/rpc", "disk_space_threshold_gb": 0.0, "space_check_interval": 30.0} | settings
        self.settings = Settings(
            download_path_ssd=str(self.ssd),
            final_dest_base_hdd=tuple(map(str, self.hdds)),
            state_dir=str(home),
            **values,
        )
        self.journal = Journal(os.path.join(home, "journal.sqlite"))
        self.questions = Questions()
        self.board, self.crew = Board(self.journal), Crew()
        uploads = Uploads(self.journal.uploads(), 1000.0)
        self.relief = Relief(Disks(self.journal), self.questions, uploads)  # type: ignore[arg-type]  # the two it asks
        self.metrics = Metrics(
            lambda: Snapshot(0, 0, 0, "", True, False, "", (), (), RTorrent(reachable=True, since=0.0))
        )
        self.doorman = Doorman(self.board, self.relief, self.questions)  # type: ignore[arg-type]  # the one it asks
        self.dispatcher = Dispatcher(self.settings, self.board, self.crew, self.relief, self.doorman, self.metrics)
        self.board.on_submitted = self.questions.look_up
        self.now = 1000.0
        self.room = self.dispatcher.room
        self.sent: list[tuple[str, Task]] = []
        self._pids = itertools.count(100)
        self.relief.look(self.now, self.settings)
        self.dispatcher.recover(self.now)

    def handle(self, *messages: Message) -> list[tuple[str, Task]]:
        """Let it happen; return what was given to workers because of it."""
        before = len(self.sent)
        self.dispatcher.handle(messages, self.now, lambda worker, task: self.sent.append((worker, task)))
        return self.sent[before:]

    def hire(self, *workers: str) -> list[tuple[str, Task]]:
        """Start workers."""
        started = []
        for worker in workers or ("copier-1", "copier-2", "space", "notifier"):
            pid = next(self._pids)
            self.crew.spawned(worker, pid, self.now)
            started.append(Started(worker, pid))
        return self.handle(*started)

    def ask(self, subject: str, event: str = "finished") -> list[tuple[str, Task]]:
        return self.handle(Submission(((f"{subject}.{event}", subject, event),)))

    def locate(self, job_hash: str, name: str = "", **changes: Any) -> list[tuple[str, Task]]:
        directory = os.fsencode(self.ssd / (name or job_hash))
        return self.handle(Located(job_hash, seen(job_hash, changes.pop("directory", directory), **changes)))

    def answer(self, worker: str, result: Result) -> list[tuple[str, Task]]:
        """Let a worker end the task it has."""
        return self.handle(Done(worker, self.task(worker).token, result))

    def task(self, worker: str) -> Task:
        return self.crew.tasks()[worker]

    def job(self, job_hash: str) -> Job:
        found = self.journal.job(job_hash)
        assert found is not None
        return found

    def state(self, job_hash: str) -> State:
        return self.job(job_hash).state

    def copied(self, job_hash: str, worker: str = "copier-1") -> None:
        """Take a torrent all the way to CACHED."""
        self.ask(job_hash)
        self.locate(job_hash)
        self.answer(worker, COPIED)
        assert self.state(job_hash) is State.CACHED

    def relocate(self, job_hash: str, *others: Torrent) -> list[tuple[str, Task]]:
        """Ask for a relocation by hand; rTorrent lists it, and others."""
        before = len(self.sent)
        self.ask(job_hash, "relocate")
        self.handle(Surveyed((seen(job_hash, os.fsencode(self.ssd / job_hash)), *others)))
        return self.sent[before:]

    def low(self, *hashes: str) -> None:
        """Say that the SSD is low, and what rTorrent has then."""
        self.relief.low = True
        self.handle(Surveyed(tuple(seen(h, os.fsencode(self.ssd / h)) for h in hashes)))

    def count(self, name: str, **labels: str) -> float:
        """Return a sample of the metrics."""
        for family in self.metrics.families():
            for sample in family.samples:
                if sample.name == f"seedcache_{name}" and labels.items() <= sample.labels.items():
                    return float(sample.value)
        raise AssertionError(name)


def relocated(office: Office, job_hash: str) -> None:
    """Let the space worker end well."""
    task = office.task("space")
    assert isinstance(task, Relocate)
    assert task.hash == job_hash
    office.answer("space", Relocated(0.002, 5))
