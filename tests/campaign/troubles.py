"""Trouble beside a life and below it: rTorrent, Sonarr, the clock, limits, scrapes; and a disk that lies."""

import contextlib
import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from supervisor.jobs import State
from tests.campaign.invariants import Violated
from tests.campaign.ledger import Run
from tests.campaign.life import Life, Rig
from tests.campaign.steps import Step, Strike
from tests.fakes.arr import KEY, Mode
from tests.support.mounts import loop_mounted
from tests.support.needs import ROOT, need_program
from tests.support.rtorrents import VERSIONS, until
from tests.support.seedbox import fill
from tests.support.servers import listening, scgi_request

LASTS = 2.0  # seconds
FLIPS = 40
DAY = 86400.0


class At:
    """Does something once, when the job has come to a state; and something else so many seconds later."""

    def __init__(
        self, state: State, begin: Callable[[], object], end: Callable[[], object], lasts: float = LASTS
    ) -> None:
        self._state, self._begin, self._end, self._lasts = state, begin, end, lasts
        self._until = 0.0
        self._done = False

    def __call__(self, life: Life) -> None:
        if self._done:
            return
        if not self._until:
            job = life.job()
            if job is not None and (job.state is self._state or job.state in (State.CACHED, State.COPIED)):
                self._begin()
                self._until = time.monotonic() + self._lasts
        elif time.monotonic() > self._until:
            self._done = True
            self._end()


# -- rTorrent ---------------------------------------------------------------------------------------------------------


def switches(stack: contextlib.ExitStack, _seed: int) -> Iterator[tuple[str, Run]]:
    """rTorrent is killed before and after each time it is spoken to; both versions."""
    for version in VERSIONS:
        rig = stack.enter_context(Rig(version))
        for step in rig.trace():
            if step.root == "rtorrent":
                for after in (False, True):
                    yield (
                        f"{version}: rTorrent killed {'after' if after else 'before'} {step}",
                        _killed(rig, step, after),
                    )


def _killed(rig: Rig, step: Step, after: bool) -> Run:
    def run() -> dict[str, int]:
        torrent = rig.prepare()
        strike = Strike(step, f"other:{rig.box.client.pid}", after)
        rig.live(torrent, rig.watch.environment(strike, [torrent.hash]))
        return {"struck": int(rig.watch.struck), "not reached": int(not rig.watch.struck)}

    return run


