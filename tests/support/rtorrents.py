"""Real rTorrent processes, headless, each in a directory of its own, on the loopback only."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from xmlrpc import client as xmlrpc

from tests.support.needs import ROOT, lacking, need_program
from tests.support.torrents import Pathlike, Torrent

OLD, NEW = "0.9.8", "0.16"  # Debian bookworm's, and Debian sid's as script/bootstrap unpacks it
VERSIONS = (OLD, NEW)

SETTINGS = """\
session.path.set = "{home}/session/"
directory.default.set = "{home}/downloads"
network.scgi.open_local = {socket}
network.bind_address.set = 127.0.0.1
network.port_range.set = 20000-32000
network.port_random.set = yes
dht.mode.set = disable
protocol.pex.set = no
trackers.use_udp.set = no
system.daemon.set = true
"""


def program(version: str) -> str:
    """Given "0.9.8" or "0.16", return what starts that rTorrent; skip if the machine has none."""
    if version == OLD:
        return need_program("rtorrent")
    launcher = os.path.join(ROOT, ".cache", "rtorrent-sid", "rtorrent")
    return launcher if os.access(launcher, os.X_OK) else lacking("needs rTorrent 0.16 below .cache")


def quoted(path: bytes) -> str:
    """Return a path as a quoted argument of an rTorrent command."""
    return '"' + os.fsdecode(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def until(condition: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    """Poll until the condition is true and return what it gave; raise AssertionError after the seconds.

    They are many, as other tests run beside: only a failure takes so long.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not in {seconds} s: {what}"
        time.sleep(0.01)
    return value


def _rpc(path: str, request: bytes, timeout: float) -> bytes:
    """Send one SCGI request, return the body of the answer."""
    header = b"CONTENT_LENGTH\0%d\0SCGI\x001\0" % len(request)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        connection.connect(path)
        connection.sendall(b"%d:%s,%s" % (len(header), header, request))
        with connection.makefile("rb") as answer:
            return answer.read().partition(b"\r\n\r\n")[2]


