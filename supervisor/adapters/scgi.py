"""Carries one request to rTorrent and its answer back, over SCGI or HTTP, within one deadline. No XML here."""

import base64
import http.client
import re
import socket
import urllib.parse
from collections.abc import Callable

from supervisor.adapters import clock
from supervisor.errors import ConfigurationError

Carrier = Callable[[bytes], bytes]
Address = str | tuple[str, int]  # the path of a Unix socket, or host and port

_CHUNK = 1 << 18  # bytes
_LARGEST = 64 << 20  # bytes of an answer: 1.6 KB for each of 40,000 torrents; parsed, they are several times as many


def carrier(url: str, timeout: float) -> Carrier:
    """Given SCGI_URL as a person wrote it, return what carries a request there and returns the answer.

    Each request has `timeout` seconds from connecting to the last byte. It raises OSError or HTTPException.
    Raise ConfigurationError if it is no such URL.
    """
    try:
        parts = urllib.parse.urlsplit(url if "/" in url else f"scgi://{url}")
        if url.startswith("/"):
            return _scgi(url, timeout)
        if parts.scheme in {"http", "https"} and parts.hostname:
            return _http(parts, parts.port, timeout)
        if parts.scheme in {"unix", "scgi+unix", "scgi"} and not parts.netloc and parts.path.startswith("/"):
            return _scgi(parts.path, timeout)
        if parts.scheme == "scgi" and parts.hostname and parts.port:
            return _scgi((parts.hostname, parts.port), timeout)
    except ValueError:  # its port is no number, or a bracket is not closed
        pass
    raise ConfigurationError(
        f"SCGI_URL {masked(url)!r} cannot be used: "
        "give scgi://HOST:PORT, /PATH/OF/SOCKET, scgi+unix:///PATH/OF/SOCKET or http(s)://HOST/RPC2"
    )


def socket_path(url: str) -> str:
    """Given SCGI_URL, return the path of the Unix socket it names; "": it names none."""
    parts = urllib.parse.urlsplit(url)
    local = parts.scheme in {"", "unix", "scgi+unix", "scgi"} and not parts.netloc
    return parts.path if local and parts.path.startswith("/") else ""


def masked(url: str) -> str:
    """Return the URL without user and password, for messages."""
    return re.sub(r"//[^/@]*@", "//", url)


def cause(error: Exception) -> str:
    """Given what was raised on the way, return what went wrong and what a person can do about it."""
    match error:
        case FileNotFoundError():
            return "its socket is not there; is it running, and is SCGI_URL what its rc file opens?"
        case ConnectionRefusedError():
            return "nothing listens there; is it running, and is SCGI_URL what its rc file opens?"
        case PermissionError():
            return "its socket may not be used; the supervisor's user needs to be in rTorrent's group"
        case TimeoutError():
            return "it did not answer in time; it is hung or overloaded"
        case BlockingIOError():
            return "too many requests wait for it already; it is hung or overloaded"
        case OSError():
            return error.strerror or str(error)
        case http.client.HTTPException():
            return str(error) or type(error).__name__
    return f"it did not answer in XML-RPC ({type(error).__name__}: {error}); is SCGI_URL rTorrent's?"


def _left(deadline: float) -> float:
    left = deadline - clock.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def _scgi(address: Address, timeout: float) -> Carrier:
    def carry(body: bytes) -> bytes:
        deadline = clock.monotonic() + timeout
        # A netstring of headers, then the body; the answer ends with the connection (python.ca/scgi/protocol.txt).
        header = b"CONTENT_LENGTH\0%d\0SCGI\x001\0CONTENT_TYPE\0text/xml\0" % len(body)
        with _connect(address, timeout) as connection:
            connection.settimeout(_left(deadline))
            connection.sendall(b"%d:%s,%s" % (len(header), header, body))
            return _payload(_read(connection.recv, connection, deadline))

    return carry


def _connect(address: Address, timeout: float) -> socket.socket:
    if not isinstance(address, str):
        return socket.create_connection(address, timeout)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(timeout)
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


def _read(read: Callable[[int], bytes], connection: socket.socket, deadline: float) -> bytes:
    answer = bytearray()
    while chunk := read(_CHUNK):
        answer += chunk
        if len(answer) > _LARGEST:
            raise http.client.HTTPException(f"its answer is larger than {_LARGEST >> 20} MiB")
        connection.settimeout(_left(deadline))
    return bytes(answer)


def _payload(answer: bytes) -> bytes:
    headers, delimiter, payload = answer.partition(b"\r\n\r\n")
    if not delimiter:
        raise http.client.HTTPException(f"it closed the connection after {len(answer)} bytes, before any answer")
    length = re.search(rb"(?im)^Content-Length: *(\d+)\r?$", headers)
    if length and int(length[1]) != len(payload):
        raise http.client.HTTPException(f"it sent {len(payload)} of {int(length[1])} bytes")
    return payload


def _http(url: urllib.parse.SplitResult, port: int | None, timeout: float) -> Carrier:
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    headers = {"Content-Type": "text/xml"}
    if url.username is not None:
        user = f"{urllib.parse.unquote(url.username)}:{urllib.parse.unquote(url.password or '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(user.encode()).decode()

    def carry(body: bytes) -> bytes:
        deadline = clock.monotonic() + timeout
        connection = kind(url.hostname or "", port, timeout=timeout)
        try:
            connection.connect()
            line = connection.sock  # the response takes it over, and only by it can the time left be set
            line.settimeout(_left(deadline))
            connection.request("POST", url.path or "/", body, headers)
            response = connection.getresponse()
            if response.status != http.client.OK:
                raise http.client.HTTPException(f"the web server answered {response.status} {response.reason}")
            return _read(response.read1, line, deadline)
        finally:
            connection.close()

    return carry
