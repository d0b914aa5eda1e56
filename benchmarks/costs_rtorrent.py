"""What rTorrent feels: how long a torrent does not seed while it is switched, and a look at 5,000 torrents."""

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from xmlrpc import client as xmlrpc

from benchmarks.costs_box import MIB, Box, Row, a_hash, history, processor_seconds, wait_until
from supervisor import spool
from supervisor.adapters.rtorrent import RTorrent
from supervisor.jobs import State
from supervisor.journal import place
from tests.support.rtorrents import VERSIONS, RTorrentProcess
from tests.support.seedbox import fill
from tests.support.servers import listening, response, scgi_answer, scgi_request
from tests.support.supervisors import SupervisorProcess
from tests.support.torrents import Torrent, bencode, make_torrent, write_tree

_COUNT = 5_000
_LOW = 64 * MIB  # free bytes of the SSD below which torrents leave it


def outage(box: Box, *, quick: bool) -> Iterator[Row]:
    """How long a torrent of 1, 100 and 3,000 files is not active: as the journal says, as others see it.

    And, in turns with it, what rTorrent needs for the same four commands if it is given them by hand.
    """
    times = {1: 2, 100: 2, 3000: 1} if quick else {1: 9, 100: 9, 3000: 5}
    for version in VERSIONS:
        with (
            RTorrentProcess(version, box.home / f"outage-{version}") as rtorrent,
            box.supervisor(f"outage-{version}", rtorrent.url) as supervisor,
        ):
            for files, count in times.items():
                told, seen, bare = [], [], []
                for number in range(count):
                    torrent = _seeded(box, rtorrent, f"{version} {files} {number}", files)
                    supervisor.submit(torrent.hash)
                    supervisor.wait_for(torrent.hash, State.CACHED, 120)
                    with watched(rtorrent, torrent.hash) as gaps:
                        supervisor.ask(torrent.hash, "relocate")
                        supervisor.wait_for(torrent.hash, State.RELOCATED, 60)
                    seen.append(max(gaps) * 1000)
                    (text,) = (e.text for e in supervisor.events(torrent.hash) if e.text.startswith("closed for"))
                    told.append(float(text.split()[2]))
                    bare.append(_by_hand(box, rtorrent, f"{version} {files} {number} by hand", files) * 1000)
                yield Row("outage", f"{version}, {files} files: told", "ms", tuple(told))
                yield Row("outage", f"{version}, {files} files: seen from outside", "ms", tuple(seen))
                yield Row("outage", f"{version}, {files} files: by hand", "ms", tuple(bare))


def _by_hand(box: Box, rtorrent: RTorrentProcess, name: str, files: int) -> float:
    torrent = _seeded(box, rtorrent, name, files)
    subprocess.run(["cp", "-a", box.ssd / name, box.hdd / name], check=True)
    at = ("d.directory_base.set", torrent.hash, str(box.hdd / name))
    wanted = ("d.is_active", torrent.hash), ("d.complete", torrent.hash), ("d.hashing", torrent.hash)
    began = time.perf_counter()
    rtorrent.multi(("d.close", torrent.hash), at, ("d.save_resume", torrent.hash), ("d.resume", torrent.hash))
    took = wait_until(lambda: rtorrent.multi(*wanted) == [1, 1, 0], "it is active again", every=0.0005) - began
    rtorrent.call("d.erase", torrent.hash)
    for where in (box.ssd, box.hdd):
        shutil.rmtree(where / name)
    return took


def _seeded(box: Box, rtorrent: RTorrentProcess, name: str, files: int) -> Torrent:
    data = box.ssd / name
    sizes = {b"%02d/%04d.bin" % (number % 50, number): 1 + number % 5000 for number in range(files)}
    write_tree(data, sizes, seed=files)
    torrent = make_torrent(data, box.home / f"{name}.torrent")
    rtorrent.seed(torrent, box.ssd)
    return torrent