class RTorrentProcess:
    """One rTorrent with its own session, download directory, socket and port. Not started by making it."""

    def __init__(self, version: str, home: Path, extra: str = "") -> None:
        """Given the version, a directory (made) and further lines of settings, prepare the process."""
        self.version = version
        self.home = home
        self.session = home / "session"
        self.downloads = home / "downloads"
        self.log = home / "log"
        for directory in (self.session, self.downloads):
            directory.mkdir(parents=True, exist_ok=True)
        # A socket's path has 107 bytes at most (unix(7)); pytest's directories can be longer.
        self._short = tempfile.mkdtemp(prefix="seedcache-rt-")
        self.socket = os.path.join(self._short, "rpc")
        self.url = f"scgi+unix://{self.socket}"
        self.extra = extra
        self.environment: dict[str, str] = {}  # beside what it always gets
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- the process ---------------------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, seconds: float = 60.0) -> None:
        """Start it and return when it answers with all torrents of its session, in so many seconds."""
        assert not self.alive
        settings = self.home / "rtorrent.rc"
        settings.write_text(SETTINGS.format(home=self.home, socket=self.socket) + self.extra + "\n")
        lock = self.session / "rtorrent.lock"
        lock.unlink(missing_ok=True)  # of a killed one: it names the host and a pid that may be in use again
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [program(self.version), "-n", "-o", f"import={settings}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.home,
                env={"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C.UTF-8", **self.environment},
            )
        expected = len(list(self.session.glob("*.torrent")))

        def ready() -> bool:
            assert self.alive, f"rTorrent ended at once: {self.log.read_text(errors='replace')[-500:]}"
            try:
                # 0.16 answers with no torrents for its first 50 ms.
                return len(self.call("download_list")) == expected
            except (OSError, xmlrpc.Error):
                return False

        until(ready, f"rTorrent {self.version} answers with {expected} torrents", seconds)

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def wait(self) -> int:
        """Wait for the end; return the exit code, below 0 for a signal."""
        assert self._process is not None
        return self._process.wait(60)

    def stop(self) -> None:
        """Shut it down as a service manager does (SIGTERM: quick, session saved); kill it after a minute."""
        if self.alive:
            self.thaw()
            self._process.terminate()
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()

    def freeze(self) -> None:
        """SIGSTOP, and wait until every thread has stopped: the kernel still takes connections, nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)
        tasks = Path(f"/proc/{self.pid}/task")

        def stopped() -> bool:
            with suppress(FileNotFoundError, ProcessLookupError):  # a thread may end meanwhile
                return all((task / "stat").read_text().rpartition(")")[2].split()[0] == "T" for task in tasks.iterdir())
            return False

        until(stopped, "rTorrent is stopped")

    def thaw(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """Kill it and remove its socket; its directory stays."""
        self.kill()
        shutil.rmtree(self._short, ignore_errors=True)

    # -- RPC -----------------------------------------------------------------------------------------------------------

    def call(self, method: str, *arguments: Any, timeout: float = 30.0) -> Any:
        """Call a method; return what it returned. Raise xmlrpc.client.Fault or OSError."""
        # surrogateescape: rTorrent takes and gives raw bytes where a path is not UTF-8.
        request = xmlrpc.dumps(arguments, method).encode("utf-8", "surrogateescape")
        parser, unmarshaller = xmlrpc.getparser()
        parser.feed(_rpc(self.socket, request, timeout))
        parser.close()
        return unmarshaller.close()[0]

    def multi(self, *calls: tuple[Any, ...]) -> list[Any]:
        """Call several (method, *arguments) in one system.multicall; raise the first Fault."""
        answers = self.call("system.multicall", [{"methodName": name, "params": list(rest)} for name, *rest in calls])
        for answer in answers:
            if isinstance(answer, dict):
                raise xmlrpc.Fault(answer["faultCode"], answer["faultString"])
        return [answer[0] for answer in answers]

    @property
    def port(self) -> int:
        """Where it takes peers, on 127.0.0.1."""
        return int(self.call("network.listen.port"))

    # -- torrents ------------------------------------------------------------------------------------------------------

    def load(self, torrent: Torrent, directory: Pathlike | None = None, *, start: bool = True, extra: str = "") -> None:
        """Add a torrent with its data in (or to go to) `directory`, the parent of a multi-file torrent's root.

        `extra` is one more command, run as it is added. Returns when rTorrent lists it, perhaps still hashing.
        """
        where = os.fsencode(self.downloads if directory is None else directory)
        with open(torrent.metafile, "rb") as file:
            metafile = xmlrpc.Binary(file.read())
        commands = [f"d.directory.set={quoted(where)}", *([extra] if extra else [])]
        # The verbose kind says in the log why it refused one.
        self.call("load.raw_start_verbose" if start else "load.raw_verbose", "", metafile, *commands)
        until(lambda: torrent.hash in self.call("download_list"), f"{torrent.name!r} is listed")

    def wait_complete(self, torrent: Torrent, seconds: float = 60.0) -> None:
        """Wait until it is complete and not being hashed."""
        hash_ = torrent.hash
        until(
            lambda: self.multi(("d.complete", hash_), ("d.hashing", hash_)) == [1, 0],
            f"{torrent.name!r} is complete",
            seconds,
        )

    def seed(self, torrent: Torrent, directory: Pathlike, *, extra: str = "") -> None:
        """Add a torrent whose data is there; return when it is hashed, complete, active and in the session."""
        self.load(torrent, directory, extra=extra)
        self.wait_complete(torrent)
        until(lambda: self.call("d.is_active", torrent.hash) == 1, f"{torrent.name!r} is active")
        # 0.16 writes some time later; killed before, it has forgotten the torrent.
        until((self.session / f"{torrent.hash}.torrent.rtorrent").exists, f"{torrent.name!r} is in the session")

    def add_peer(self, torrent: Torrent, other: "RTorrentProcess") -> None:
        """Make it connect to another rTorrent for this torrent."""
        self.call("add_peer", torrent.hash, f"127.0.0.1:{other.port}")
