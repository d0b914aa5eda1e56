"""One torrent's whole life on real parts, struck at one step: kill, power cut, error; then restarted and checked.

The life: rTorrent seeds it from the SSD, the hook submits it, it is copied, proven and published, Sonarr is told, it is
relocated. A real rTorrent, a real supervisor, file systems on loop devices; Sonarr is the stand-in.
"""

import contextlib
import gc
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from supervisor.jobs import Job, State
from tests.campaign import invariants
from tests.campaign.invariants import Expected, Places, Violated
from tests.campaign.steps import Step, Strike, Watch
from tests.fakes.arr import KEY, FakeArr
from tests.support.mounts import loop_mounted
from tests.support.rtorrents import OLD, until
from tests.support.seedbox import MEMORY, Seedbox
from tests.support.supervisors import SUBMIT
from tests.support.torrents import Torrent, contents

FILES = {b"a": 40_000, b"b/c": 30_001, b"b/empty": 0}
PATIENCE = 150.0  # seconds from the start to the end of a life; some waits in it are of 10 s
ASK_AGAIN = 1.0  # seconds
MEND_AFTER = 2.0  # seconds in which a disk stays broken


class Rig:
    """What every life needs, made once: three file systems, rTorrent, Sonarr."""

    def __init__(self, version: str = OLD, filesystem: str = "ext4") -> None:
        self.version, self._filesystem = version, filesystem
        self._stack = contextlib.ExitStack()
        self._lives = 0

    def __enter__(self) -> Self:
        enter = self._stack.enter_context
        self.home = Path(enter(tempfile.TemporaryDirectory(prefix="seedcache-campaign-", dir=MEMORY)))
        # The supervisor's state and rTorrent's session.
        self.system = enter(loop_mounted(self.home, "system", self._filesystem, 48))
        self.arr = enter(FakeArr("sonarr"))
        self.arr.polls_until_done = 1
        self.box = enter(Seedbox(self.system / "box", self.version, 16, 32, self._filesystem))
        self.box.start(
            sonarr_url=self.arr.url, sonarr_api_key=KEY, sonarr_tag="tv", copy_retry_attempts=1000,
            max_concurrent_processes=1, rpc_timeout=5, log_level="INFO", retry_delay=0.1,
        )  # fmt: skip
        self.box.supervisor.stop()
        box = self.box
        self.places = Places(box.ssd, box.hdd, box.state, box.client.session)
        roots = {"ssd": box.ssd, "hdd": box.hdd, "state": box.state, "session": box.client.session}
        self.watch = Watch(self.home / "watch", roots, {"rtorrent": box.client.socket, "sonarr": self.arr.port})
        return self

    def __exit__(self, *exc: object) -> None:
        gc.collect()  # a journal that could not be opened is still open to SQLite, on what is unmounted now
        self._stack.__exit__(*exc)  # type: ignore[arg-type]

    # -- a life ----------------------------------------------------------------------------------------------------

    def prepare(self) -> Torrent:
        """Have everything as at the beginning, with another torrent of the same name, seeding from the SSD."""
        self._lives += 1
        box = self.box
        for root in (box.ssd, box.hdd):
            for entry in root.iterdir():
                if entry.name != "lost+found":
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        shutil.rmtree(box.state, ignore_errors=True)
        box.supervisor.log.write_bytes(b"")
        self.watch.environment()  # nothing is struck
        box.supervisor.environment = {}
        box.client.environment = {}
        if not box.client.alive:
            box.client.start()
        for job_hash in box.client.call("download_list"):
            box.client.call("d.erase", job_hash)
        torrent = box.make("Show", FILES)
        for path in (
            box.ssd / "Show 2",
            box.ssd / "Show" / "mine.txt",
            box.hdd / "mine.txt",
            box.hdd / "tv" / "mine" / "x",
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"not the torrent's: {path}")
        box.client.seed(torrent, box.ssd, extra='d.custom1.set="tv"')
        self.strangers = invariants.foreign(self.places, [self.expected(torrent, submitted=False)])
        # Only these: what a part that runs beside has not synced is to be lost with its power.
        subprocess.run(["sync", "--file-system", self.system, box.ssd, box.hdd], check=True)
        return torrent

    def expected(self, torrent: Torrent, *, submitted: bool) -> Expected:
        box = self.box
        if not hasattr(self, "_files") or self._of != torrent.hash:
            self._files = {name: digest for name, digest in contents(box.ssd / "Show").items() if name != b"mine.txt"}
            self._of = torrent.hash
        return Expected(torrent.hash, box.ssd / "Show", box.hdd / "tv" / "Show", self._files, submitted)

    def trace(self) -> list[Step]:
        """Live once, with nothing struck; return the steps."""
        torrent = self.prepare()
        environment = self.watch.environment(hashes=[torrent.hash], log=True)
        self.live(torrent, environment)
        return self.watch.steps()

    def strike(self, strike: Strike, *, power: bool = False) -> bool:
        """Live once, struck there, and check everything; return whether the step came. Raise Violated.

        `power`: the strike ends all processes; what no device had by then is lost, too, rTorrent's session included.
        """
        torrent = self.prepare()
        environment = self.watch.environment(strike, [torrent.hash])
        self.live(torrent, environment, power=power)
        return self.watch.struck

    def live(
        self,
        torrent: Torrent,
        environment: dict[str, str],
        disturb: "Callable[[Life], object]" = lambda _: None,
        *,
        power: bool = False,
    ) -> "Life":
        """Live once and check everything; `disturb` is called all the time. Return the life. Raise Violated."""
        life = Life(self, torrent, environment, disturb, power=power)
        try:
            life.live()
        except AssertionError as error:
            raise Violated(f"{error}\n{self.box.supervisor.said()[-3000:]}") from error
        return life

    def submit(self, torrent: Torrent, environment: dict[str, str]) -> bool:
        """Submit it as rTorrent's hook does; return whether that returned 0."""
        command = [SUBMIT, "-d", str(self.box.state), torrent.hash]
        environment = {"PATH": os.environ["PATH"], **environment}
        return (
            subprocess.run(command, check=False, env=environment, capture_output=True, process_group=0).returncode == 0
        )

    def cut_power(self) -> None:
        """Lose what no device has: end everything, take the devices as they are, and mount those."""
        box = self.box
        box.client.kill()
        until(lambda: not box.processes(), "all have ended")
        gc.collect()
        mounts = [self.system, box.ssd, box.hdd]
        images = [where.parent / f"{where.name}.image" for where in mounts]
        for image in images:
            subprocess.run(["cp", "--sparse=always", image, image.with_suffix(".cut")], check=True)
        for where, image in sorted(zip(mounts, images, strict=True), reverse=True):
            subprocess.run(["umount", where], check=True)
            image.with_suffix(".cut").replace(image)
        for where, image in zip(mounts, images, strict=True):
            subprocess.run(["mount", "-o", "loop", image, where], check=True)


