"""The HTTP pages: `/metrics`, `/-/healthy`, `/-/ready`, and an index. Only GET and HEAD, only reading.

One thread accepts and sleeps otherwise. A client has a few seconds and a few kilobytes for its request, and a bounded
number of them are served at once: one that is slow, or silent, holds up nobody.
"""

import logging
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

from supervisor.adapters import clock
from supervisor.errors import ConfigurationError
from supervisor.observation.gauges import ROLES
from supervisor.observation.metrics import CONTENT_TYPE, Metrics
from supervisor.observation.snapshot import Snapshot

log = logging.getLogger(__name__)

_DEADLINE = 5.0  # seconds that a client has for its request, and again to take the answer
_LARGEST_HEAD = 16384  # bytes of request line and headers
_AT_ONCE = 16  # clients; further ones wait in the kernel's queue
_PATIENCE = 30.0  # seconds without a sign of life before a loop or a worker counts as dead
_TEXT = "text/plain; charset=utf-8"
_INDEX = b"""seedcache

/metrics     for Prometheus
/-/healthy   200: the supervisor and its workers live
/-/ready     200: the journal can be written, rTorrent answers, the disks are mounted
"""


def unhealthy(snapshot: Snapshot, now: float) -> list[str]:
    """Given the latest snapshot and the time, return why the supervisor is not healthy, one reason each."""
    reasons = []
    if now - snapshot.at > _PATIENCE:
        reasons.append(f"the supervisor has not looked around for {now - snapshot.at:.0f} s")
    reasons += [
        f"worker {worker.name} is not up {now - worker.heard:.0f} s after its start"
        for worker in snapshot.workers
        if not worker.up and now - worker.heard > _PATIENCE
    ]
    if now - snapshot.started > _PATIENCE and not snapshot.draining:
        there = {worker.role for worker in snapshot.workers}
        reasons += [f"there is no {role} worker; it is started again" for role in ROLES if role not in there]
    return reasons


def unready(snapshot: Snapshot, now: float) -> list[str]:
    """Given the latest snapshot and the time, return why no torrent can be dealt with, one reason each."""
    reasons = []
    if now - snapshot.at > _PATIENCE:
        reasons.append(f"the supervisor has not looked around for {now - snapshot.at:.0f} s")
    if snapshot.draining:
        reasons.append("it was told to stop")
    if snapshot.journal_error:
        reasons.append(f"the journal cannot be written: {snapshot.journal_error}")
    if not snapshot.rtorrent.reachable:
        reasons.append(f"rTorrent is not reachable: {snapshot.rtorrent.error or 'not asked yet'}")
    reasons += [
        f"the {disk.role.upper()} {disk.path} is not mounted, does not answer, or is not the file system it was"
        for disk in snapshot.disks
        if not disk.trusted
    ]
    if not reasons and not snapshot.ready:
        reasons.append("it is starting")
    return reasons


class Server:
    """The running server."""

    def __init__(self, http: "_Http") -> None:
        self._http = http
        self._closing = False
        self.port: int = http.server_address[1]
        self._thread = threading.Thread(target=self._serve, name="web", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._closing:  # serve_forever would wake up twice a second to look whether it should end
            self._http.handle_request()

    def close(self) -> None:
        """Stop listening; requests in hand are answered."""
        self._closing = True
        self._http.socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits to accept (shutdown(2))
        self._thread.join()
        self._http.server_close()


def serve(address: str, port: int, metrics: Metrics, snapshot: Callable[[], Snapshot]) -> Server:
    """Given where to listen (port 0: any free one) and what to show, serve in threads of its own until closed.

    Raise ConfigurationError if it cannot listen there.
    """
    try:
        family, _, _, _, where = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return Server(_Http(family, (str(where[0]), port), metrics, snapshot))
    except OSError as error:
        raise ConfigurationError(
            f"METRICS_ADDRESS {address}, METRICS_PORT {port}: cannot listen there: {error.strerror or error}. "
            f"Is another program (or another seedcache) using the port? Set METRICS_PORT to a free one"
        ) from error


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(
        self, family: socket.AddressFamily, where: tuple[str, int], metrics: Metrics, snapshot: Callable[[], Snapshot]
    ) -> None:
        self.address_family = family
        self.metrics, self.snapshot = metrics, snapshot
        self._free = threading.BoundedSemaphore(_AT_ONCE)
        super().__init__(where, _Handler)

    def server_bind(self) -> None:
        # HTTPServer's own asks the DNS for the host's full name here.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  (socketserver's)
        self._free.acquire()
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread can be started: TasksMax, memory
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  (socketserver's)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  (socketserver's)
        try:
            super().finish_request(request, client_address)
        except OSError:
            pass  # a client that hangs up is no error of ours
        except Exception:
            log.exception("a page could not be served", extra={"action": "unexpected"})


class _Handler(BaseHTTPRequestHandler):
    server: _Http
    server_version = "seedcache"
    sys_version = ""

    def setup(self) -> None:
        """Read the whole head within the deadline, however slowly it comes: a timeout of each read would not end it."""
        super().setup()
        head, end = b"", clock.monotonic() + _DEADLINE
        try:
            while b"\r\n\r\n" not in head and b"\n\n" not in head and len(head) <= _LARGEST_HEAD:
                self.connection.settimeout(max(end - clock.monotonic(), 0.001))
                more = self.connection.recv(4096)
                if not more:
                    break
                head += more
        except OSError:
            head = b""
        self.connection.settimeout(_DEADLINE)
        self.rfile.close()
        self._too_large = len(head) > _LARGEST_HEAD
        self.rfile = BytesIO(head)

    def handle(self) -> None:
        if self._too_large:
            self.requestline, self.request_version, self.command = "", "HTTP/1.0", ""
            self.send_error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            return
        super().handle()

    def do_GET(self) -> None:
        page = self.path.partition("?")[0]
        snapshot, now = self.server.snapshot, clock.now()
        match page:
            case "/metrics":
                self._answer(HTTPStatus.OK, CONTENT_TYPE, self.server.metrics.exposition())
            case "/-/healthy":
                self._verdict("healthy", unhealthy(snapshot(), now))
            case "/-/ready":
                self._verdict("ready", unready(snapshot(), now))
            case "/":
                self._answer(HTTPStatus.OK, _TEXT, _INDEX)
            case _:
                self._answer(HTTPStatus.NOT_FOUND, _TEXT, b"no such page; see /\n")

    def do_HEAD(self) -> None:
        self.do_GET()

    def _verdict(self, word: str, reasons: list[str]) -> None:
        status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
        self._answer(status, _TEXT, "".join(f"{line}\n" for line in reasons or [word]).encode("utf-8", "replace"))

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (http.server's)
        """Keep no access log; a request every 15 seconds would drown the journal."""