@contextlib.contextmanager
def watched(rtorrent: RTorrentProcess, info_hash: str) -> Iterator[list[float]]:
    """Ask without a pause whether it is active; leave the seconds between two answers that said so."""
    gaps: list[float] = []
    leave = threading.Event()
    sys.setswitchinterval(0.0002)  # seconds; the thread that waits for the end must not hold this one up

    def watch() -> None:
        last = None
        while not leave.is_set():
            asked = time.perf_counter()
            active = rtorrent.call("d.is_active", info_hash)
            if active:
                if last is not None:
                    gaps.append(time.perf_counter() - last)
                last = asked
            time.sleep(0.0002)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield gaps
    finally:
        leave.set()
        watcher.join()
        sys.setswitchinterval(0.005)


def survey(box: Box, *, quick: bool) -> Iterator[Row]:
    """A pass over 5,000 torrents of a played rTorrent, from the wish to the plan, and its requests."""
    for cached in (0, 1_000):
        hashes = [a_hash(number) for number in range(_COUNT)]
        with _played(box, f"known-{cached}", hashes, on_ssd=cached) as (url, requests):
            supervisor = _prepared(box, f"survey-{cached}", url)
            history(supervisor.state, box, {State.CACHED: cached, State.RELOCATED: _COUNT - cached})
            seconds, used, asked = [], [], []
            with supervisor, _frozen(supervisor, "space"):  # the plan is what is measured, not what it leads to
                for _ in range(3 if quick else 15):
                    before, already = processor_seconds(supervisor.pid), len(requests)
                    seconds.append(_planned(box, supervisor))
                    used.append(processor_seconds(supervisor.pid) - before)
                    asked.append(len(requests) - already)
                    (box.ssd / "ballast").unlink()
                    _ask(supervisor)
                    wait_until(lambda: supervisor.metric("seedcache_space_low") == 0, "the SSD is not low")  # noqa: B023
            what = f"{_COUNT} torrents, {cached} cached"
            yield Row("survey", f"{what}: until the plan", "s", tuple(seconds), 1)
            yield Row("survey", f"{what}: processor", "s", tuple(used))
            yield Row("survey", f"{what}: requests", "", tuple(asked), 3)


def first(box: Box, *, quick: bool) -> Iterator[Row]:
    """The first pass on a seedbox that has long been full: 5,000 torrents that no hook told of."""
    count = _COUNT // 50 if quick else _COUNT
    session = box.home / "played-first" / "session"
    session.mkdir(parents=True)
    hashes = [_metafile(session, number) for number in range(count)]
    with _played(box, "first", hashes, on_ssd=count) as (url, requests):
        supervisor = _prepared(box, "first", url)
        with supervisor, _frozen(supervisor, "copier-1", "copier-2", "copier-3"):
            already, began = len(requests), time.perf_counter()
            planned = _planned(box, supervisor)
            asked = len(requests) - already
            ended = wait_until(lambda: _located(supervisor) == count, "all are looked up", 300, 0.1)
            yield Row("first", f"{count} unannounced: until the plan", "s", (planned,), 1)
            yield Row("first", f"{count} unannounced: requests of the pass", "", (asked,), 3)
            yield Row("first", f"{count} unannounced: until all are queued", "s", (ended - began,))
            yield Row("first", f"{count} unannounced: requests until then", "", (len(requests) - already,))
        (box.ssd / "ballast").unlink()


def _prepared(box: Box, name: str, url: str) -> SupervisorProcess:
    return box.supervisor(name, url, disk_space_threshold_gb=_LOW / 1024**3)


