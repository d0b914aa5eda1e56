"""Speaks to rTorrent 0.9.8 to 0.16: the only importer of pyrosimple, and of it only the proxy.

Importing this costs 10 MB and up to 90 ms (pyrosimple brings prometheus_client with it): import it where it is needed.

Control characters, which rTorrent sends raw, are replaced before parsing; `torrents` reads what is left. What is not
plain ASCII is told to rTorrent as base64, which both versions take for any string.
"""

import http.client
import io
import os
import re
import reprlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from xml.parsers.expat import ExpatError
from xmlrpc import client as xmlrpc

from pyrosimple.util import rpc

from supervisor.adapters import session
from supervisor.adapters.scgi import Carrier, carrier, cause, masked
from supervisor.adapters.torrents import FIELDS, PLACE, TRACKERS, Placed, Torrent, read_place, read_torrent
from supervisor.errors import ConfigurationError, Retryable, RTorrentUnreachable, TorrentGone

P = TypeVar("P")
Call = Sequence[object]  # a method and its arguments

# Guards of a step: rTorrent itself refuses it, in the same turn of its main loop, while the torrent is being hashed
# (0.9.8 hangs or dies when such a torrent is closed, stopped or re-pointed), or is not closed yet.
IDLE = "d.hashing="
CLOSED = "or={d.hashing=,d.is_open=}"
_BUSY = "BUSY"

_BARRED = re.compile(rb"[\x00-\x1f\x7f]")
_CONTROL = bytes(code if code >= 0x20 or code in b"\t\n\r" else 0x3F for code in range(256))  # 0x3F: "?"  # noqa: PLR2004

_SESSION = (("session.path",), ("system.cwd",))  # the path may be relative

# All that reading nonsense can raise: the proxy and the XML-RPC parser check little.
_NO_ANSWER = (
    OSError, http.client.HTTPException, xmlrpc.Error, ExpatError,
    AssertionError, AttributeError, LookupError, OverflowError, RecursionError, TypeError, ValueError,
)  # fmt: skip
_FAULT = 200  # characters of one that are told on


class _Transport(xmlrpc.Transport):
    """Carries pyrosimple's requests with a timeout: its own transports wait for ever for a hung rTorrent."""

    def __init__(self, carry: Carrier) -> None:
        super().__init__()
        self._carry = carry

    def request(self, _host: object, _handler: str, body: Any, verbose: bool = False) -> Any:  # noqa: ANN401
        """Given an XML-RPC request, return the values of the answer."""
        self.verbose = verbose  # parse_response looks at it
        answer = self._carry(body)
        try:
            answer.decode()
        except UnicodeDecodeError:
            answer = answer.decode(errors="replace").encode()
        return self.parse_response(io.BytesIO(answer.translate(_CONTROL)))  # type: ignore[arg-type]  # it only reads


