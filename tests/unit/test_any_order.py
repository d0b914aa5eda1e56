"""Whatever happens in whatever order: no illegal change of state, no job lost, one at a time for each torrent."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from supervisor.dispatch.crew import NOTIFIER, role_of
from supervisor.dispatch.dispatcher import WorkerLost
from supervisor.dispatch.inquirer import Located, Surveyed, Unlisted, Unusable
from supervisor.jobs import ENDED, Proof, State
from supervisor.journal import JournalUnwritable
from supervisor.messages import (
    Copied,
    Copy,
    Done,
    Failed,
    Notified,
    Notify,
    Phase,
    Progress,
    Proven,
    Relocate,
    Relocated,
)
from tests.unit.office import Office, a_hash, seen

HASHES = st.sampled_from([a_hash(number) for number in (1, 2, 3)])
WORKERS = st.sampled_from(["copier-1", "copier-2", "space", "notifier"])
FAILURES = st.builds(
    Failed, reason=st.just("it failed"), retry=st.booleans(), counts=st.booleans(), proof=st.booleans(),
    gone=st.booleans(),
)  # fmt: skip
SETTINGS = {
    "sonarr_url": "http://127.0.0.1:1", "sonarr_api_key": "k", "sonarr_tag": "tv", "writers_per_device": 2,
}  # fmt: skip


class Lives(RuleBasedStateMachine):
    """A supervisor with three torrents."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="seedcache-"))
        self.submitted: set[str] = set()
        self.open()

    def open(self) -> None:
        self.office = Office(self.home, **SETTINGS)
        self.office.journal._database.execute("PRAGMA synchronous = OFF")  # thousands of writes, none to survive
        self.broken = False
        self.kept: list[object] = []
        self.office.hire()

    def teardown(self) -> None:
        self.office.journal.close()
        shutil.rmtree(self.home)

    def happen(self, *messages: object) -> None:
        """Hand it in as the parent does: what could not be made durable is handed in again."""
        messages = (*self.kept, *messages)
        self.kept = []
        try:
            self.office.handle(*messages)
        except JournalUnwritable:
            assert self.broken
            self.kept = list(messages)

    # -- what happens ----------------------------------------------------------------------------------------------

    @rule(job_hash=HASHES)
    def submit(self, job_hash):
        with contextlib.suppress(JournalUnwritable):
            self.office.ask(job_hash)
            self.submitted.add(job_hash)

    @rule(job_hash=HASHES, what=st.sampled_from(["retry", "cancel", "relocate", "verify"]))
    def command(self, job_hash, what):
        with contextlib.suppress(JournalUnwritable):
            self.office.ask(job_hash, what)

    @rule(what=st.sampled_from(["process", "clear", "space"]))
    def command_all(self, what):
        with contextlib.suppress(JournalUnwritable):
            self.office.ask("all", what)

    @precondition(lambda self: self.office.questions.asked)
    @rule(
        found=st.sampled_from(["ssd", "hdd", "elsewhere", "unfinished", "hashing", "outside", "unlisted", "unusable"]),
        label=st.sampled_from(["tv", "", "../../x"]),
    )
    def rtorrent_answers(self, found, label):
        job_hash = self.office.questions.asked.pop(0)
        job = self.office.board.get(job_hash)
        place = f"{self.office.ssd}/{job_hash}".encode()
        torrent = seen(job_hash, place, label=label)
        match found:
            case "hdd" if job and job.destination:
                torrent = seen(job_hash, job.destination)
            case "elsewhere":
                torrent = seen(job_hash, f"{self.office.hdd}/elsewhere".encode())
            case "unfinished":
                torrent = seen(job_hash, place, complete=False, left_bytes=1)
            case "hashing":
                torrent = seen(job_hash, place, hashing=1)
            case "outside":
                torrent = seen(job_hash, b"/somewhere")
            case "unlisted":
                self.happen(Unlisted(job_hash))
                return
            case "unusable":
                self.happen(Unusable(job_hash, "no metafile"))
                return
        self.happen(Located(job_hash, torrent))

    @rule(hashes=st.sets(HASHES), low=st.booleans())
    def rtorrent_lists(self, hashes, low):
        self.office.relief.low = low
        self.happen(Surveyed(tuple(seen(h, f"{self.office.ssd}/{h}".encode()) for h in sorted(hashes))))

    @rule(worker=WORKERS, phase=st.sampled_from([Phase.COPY, Phase.PROVE]), done=st.integers(0, 2000))
    def a_worker_is_at_it(self, worker, phase, done):
        task = self.office.crew.tasks().get(worker)
        if isinstance(task, Copy):
            self.happen(Progress(worker, task.token, phase, done, 1000))

    @rule(worker=WORKERS, failure=FAILURES, well=st.booleans(), grade=st.sampled_from([Proof.SOURCE, Proof.READ_BACK]))
    def a_worker_answers(self, worker, failure, well, grade):
        task = self.office.crew.tasks().get(worker)
        if task is None:
            return
        match task:
            case Copy():
                good = Copied(grade, False, 1, 0, 0.1, 0.1)
            case Relocate():
                good = Relocated(0.001, 1)
            case Notify():
                good = Notified()
            case _:
                good = Proven(0.1)
        self.happen(Done(worker, task.token, good if well else failure))

    @rule(worker=WORKERS)
    def a_worker_dies_and_is_replaced(self, worker):
        if worker in self.office.crew._members:
            self.happen(WorkerLost(worker, "killed by signal 9"))
            if not self.kept:  # the parent replaces nobody before that is durable
                self.office.hire(worker) if not self.broken else self.office.crew.spawned(worker, 1, self.office.now)

    @rule(seconds=st.sampled_from([0.1, 15.0, 1000.0, 5000.0]))
    def time_goes_by(self, seconds):
        self.office.now += seconds
        self.happen()

    @rule()
    def the_journal_breaks(self):
        self.office.journal._database.execute("PRAGMA query_only = ON")
        self.broken = True

    @rule()
    def the_journal_is_mended(self):
        self.office.journal._database.execute("PRAGMA query_only = OFF")
        self.broken = False
        self.happen()

    @rule()
    def it_is_killed_and_started_again(self):
        self.office.journal.close()
        now = self.office.now
        self.open()
        self.office.now = max(now, self.office.now)

    # -- what must be so at every moment ---------------------------------------------------------------------------

    @invariant()
    def nobody_works_on_a_torrent_that_another_has_in_hand(self):
        busy = [task.hash for worker, task in self.office.crew.tasks().items() if role_of(worker) != NOTIFIER]
        assert len(busy) == len(set(busy))

    @invariant()
    def memory_says_what_the_journal_says(self):
        in_journal = {job.hash: job for job in self.office.journal.living()}
        assert in_journal == self.office.board.living
        counts = {state: count for state, count in self.office.board.counts.items() if count}
        assert counts == self.office.journal.counts()

    @invariant()
    def nobody_who_was_submitted_is_forgotten(self):
        for job_hash in self.submitted:
            assert self.office.journal.job(job_hash) is not None

    @invariant()
    def every_living_job_is_somewhere(self):
        """Each is with rTorrent, in the queue, in hand, waits for a time, or is at rest."""
        office = self.office
        tasks = office.crew.tasks()
        in_hand = {task.hash for worker, task in tasks.items() if role_of(worker) != NOTIFIER}
        answers = {getattr(message, "hash", "") for message in self.kept}
        for job in office.board.living.values():
            assert job.state not in ENDED
            match job.state:
                case State.SUBMITTED:
                    assert job.hash in {*office.questions.asked, *office.dispatcher.scheduler.ready, *answers}
                case State.COPYING:
                    assert job.hash in in_hand
                case State.RELOCATING:
                    assert job in office.board.relocating()
                case State.WAITING:
                    assert any((job.due, job.hash) == entry for entry in office.board._waiting)
                case State.COPIED:
                    assert office.board.unsent(job.hash)

    @invariant()
    def what_is_promised_is_what_the_copies_on_their_way_lack(self):
        office = self.office
        coming = [job for job in office.board.moving.values() if job.state in (State.SUBMITTED, State.COPYING)]
        written = office.crew.written()
        lacking = sum(max(job.size - written.get(job.hash, 0), 0) for job in coming if job.destination)
        free = office.dispatcher.room.room(office.settings)
        disk = office.relief.disks.seen[1]
        assert free == {os.fsencode(disk.path): disk.free - lacking}

    @invariant()
    def what_is_relocated_was_proven(self):
        for task in self.office.crew.tasks().values():
            if isinstance(task, Relocate):
                assert self.office.board.get(task.hash).proof is Proof.READ_BACK


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=60, stateful_step_count=60, suppress_health_check=list(HealthCheck))