class Between:
    """Stands between the supervisor and rTorrent, and misbehaves for a while."""

    def __init__(self, path: str) -> None:
        self.path, self.how, self.requests = path, "well", 0

    def __call__(self, connection: socket.socket) -> None:
        body = scgi_request(connection)
        self.requests += 1
        how = self.how
        if how == "silent":
            until(lambda: self.how != "silent", "it is mended", 60)
            return
        if how == "closes":
            return
        if how == "garbage":
            connection.sendall(b"\x00\xff<garbage" * 100)
            return
        if how == "html":
            connection.sendall(b"Status: 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n<html>no</html>")
            return
        header = b"CONTENT_LENGTH\0%d\0SCGI\x001\0" % len(body)
        with socket.socket(socket.AF_UNIX) as real:
            real.connect(self.path)
            real.sendall(b"%d:%s,%s" % (len(header), header, body))
            with real.makefile("rb") as answer:
                received = answer.read()
        if how == "slow":
            time.sleep(0.7)
        connection.sendall(received[: len(received) // 2] if how == "cut off" else received)


def conversations(rig: Rig) -> Iterator[tuple[str, Run]]:
    """RTorrent answers nonsense, half, nothing, late: for some seconds, at the look-up and at the switch."""
    for how in ("garbage", "html", "closes", "silent", "cut off", "slow"):
        for state in (None, State.CACHED):

            def run(how: str = how, state: State | None = state) -> dict[str, int]:
                torrent = rig.prepare()
                between = Between(rig.box.client.socket)
                path = f"{rig.home}/between"
                supervisor = rig.box.supervisor
                with listening(between, path):
                    supervisor.configure(scgi_url=path, rpc_timeout=1)
                    if state is None:
                        between.how = how
                    begun = time.monotonic()

                    def disturb(life: Life) -> None:
                        job = life.job()
                        if state is None and time.monotonic() - begun > LASTS + 1:
                            between.how = "well"
                        elif state is not None and job is not None and job.state is State.CACHED and not at:
                            between.how = how
                            at.append(time.monotonic())
                        elif at and time.monotonic() - at[0] > LASTS + 1:
                            between.how = "well"

                    at: list[float] = []
                    try:
                        rig.live(torrent, {}, disturb)
                    finally:
                        between.how = "well"
                        supervisor.configure(scgi_url=rig.box.client.url, rpc_timeout=5)
                        Path(path).unlink(missing_ok=True)
                return {"requests": between.requests}

            yield f"rTorrent: {how}, {'from the start' if state is None else 'at the switch'}", run


# -- Sonarr -----------------------------------------------------------------------------------------------------------


def notifications(rig: Rig) -> Iterator[tuple[str, Run]]:
    """Sonarr misbehaves; the copy is made all the same, and Sonarr is told when it is well again."""
    for mode in Mode:
        if mode is not Mode.WELL:

            def run(mode: Mode = mode) -> dict[str, int]:
                torrent = rig.prepare()
                rig.arr.mode = mode

                def well() -> None:
                    rig.arr.mode = Mode.WELL
                    rig.arr.stopped.set()
                    rig.box.supervisor.ask(torrent.hash, "retry")
                    rig.box.supervisor.ask("all", "process")

                try:
                    rig.live(torrent, {}, At(State.COPIED, lambda: None, well))
                finally:
                    rig.arr.mode = Mode.WELL
                    rig.arr.stopped.clear()
                if KEY in rig.box.supervisor.said():
                    raise Violated("the key stands in the log")
                return {}

            yield f"Sonarr: {mode}", run


# -- the clock, limits, scrapes ---------------------------------------------------------------------------------------


def clocks(rig: Rig) -> Iterator[tuple[str, Run]]:
    """The wall clock jumps while a copy waits for space, and before the switch."""
    for seconds in (-400 * DAY, -3 * DAY, 3 * DAY, 400 * DAY):
        for when in ("while it waits", "before the switch"):

            def run(seconds: float = seconds, when: str = when) -> dict[str, int]:
                torrent = rig.prepare()
                ballast = fill(rig.box.hdd, 20_000) if when == "while it waits" else None
                state = State.WAITING if ballast else State.CACHED

                def back() -> None:
                    rig.watch.skew(0)
                    if ballast:
                        ballast.unlink()

                environment = rig.watch.environment(hashes=[torrent.hash], clock=True)
                if seconds < 0:  # it was ahead, and is set right
                    rig.watch.skew(-seconds)
                    disturb = At(state, lambda: None, back, 1.0)
                else:
                    disturb = At(state, lambda: rig.watch.skew(seconds), lambda: ballast and ballast.unlink(), 1.0)
                rig.strangers.pop(os.fsencode(rig.box.hdd / "ballast"), None)
                rig.live(torrent, environment, disturb)
                return {}

            yield f"clock: {seconds / DAY:+.0f} days {when}", run


def limits(rig: Rig) -> Iterator[tuple[str, Run]]:
    """Too few descriptors, too little memory, no room for temporary files; the Manager killed; 50 scrapes at once."""
    for what, kind, values in (
        ("descriptors", resource.RLIMIT_NOFILE, (18, 24, 32)),
        ("bytes of memory", resource.RLIMIT_AS, (60 << 20, 120 << 20, 200 << 20)),
    ):
        for value in values:

            def run(kind: int = kind, value: int = value) -> dict[str, int]:
                torrent = rig.prepare()
                began = time.monotonic()

                def everybody(limit: tuple[int, int]) -> None:
                    for process in rig.box.processes():
                        with contextlib.suppress(psutil.Error, OSError):
                            process.rlimit(kind, limit)

                def disturb(_: Life) -> None:
                    if time.monotonic() - began < 4:
                        everybody((value, resource.getrlimit(kind)[1]))
                    else:
                        everybody(resource.getrlimit(kind))

                rig.live(torrent, {}, disturb)
                return {}

            yield f"limit: {value} {what}", run
    yield "limit: no room in TMPDIR", lambda: _no_temporary_files(rig)
    yield "limit: no room in /tmp", lambda: _full_tmp(rig)
    yield "limit: no inode on the HDD", lambda: _no_inodes(rig)
    yield "the Manager is killed 15 times", lambda: _managers(rig)
    yield "50 scrapes at once", lambda: _scrapes(rig)


def _no_temporary_files(rig: Rig) -> dict[str, int]:
    torrent = rig.prepare()
    with loop_mounted(rig.home, "temporary", "tmpfs", mib=1) as temporary:
        (temporary / "ballast").write_bytes(bytes(1 << 20))
        rig.live(torrent, {"TMPDIR": str(temporary)})
    return {}


_FULL_TMP = """
new=$0
mount -t tmpfs -o size=64k tmpfs "$new"
for kept in "$1" "$2"; do  # in /tmp perhaps, and needed
    mkdir -p "$new/${kept#/tmp/}" && mount --bind "$kept" "$new/${kept#/tmp/}"
done
cp /bin/sh "$new/ballast" 2>/dev/null && exit 1
mount --rbind "$new" /tmp && shift 2 && exec "$@"
"""


def _full_tmp(rig: Rig) -> dict[str, int]:
    """In a mount namespace of its own: only the supervisor's processes see it."""
    torrent, supervisor = rig.prepare(), rig.box.supervisor
    new = rig.home / "tmp"
    new.mkdir()
    supervisor.through = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        _FULL_TMP,
        str(new),
        ROOT,
        os.path.dirname(rig.box.client.socket),
    ]
    try:
        rig.live(torrent, {})
    finally:
        supervisor.through = []
        new.rmdir()
    return {}


def _no_inodes(rig: Rig) -> dict[str, int]:
    torrent, taken = rig.prepare(), 0
    place = rig.box.hdd / "taken"
    place.mkdir()
    with contextlib.suppress(OSError):
        while True:
            (place / str(taken)).touch()
            taken += 1
    if os.statvfs(place).f_favail:
        raise AssertionError(f"there are inodes left: {os.statvfs(place)}")
    rig.live(torrent, {}, At(State.WAITING, lambda: None, lambda: shutil.rmtree(place)))
    if not any("space" in event.text for event in rig.box.supervisor.events(torrent.hash) if event.action == "waiting"):
        raise Violated("ended: it did not say that there is no room")
    return {"inodes": taken}


def _managers(rig: Rig) -> dict[str, int]:
    torrent, killed = rig.prepare(), 0

    def disturb(_: Life) -> None:
        nonlocal killed
        if killed < 15:
            with contextlib.suppress(StopIteration, psutil.Error, AssertionError, KeyError):
                rig.box.supervisor.manager().kill()
                killed += 1

    rig.live(torrent, {}, disturb)
    return {"killed": killed}


def _scrapes(rig: Rig) -> dict[str, int]:
    torrent, counts, over = rig.prepare(), Counter[str](), threading.Event()

    def scrape() -> None:
        while not over.is_set():
            try:
                with urllib.request.urlopen(
                    f"http://127.0.0.1:{rig.box.supervisor.port}/metrics", timeout=10
                ) as answer:
                    answer.read()
                    counts[f"answers {answer.status}"] += 1
            except urllib.error.HTTPError as error:
                counts[f"answers {error.code}"] += 1
            except OSError as error:
                if "refused" not in str(error):  # nobody listens yet, or any more
                    counts["scrapes cut off"] += 1
                over.wait(0.02)

    scrapers = [threading.Thread(target=scrape) for _ in range(50)]
    for scraper in scrapers:
        scraper.start()
    try:
        rig.live(torrent, {})
    finally:
        over.set()
        for scraper in scrapers:
            scraper.join()
    if not counts["answers 200"]:
        raise Violated(f"no scrape was answered: {dict(counts)}")
    return dict(counts)


# -- a disk that lies -------------------------------------------------------------------------------------------------


def _flip(rig: Rig, path: Path, offset: int) -> None:
    """Change one bit of a file under its file system: in the image that the loop device reads."""
    listed = subprocess.run([need_program("filefrag"), "-v", "-b1", path], capture_output=True, text=True, check=True)
    for found in re.finditer(r"^\s*\d+:\s*(\d+)\.\.\s*(\d+):\s*(\d+)\.\.", listed.stdout, re.MULTILINE):
        first, last, physical = map(int, found.groups())
        if first <= offset <= last:
            with (rig.box.hdd.parent / "hdd.image").open("r+b") as image:
                image.seek(physical + offset - first)
                byte = image.read(1)[0]
                image.seek(physical + offset - first)
                image.write(bytes([byte ^ 1 << offset % 8]))
            return
    raise AssertionError(f"no block of {path} at {offset}: {listed.stdout}")


def lies(rig: Rig, seed: int) -> Iterator[tuple[str, Run]]:
    """The HDD says that it has what was fsynced, and has one bit otherwise: found before anything is removed."""
    dice = random.Random(seed)
    for number in range(FLIPS):
        name, size = dice.choice((("a", 40_000), ("b/c", 30_001)))
        offset, late = dice.randrange(size), number % 4 == 0

        def run(name: str = name, offset: int = offset, late: bool = late) -> dict[str, int]:
            torrent = rig.prepare()
            # Late: it was published unread, to be proven before the removal.
            text = "fsync hdd/tv" if late else "fsync hdd/tv/.seedcache-H.partial"
            environment = rig.watch.environment(Strike(Step(text), "stop", after=True), [torrent.hash])
            where = rig.box.hdd / "tv" / ("Show" if late else f".seedcache-{torrent.hash}.partial") / name
            flipped = []

            def disturb(life: Life) -> None:
                life.lying = True
                for process in rig.box.processes():
                    with contextlib.suppress(psutil.Error):
                        if process.status() == psutil.STATUS_STOPPED:
                            if not flipped:
                                _flip(rig, where, offset)
                                flipped.append(where)
                            process.send_signal(signal.SIGCONT)
                job = life.job()
                if late and flipped and job is not None and job.state is State.FAILED and len(flipped) == 1:
                    flipped.append(where)
                    shutil.rmtree(
                        where.parent if name == "a" else where.parent.parent
                    )  # a person takes the bad copy away

            rig.box.supervisor.configure(proof="before-removal" if late else "before-publish")
            try:
                rig.live(torrent, environment, disturb)
            finally:
                rig.box.supervisor.configure(proof="before-publish")
            if not flipped:
                raise AssertionError("nothing was flipped")
            events = [event.text for event in rig.box.supervisor.events(torrent.hash)]
            if not any("piece" in text for text in events):
                raise Violated(f"prove, then delete: nobody noticed; {events}")
            return {"flips found": 1}

        yield (
            f"flip {number + 1}: bit {offset % 8} of byte {offset} of {name}, {'published' if late else 'unpublished'}",
            run,
        )