def carry_on(rig: Rig, torrent: Torrent, *, submitted: bool) -> None:
    """Go on with a life from what lies there now, to its end. Raise AssertionError."""
    rig.watch.environment()  # nothing is struck
    life = Life(rig, torrent, {})
    life.submitted = submitted
    life.told = -1  # perhaps before
    life.live()


class Life:
    """One of them."""

    def __init__(
        self,
        rig: Rig,
        torrent: Torrent,
        environment: dict[str, str],
        disturb: "Callable[[Life], object]" = lambda _: None,
        *,
        power: bool = False,
    ) -> None:
        self._disturb = disturb
        self.rig, self.box, self.torrent = rig, rig.box, torrent
        self.environment, self.power = environment, power
        self.submitted = False
        self.lying = False  # the HDD has not what it was given: then that is no fault of ours, until the end
        self.asked = self.mend_at = 0.0  # monotonic seconds
        self.told = len(rig.arr.commands)
        self.expected = rig.expected(torrent, submitted=False)

    def live(self) -> None:
        """Go on until it is relocated, whatever happens; check what must be so. Raise AssertionError."""
        supervisor = self.box.supervisor
        supervisor.environment = self.environment
        self.deadline = time.monotonic() + PATIENCE
        try:
            supervisor.start(ready=False)
            while not self._ended():
                if time.monotonic() > self.deadline:
                    job = self.job()
                    raise Violated(f"ended: it is {job and (job.state, job.reason)}")
                if self.rig.watch.struck and supervisor.environment:
                    self._was_struck()
                if self.mend_at and time.monotonic() > self.mend_at:
                    self.rig.watch.heal()
                if not supervisor.alive:
                    supervisor.start(ready=False)
                if not self.box.client.alive:
                    self.box.client.start()
                if not self.submitted and (self.box.state / "spool").is_dir():
                    self.submitted = self.rig.submit(self.torrent, supervisor.environment)
                self._disturb(self)
                self._ask()
                time.sleep(0.01)
            self._check_end()
        finally:
            if supervisor.alive:
                supervisor.kill()
            with contextlib.suppress(AssertionError):
                until(lambda: not self.box.processes(), "all have ended")

    def _was_struck(self) -> None:
        """Whoever is started from here on is no longer struck, and what lies there then is checked."""
        supervisor = self.box.supervisor
        supervisor.environment = {}
        self.mend_at = time.monotonic() + MEND_AFTER
        if self.environment.get("STEPS_DO") == "group" and self.submitted:
            supervisor.wait()
            until(lambda: not self.box.processes(), "all have ended")
        if self.power:
            supervisor.kill()
            self.rig.cut_power()
        if not supervisor.alive and not self.box.processes():
            self.expected = self.rig.expected(self.torrent, submitted=self.submitted)
            invariants.check(self.rig.places, self.expected, self.rig.strangers)

    def job(self) -> Job | None:
        """Return its job as the journal has it."""
        with contextlib.suppress(Exception):  # it may just be made
            return self.box.supervisor.job(self.torrent.hash)
        return None

    def _ask(self) -> None:
        job, now = self.job(), time.monotonic()
        if job is None or now - self.asked < ASK_AGAIN:
            return
        if job.state is State.CACHED:
            self.asked = now
            self.box.supervisor.ask(job.hash, "relocate")
        elif job.state is State.FAILED:
            self.asked = now
            if not job.reason:
                raise Violated("ended: it failed without a reason")
            if not self.lying:
                invariants.check(self.rig.places, self.rig.expected(self.torrent, submitted=True), self.rig.strangers)
            self.rig.watch.heal()
            self.box.supervisor.ask(job.hash, "retry")

    def _ended(self) -> bool:
        job = self.job()
        return job is not None and job.state is State.RELOCATED

    def _supervises(self) -> bool:
        """Say whether the supervisor does, or has ended: a strike may take it while we look."""
        with contextlib.suppress(AssertionError):
            return bool(self.box.supervisor.live())
        return not self.box.supervisor.alive

    def _leave(self) -> bool:
        """See that it has nothing left to do, and stop it; return whether a strike took it before it had ended."""
        box, supervisor = self.box, self.box.supervisor
        if not supervisor.alive:
            supervisor.start(ready=False)
        until(self._supervises, "it supervises")
        until(lambda: not supervisor.alive or not os.listdir(box.state / "spool"), "nothing left: the spool is empty")
        code = supervisor.stop() if supervisor.alive else supervisor.wait()
        # A strike after a step is told before the step, whose effect may be seen long before the process is killed.
        killed = code == -signal.SIGKILL and self.environment.get("STEPS_DO") in ("kill", "group")
        struck = self.rig.watch.struck and bool(supervisor.environment or killed)
        if code != 0 and not struck:
            raise Violated(f"drains: exit code {code}")
        until(lambda: not box.processes(), "nothing left: no process")
        return struck

    def _check_end(self) -> None:
        box, torrent, rig = self.box, self.torrent, self.rig
        one = rig.expected(torrent, submitted=True)
        if self._leave():
            self._was_struck()
            rig.watch.heal()
            self._leave()
        if not box.client.alive:
            box.client.start()
            until(lambda: box.client.call("d.is_open", torrent.hash), "rTorrent has opened it")
        invariants.check(rig.places, one, rig.strangers)
        if invariants.found(one.copy) != one.files:
            raise Violated("one copy: the HDD has not exactly the torrent")
        if any(name in one.files for name in invariants.found(one.source)):
            raise Violated("one copy: the SSD still has some of it")
        if not box.seeds_from(box.hdd, torrent, "tv"):
            raise Violated(f"seeds: rTorrent has it in {box.directory(torrent)}")
        if len(rig.arr.commands) == self.told:
            raise Violated("told: Sonarr was not")
        if left := invariants.leftovers(rig.places):
            raise Violated(f"nothing left: {left}")