@contextlib.contextmanager
def _frozen(supervisor: SupervisorProcess, *workers: str) -> Iterator[None]:
    """Stop workers, once rTorrent has been asked for the first time."""
    wait_until(lambda: supervisor.metric("seedcache_rtorrent_reachable") == 1, "rTorrent has answered")
    pids = [supervisor.worker(name)["pid"] for name in workers]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def _planned(box: Box, supervisor: SupervisorProcess) -> float:
    """Make the SSD low and have it looked at; return the seconds until there is a plan."""
    fill(box.ssd, _LOW // 2)
    with supervisor.log.open() as file:
        file.seek(0, os.SEEK_END)
        began = time.perf_counter()
        _ask(supervisor)
        return wait_until(lambda: "action=planned" in file.read(), "a plan", every=0.001) - began


def _ask(supervisor: SupervisorProcess) -> None:
    spool.write(str(supervisor.state), spool.ALL, "space")


def _located(supervisor: SupervisorProcess) -> int:
    with contextlib.closing(sqlite3.connect(place(str(supervisor.state)))) as journal:
        return journal.execute("SELECT count(*) FROM jobs WHERE size > 0").fetchone()[0]


@contextlib.contextmanager
def _played(box: Box, name: str, hashes: list[str], on_ssd: int) -> Iterator[tuple[str, list[bytes]]]:
    """Play an rTorrent with those torrents, the first so many on the SSD; yield its URL and the requests it gets."""
    home = box.home / f"played-{name}"
    (home / "session").mkdir(parents=True, exist_ok=True)
    (home / "session" / "rtorrent.lock").touch()
    os.utime(home / "session" / "rtorrent.lock", (0, 0))  # it has been up for long
    rows = [_row(box, number, info_hash, on_ssd=number < on_ssd) for number, info_hash in enumerate(hashes)]

    def answer(method: str, *arguments: object) -> object:
        match method:
            case "d.multicall2":
                return rows if arguments[1] == "main" else []  # nothing is unfinished
            case "session.path":
                return str(home / "session")
            case "system.cwd":
                return str(home)
        return xmlrpc.Fault(-506, f"Method '{method}' not defined")

    requests: list[bytes] = []
    with listening(_remembering(answer, requests), str(home / "rpc")):
        RTorrent(f"scgi+unix://{home}/rpc").torrents()  # so that the answer is ready when it is measured
        yield f"scgi+unix://{home}/rpc", requests


def _remembering(answer: Callable[..., object], requests: list[bytes]) -> Callable[[socket.socket], None]:
    """Return a handler that makes each answer once: it is not the player that is measured."""
    known: dict[bytes, bytes] = {}

    def handle(connection: socket.socket) -> None:
        request = scgi_request(connection)
        requests.append(request)
        if request not in known:
            (calls,), _ = xmlrpc.loads(request)
            answers = (answer(call["methodName"], *call["params"]) for call in calls)
            values = [vars(value) if isinstance(value, xmlrpc.Fault) else [value] for value in answers]
            known[request] = scgi_answer(response(values))
        connection.sendall(known[request])

    return handle


def _row(box: Box, number: int, info_hash: str, *, on_ssd: bool) -> list[object]:
    """Return what rTorrent says of one torrent, in the order of the adapter's fields."""
    name = f"Some.Show.S01E{number:06d}.1080p.WEB.H264-GROUP"
    directory = (box.ssd if on_ssd else box.hdd / "tv") / name
    directory.mkdir(parents=True, exist_ok=True)
    return [
        info_hash, name, str(directory), 1, 5, 0, "tv", 1_700_000_000 + number, 1, 0, 1, 1, 1, 0, 0, 1500,
        3 << 31, 0, 0, "", 1_700_000_000, 1_700_000_000, "12|https://tracker.example.org/KEY/announce|",
    ]  # fmt: skip


def _metafile(session: Path, number: int) -> str:
    """Put the metafile of a small torrent into the session; return its info-hash."""
    files = [{"length": 5, "path": ["a"]}]
    info = {"files": files, "name": str(number), "piece length": 32768, "pieces": hashlib.sha1(b"%d" % number).digest()}
    info_hash = hashlib.sha1(bencode(info)).hexdigest().upper()
    (session / f"{info_hash}.torrent").write_bytes(bencode({"info": info}))
    return info_hash
