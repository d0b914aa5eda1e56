"""A stand-in Sonarr or Radarr over real HTTP: the command and status resources of their API v3.

It takes scan commands, checks the key, the content type and the body, and answers in the shapes of the OpenAPI
documents (`shapes.py`). `mode` makes it misbehave. It also runs by itself, and prints each command it is given:

    python -m tests.fakes.arr --port-file FILE [--service radarr] [--key KEY]
"""

import argparse
import json
import os
import re
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.support.ports import free_port

KEY = "0123456789abcdef0123456789abcdef"
COMMANDS = {"sonarr": "DownloadedEpisodesScan", "radarr": "DownloadedMoviesScan"}


class Mode(StrEnum):
    """How the service behaves."""

    WELL = "well"
    SLOW = "slow"  # answers nothing until it is stopped
    TRICKLE = "trickle"  # sends its answer byte by byte, without an end
    REFUSES_KEY = "401"
    BROKEN = "500"
    BUSY = "503"
    HTML = "html"
    GARBAGE = "garbage"
    HUGE = "huge"
    REDIRECTS = "redirect"  # to `redirect_to`
    UNSUCCESSFUL = "unsuccessful"  # completed, with the result unsuccessful
    FAILS = "failed"
    NEVER_COMPLETES = "never completes"


class FakeArr:
    """One service on a free port of the loopback interface; a context manager."""

    def __init__(self, service: str = "sonarr", key: str = KEY, base: str = "") -> None:
        self.service = service
        self.key = key
        self.base = base  # URL base, like /sonarr
        self.mode = Mode.WELL
        self.redirect_to = "http://elsewhere.invalid/"
        self.commands: list[dict[str, Any]] = []  # the bodies of all commands it accepted
        self.requests: list[tuple[str, str, dict[str, str]]] = []  # method, path, headers: of all requests
        self.polls_until_done = 2
        self.root = ""  # a container's root directory on this host; its own paths begin there
        self.completed_download_handling = False
        self.on_command: Callable[[dict[str, Any]], object] | None = None  # told of each command it accepts
        self.port = free_port()
        self._known: dict[int, dict[str, Any]] = {}
        self._next = 1
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None
        self.stopped = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.base}"

    def start(self) -> Self:
        """Listen; after a stop, on the same port and without memory of earlier commands."""
        self.stopped.clear()
        self._known = {}
        fake = self

        class Handler(_Handler):
            arr = fake

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        if self._server is None:
            return
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def accept(self, body: dict[str, Any]) -> dict[str, Any]:
        """Take a command and return its resource."""
        with self._lock:
            number, self._next = self._next, self._next + 1
            self.commands.append(body)
            self._known[number] = resource = _resource(number, body["name"])
        if self.on_command:
            self.on_command(body)
        return resource

    def poll(self, number: int) -> dict[str, Any] | None:
        """Return the command's resource, a step further each time; None if there is no such command."""
        with self._lock:
            resource = self._known.get(number)
            if resource is None:
                return None
            polls = resource.pop("polls", 0) + 1
            if polls < self.polls_until_done or self.mode is Mode.NEVER_COMPLETES:
                resource |= {"status": "started", "started": _now()}
            elif self.mode is Mode.FAILS:
                resource |= _end("failed", "unknown", "Failed") | {"exception": "System.IO.IOException: no such path"}
            elif self.mode is Mode.UNSUCCESSFUL:
                resource |= _end("completed", "unsuccessful", "Failed to import: no files found")
            else:
                resource |= _end("completed", "successful", "Completed")
            answer = dict(resource)
            resource["polls"] = polls
            return answer

    def status(self) -> dict[str, Any]:
        """Return the status resource."""
        return {
            "appName": self.service.capitalize(),
            "instanceName": self.service.capitalize(),
            "version": "4.0.14.2939",
            "buildTime": _now(),
            "isDebug": False,
            "isProduction": True,
            "isLinux": True,
            "osName": "debian",
            "mode": "console",
            "branch": "main",
            "authentication": "forms",
            "urlBase": self.base,
            "startTime": _now(),
            "packageAuthor": None,
        }

    def listing(self, query: str) -> dict[str, Any]:
        """Return what is in a directory, as Sonarr's FileSystemLookupService does without trailing slashes."""
        path = query if os.path.isdir(self.root + query) else query[: query.rfind("/") + 1]
        above = os.path.dirname(path.rstrip("/"))
        parent = None if path == "/" else above if above.endswith("/") else f"{above}/"
        try:
            names = sorted(entry.name for entry in os.scandir(self.root + path) if entry.is_dir())
        except OSError:
            names = []
        folders = [
            {"type": "folder", "name": name, "path": f"{path.rstrip('/')}/{name}/", "size": 0, "lastModified": _now()}
            for name in names
        ]
        return {"parent": parent, "directories": folders, "files": []}

    def download_client_config(self) -> dict[str, Any]:
        """Return the resource of Settings, Download Clients."""
        return {
            "id": 1,
            "downloadClientWorkingFolders": "_UNPACK_|_FAILED_",
            "enableCompletedDownloadHandling": self.completed_download_handling,
            "autoRedownloadFailed": True,
        }

    def fault_of(self, body: object) -> str:
        """Say what is wrong with a command; empty if nothing is."""
        if not isinstance(body, dict):
            return "the body is not an object"
        if body.get("name") != COMMANDS[self.service]:
            return f"unknown command {body.get('name')!r}"
        if not isinstance(body.get("path"), str) or not body["path"]:
            return "'Path' must not be empty"
        if not re.fullmatch(r"[0-9A-F]{40}", str(body.get("downloadClientId"))):
            return "'Download Client Id' is not the id of a download"
        if body.get("importMode") not in {"Auto", "Move", "Copy"}:
            return "'Import Mode' has a range of values which does not include it"
        return ""


