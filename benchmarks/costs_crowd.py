"""A real rTorrent with 10,000 torrents: what it is asked, how long it then answers nobody else, and what we need."""

import contextlib
import hashlib
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.costs_box import MIB, Box, Row, family, wait_until
from benchmarks.costs_rtorrent import watched
from supervisor.jobs import State
from tests.fakes.arr import KEY, FakeArr
from tests.support.rtorrents import VERSIONS, RTorrentProcess
from tests.support.seedbox import fill
from tests.support.servers import listening, scgi_request
from tests.support.supervisors import SupervisorProcess
from tests.support.torrents import ANNOUNCE, bencode, make_torrent, write_tree

_COUNT, _FINISHED = 10_000, 10
_LOADING = 300.0  # seconds that rTorrent may take to load as many
_ALONE = 5.0  # seconds in which it is watched without us
_LOW = 64 * MIB  # free bytes of the SSD below which torrents leave it
_SIZES = {b"a": 3 * MIB, b"b/c": 1000}


class _Relay:
    """Stands between the supervisor and rTorrent: passes everything on, and takes the time."""

    def __init__(self, rtorrent: RTorrentProcess) -> None:
        self._rtorrent = rtorrent
        self.requests: list[tuple[bytes, float]] = []  # the first call of each, and the seconds until the answer

    def __call__(self, connection: socket.socket) -> None:
        body = scgi_request(connection)
        header = b"CONTENT_LENGTH\0%d\0SCGI\x001\0" % len(body)
        with socket.socket(socket.AF_UNIX) as other:
            other.connect(self._rtorrent.socket)
            began = time.perf_counter()
            other.sendall(b"%d:%s,%s" % (len(header), header, body))
            answer = b"".join(iter(lambda: other.recv(1 << 20), b""))
        first = re.search(rb"methodName</name>\s*<value><string>([\w.]+)", body)
        view = re.search(rb"<string>(main|incomplete)</string>", body)
        called = b" ".join(found[1] for found in (first, view) if found)
        self.requests.append((called, time.perf_counter() - began))
        connection.sendall(answer)


def crowd(box: Box, *, quick: bool) -> Iterator[Row]:
    """Ten of so many finish: they are copied, imported, and relocated when space is low."""
    count = _COUNT // 20 if quick else _COUNT
    for version in VERSIONS:
        home, what = box.home / f"crowd-{version}", f"{version}, {count} torrents"
        rtorrent = RTorrentProcess(version, home)
        _write_session(rtorrent.session, box.hdd / version, count)
        with contextlib.closing(rtorrent), FakeArr("sonarr") as arr:
            began = time.perf_counter()
            rtorrent.start(_LOADING)
            yield Row("crowd", f"{what}: start of rTorrent", "s", (time.perf_counter() - began,))
            relay = _Relay(rtorrent)
            with listening(relay, str(home / "relay")):
                supervisor = box.supervisor(
                    f"crowd-{version}", f"scgi+unix://{home}/relay", disk_space_threshold_gb=_LOW / 1024**3,
                    sonarr_url=arr.url, sonarr_api_key=KEY, sonarr_tag="tv",
                )  # fmt: skip
                with supervisor:
                    yield from _lives(box, rtorrent, supervisor, relay, what)
        (box.ssd / "ballast").unlink()


def _lives(
    box: Box, rtorrent: RTorrentProcess, supervisor: SupervisorProcess, relay: _Relay, what: str
) -> Iterator[Row]:
    wait_until(lambda: supervisor.metric("seedcache_rtorrent_reachable") == 1, "rTorrent has answered")
    hashes = []
    for number in range(_FINISHED):
        data = box.ssd / f"{rtorrent.version} {number}"
        torrent = make_torrent(write_tree(data, _SIZES, seed=number), box.home / f"crowd {number}.torrent")
        rtorrent.seed(torrent, box.ssd, extra='d.custom1.set="tv"')
        hashes.append(torrent.hash)

    def copied() -> None:
        for info_hash in hashes:
            supervisor.submit(info_hash)
            supervisor.wait_for(info_hash, State.CACHED, 120)

    def relocated() -> None:
        fill(box.ssd, _LOW // 2)
        supervisor.ask("all", "space")
        for info_hash in hashes:
            supervisor.wait_for(info_hash, State.RELOCATED, 120)

    def shown() -> None:
        began = time.perf_counter()
        assert supervisor.run("status").returncode == 0
        took.append((time.perf_counter() - began) * 1000)

    took: list[float] = []
    for during, name in (
        (lambda: time.sleep(_ALONE), "nothing"), (copied, "copied"), (shown, "status"), (relocated, "relocated"),
    ):  # fmt: skip
        relay.requests.clear()
        silence = _silence(rtorrent, hashes[0], during)
        yield Row("crowd", f"{what}: {name}, others unanswered", "ms", (silence * 1000,))
        if during in (copied, relocated):
            lists = [seconds * 1000 for called, seconds in relay.requests if called == b"d.multicall2 main"]
            rest = [seconds * 1000 for called, seconds in relay.requests if called != b"d.multicall2 main"]
            yield Row("crowd", f"{what}: requests for each that is {name}", "", (len(relay.requests) / _FINISHED,))
            yield Row("crowd", f"{what}: of them lists of all", "", (len(lists) / _FINISHED,))
            yield Row("crowd", f"{what}: a list of all", "ms", tuple(lists))
            yield Row("crowd", f"{what}: any other request", "ms", tuple(rest))
    yield Row("crowd", f"{what}: `status`", "ms", tuple(took))
    memory = sum(process.memory_full_info().pss for process in family(supervisor.pid)) / MIB
    yield Row("crowd", f"{what}: memory", "MiB", (memory,))


def _silence(rtorrent: RTorrentProcess, info_hash: str, during: Callable[[], None]) -> float:
    """Return the longest time (seconds) for which somebody else who asks without a pause was not answered."""
    with watched(rtorrent, info_hash) as gaps:
        during()
    return max(gaps)


def _write_session(session: Path, where: Path, count: int) -> None:
    """Write the session of an rTorrent that seeds so many torrents of one small file each."""
    where.mkdir()
    for number in range(count):
        name, data = f"Some.Show.S01E{number:06d}.1080p.WEB.H264-GROUP.mkv", b"%d" % number
        (where / name).write_bytes(data)
        written = int((where / name).stat().st_mtime)
        info = {"length": len(data), "name": name, "piece length": 16384, "pieces": hashlib.sha1(data).digest()}
        told = {
            "chunks_done": 1, "chunks_wanted": 0, "complete": 1, "custom1": "tv", "directory": str(where),
            "hashing": 0, "priority": 2, "state": 1, "state_changed": written, "state_counter": 1, "tied_to_file": "",
            "timestamp.finished": written, "timestamp.started": written, "total_uploaded": 0, "views": [],
        }  # fmt: skip
        resume = {"bitfield": 1, "files": [{"completed": 1, "mtime": written, "priority": 1}], "peers": []}
        metafile = session / f"{hashlib.sha1(bencode(info)).hexdigest().upper()}.torrent"
        metafile.write_bytes(bencode({"announce": ANNOUNCE, "info": info}))
        metafile.with_name(f"{metafile.name}.rtorrent").write_bytes(bencode(told))
        metafile.with_name(f"{metafile.name}.libtorrent_resume").write_bytes(bencode(resume))