class RTorrent:
    """One rTorrent. Every request has its own connection and ends within the timeout; threads may share one object."""

    def __init__(self, url: str, timeout: float = 10.0) -> None:
        """Given its URL and the seconds one request may take. Raise ConfigurationError if it is no such URL."""
        self.url = masked(url)
        self.session = b""  # its path, as the last list of torrents told it
        self._proxy = rpc.RTorrentProxy("", transport=_Transport(carrier(url, timeout)))  # type: ignore[no-untyped-call]

    def torrent(self, info_hash: str) -> Torrent:
        """Return one torrent. Raise TorrentGone or RTorrentUnreachable."""
        trackers = ("branch", info_hash, "cat=1", TRACKERS)
        *row, path, cwd = self.ask(*((field, info_hash) for field in FIELDS), trackers, *_SESSION)
        return self._read(read_torrent, [row], _session(path, cwd))[0]

    def torrents(self, view: str = "main") -> list[Torrent]:
        """Return all torrents of a view, by one request whatever their number.

        Raise RTorrentUnreachable, also while rTorrent has just started and does not list all of its session yet.
        """
        return self._list(view, (*(f"{field}=" for field in FIELDS), TRACKERS), read_torrent)

    def placed(self) -> list[Placed]:
        """As torrents, but only where they lie and how large they are: an eighth of the work for rTorrent."""
        return self._list("main", [f"{field}=" for field in PLACE], read_place)

    def versions(self) -> tuple[str, str]:
        """Return the versions of rTorrent and of its library."""
        client, library = self.ask(("system.client_version",), ("system.library_version",))
        return str(client), str(library)

    def session_path(self) -> bytes:
        """Return the absolute path of the session directory. Raise ConfigurationError if rTorrent keeps none."""
        path = _session(*self.ask(*_SESSION))
        if not path:
            raise ConfigurationError("rTorrent keeps no session: add session.path.set = /SOME/DIRECTORY to its rc file")
        return path

    def metafile(self, info_hash: str) -> bytes:
        """Return the path of rTorrent's own copy of the torrent's metafile."""
        return session.metafile(self.session_path(), info_hash)

    def resume_directory(self, info_hash: str) -> bytes | None:
        """Return the directory that the torrent's data has after a restart: see session.directory."""
        return session.directory(self.session_path(), info_hash)

    def sync_session(self, info_hash: str) -> None:
        """Make what the session says of the torrent survive a power failure: see session.sync."""
        session.sync(self.session_path(), info_hash)

    def hooks(self, event: str = "event.download.finished") -> dict[str, str]:
        """Return what rTorrent runs at an event: name to command. Names that begin with "!" are rTorrent's own."""
        (handlers,) = self.ask(("method.get", "", event))
        try:
            return {str(name): _text(command) for name, command in dict(handlers).items()}
        except _NO_ANSWER as error:
            raise self._nonsense(handlers) from error

    def custom(self, info_hash: str, key: str) -> str:
        """Return a custom value of a torrent; "" if it has none."""
        return str(self.ask(("d.custom", info_hash, key))[0])

    def guarded(self, info_hash: str, *steps: tuple[str, str | bytes]) -> bool:
        """Given (guard, command) pairs, have rTorrent run the commands in one request, in one turn of its main loop.

        Return False if a guard stopped one. Raise TorrentGone, RTorrentUnreachable, or Retryable if rTorrent refuses
        one; the steps after it have been run all the same.
        """
        calls = [("branch", info_hash, guard, f"cat={_BUSY}", _string(command)) for guard, command in steps]
        try:
            return _BUSY not in self.ask(*calls)
        except _Fault as fault:
            raise Retryable(str(fault)) from fault

    def ask(self, *calls: Call) -> list[Any]:
        """Make the calls, each a method and its arguments, in one request; return the value of each.

        Raise TorrentGone if one is for a torrent that rTorrent, settled, does not have, else RTorrentUnreachable.
        """
        answers = self._request(calls)
        for (method, *rest), answer in zip(calls, answers, strict=True):
            if isinstance(answer, dict):
                fault = _shortened(answer.get("faultString"))
                if "info-hash" in fault:  # 0.9.8: Could not find info-hash. 0.16: … info-hash not found
                    raise self._missing(str(rest[0]))
                raise _Fault(f"rTorrent at {self.url} refused {method}: {fault}; is it 0.9.8 to 0.16?")
        return [answer[0] for answer in answers]

    def _request(self, calls: Sequence[Call]) -> list[Any]:
        """Return for each call a list of its one value, or a dict that tells the fault."""
        try:
            named = [{"methodName": method, "params": list(rest)} for method, *rest in calls]
            answers = self._proxy.system.multicall(named)
        except xmlrpc.Fault as fault:
            raise _Fault(
                f"rTorrent at {self.url} refused: {_shortened(fault.faultString)}; is it 0.9.8 to 0.16?"
            ) from fault
        except _NO_ANSWER as error:
            raise RTorrentUnreachable(f"rTorrent at {self.url} cannot be asked: {cause(error)}") from error
        if not isinstance(answers, list) or len(answers) != len(calls):
            raise self._nonsense(answers)
        for answer in answers:
            if not isinstance(answer, dict) and not (isinstance(answer, list) and len(answer) == 1):
                raise self._nonsense(answer)
        return answers

    def _missing(self, info_hash: str) -> TorrentGone | RTorrentUnreachable:
        # Looked for once more in the request that is believed: it may have been loaded since it was missed.
        again, *rest = self._request([("d.hash", info_hash), ("view.size", "", "main"), *_SESSION])
        if isinstance(again, dict) and not any(isinstance(answer, dict) for answer in rest):
            (listed,), (path,), (cwd,) = rest
            if isinstance(listed, int) and not session.loading(_session(path, cwd), listed):
                return TorrentGone(f"rTorrent at {self.url} has no torrent {info_hash}: it was erased there")
        return RTorrentUnreachable(f"rTorrent at {self.url} has just started and is still loading its torrents")

    def _list(self, view: str, columns: Sequence[str], read: Callable[[Any, bytes], P]) -> list[P]:
        rows, path, cwd = self.ask(("d.multicall2", "", view, *columns), *_SESSION)
        saved = self.session = _session(path, cwd)
        found = self._read(read, rows, saved)
        if view == "main" and session.loading(saved, len(found)):
            raise RTorrentUnreachable(f"rTorrent at {self.url} has just started and is still loading its torrents")
        return found

    def _read(self, read: Callable[[Any, bytes], P], rows: Any, saved_in: bytes) -> list[P]:  # noqa: ANN401 - unchecked
        try:
            return [read(row, saved_in) for row in rows]
        except _NO_ANSWER as error:
            raise self._nonsense(rows) from error

    def _nonsense(self, answer: object) -> RTorrentUnreachable:
        return RTorrentUnreachable(f"rTorrent at {self.url} gave no sensible answer: {_shortened(answer)}")


class _Fault(RTorrentUnreachable):
    """RTorrent answers that it cannot do what it was asked."""


def set_root(root: bytes) -> bytes:
    """Given where a torrent's data lies now (as Torrent.directory), return the command that tells rTorrent so."""
    return b'd.directory_base.set="%s"' % root.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def _string(value: str | bytes) -> str | xmlrpc.Binary:
    """Bytes that are not plain text go as base64.

    XML cannot say a byte that is not UTF-8, nor most control characters, and rTorrent's XML-RPC library refuses what is
    outside the Basic Multilingual Plane: emoji.
    """
    if isinstance(value, str):
        return value
    return value.decode() if value.isascii() and not _BARRED.search(value) else xmlrpc.Binary(value)


def _shortened(answer: object) -> str:
    """Return a text that is fit for a message, whatever it is: reprlib cuts what is long or nested deeply."""
    return answer[:_FAULT] if isinstance(answer, str) else reprlib.repr(answer)


def _text(command: object) -> str:
    """Return a command as it could stand in the rc file; rTorrent gives a parsed one as nested lists."""
    if not isinstance(command, list):
        return str(command)
    parts = command[:-1] if command[1:] and command[-1] == 0 else command  # rTorrent adds a 0 to a bare command
    return f"(({', '.join(_text(part) for part in parts)}))"


def _session(path: object, cwd: object) -> bytes:
    return os.path.join(str(cwd).encode(), str(path).encode()) if path else b""