class _Handler(BaseHTTPRequestHandler):
    arr: FakeArr
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self._misbehaves():
            return
        path = self.path.removeprefix(self.arr.base)
        if path == "/api/v3/system/status":
            self._answer(200, self.arr.status())
        elif path == "/api/v3/config/downloadclient":
            self._answer(200, self.arr.download_client_config())
        elif path.startswith("/api/v3/filesystem?"):
            (query,) = parse_qs(urlsplit(path).query)["path"]
            self._answer(200, self.arr.listing(query))
        elif found := re.fullmatch(r"/api/v3/command/([0-9]+)", path):
            resource = self.arr.poll(int(found[1]))
            self._answer(*(404, {"message": "NotFound"}) if resource is None else (200, resource))
        else:
            self._page(200)  # every unknown path is the web interface's

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self._misbehaves():
            return
        if self.path.removeprefix(self.arr.base) != "/api/v3/command":
            self._answer(405, {"message": "Method Not Allowed"})
        elif self.headers.get_content_type() != "application/json":
            self._answer(415, {"title": "Unsupported Media Type", "status": 415})
        else:
            try:
                body = json.loads(content)
            except ValueError:
                body = None
            fault = self.arr.fault_of(body)
            if fault:
                self._answer(400, [{"propertyName": "Body", "errorMessage": fault, "severity": "error"}])
            else:
                self._answer(201, self.arr.accept(body))

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def _misbehaves(self) -> bool:
        arr = self.arr
        arr.requests.append((self.command, self.path, dict(self.headers)))
        match arr.mode:
            case Mode.SLOW:
                arr.stopped.wait()
                self.close_connection = True
            case Mode.TRICKLE:
                self._trickle()
            case Mode.REDIRECTS:
                self._send(307, b"", "text/plain", {"Location": arr.redirect_to})
            case Mode.BROKEN:
                self._answer(500, {"message": "database is locked", "description": f"key {self.headers['X-Api-Key']}"})
            case Mode.BUSY:
                self._page(503)
            case Mode.HTML:
                self._page(200)
            case Mode.GARBAGE:
                self._send(200, b'{"id": 1, "na', "application/json", {})
            case Mode.HUGE:
                self._send(200, b"[" + b"1," * 2_000_000 + b"1]", "application/json", {})
            case _ if arr.mode is Mode.REFUSES_KEY or self.headers.get("X-Api-Key") != arr.key:
                self._answer(401, {"error": "Unauthorized"})
            case _:
                return False
        return True

    def _trickle(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
            while not self.arr.stopped.wait(0.02):
                self.wfile.write(b" ")

    def _page(self, status: int) -> None:
        self._send(status, b"<!doctype html><title>Sonarr</title>", "text/html", {})

    def _answer(self, status: int, body: object) -> None:
        self._send(status, json.dumps(body).encode(), "application/json; charset=utf-8", {})

    def _send(self, status: int, content: bytes, kind: str, headers: dict[str, str]) -> None:
        with suppress(ConnectionError):  # a client that has heard enough
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _resource(number: int, name: str) -> dict[str, Any]:
    return {
        "id": number,
        "name": name,
        "commandName": re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name),
        "body": {"sendUpdatesToClient": False, "name": name, "trigger": "manual", "suppressMessages": False},
        "priority": "normal",
        "status": "queued",
        "result": "unknown",
        "queued": _now(),
        "started": None,
        "trigger": "manual",
        "sendUpdatesToClient": False,
        "updateScheduledTask": True,
    }


def _end(status: str, result: str, message: str) -> dict[str, Any]:
    return {"status": status, "result": result, "message": message, "ended": _now(), "duration": "00:00:00.0100000"}


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port-file", required=True, help="where the port is written once it listens")
    parser.add_argument("--service", choices=sorted(COMMANDS), default="sonarr")
    parser.add_argument("--key", default=KEY)
    arguments = parser.parse_args()
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # before the first thread: each inherits it
    with FakeArr(arguments.service, arguments.key) as arr:
        arr.on_command = lambda command: print(f"{arr.service}: {json.dumps(command)}", flush=True)  # noqa: T201  # for the person who started it
        with open(f"{arguments.port_file}.new", "w") as file:
            file.write(f"{arr.port}\n")
        os.replace(f"{arguments.port_file}.new", arguments.port_file)
        signal.sigwait(signals)


if __name__ == "__main__":
    main()
