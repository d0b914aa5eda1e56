"""Servers for one test: each connection is given to a function, in a thread of its own."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from xmlrpc import client as xmlrpc

Handler = Callable[[socket.socket], None]


@contextmanager
def listening(handle: Handler, path: str | None = None, backlog: int = 16) -> Iterator[tuple[str, int]]:
    """Serve `handle` on a Unix socket, or without a path on a free port of 127.0.0.1; yield host and port."""
    server = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
    connections: list[socket.socket] = []

    def one(connection: socket.socket) -> None:
        with connection, suppress(OSError):  # the client may have gone
            handle(connection)

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            connections.append(connection)
            workers.append(threading.Thread(target=one, args=[connection]))
            workers[-1].start()

    workers: list[threading.Thread] = []
    server.bind(path or ("127.0.0.1", 0))
    server.listen(backlog)
    acceptor = threading.Thread(target=serve)
    acceptor.start()
    try:
        yield ("", 0) if path else server.getsockname()
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        acceptor.join()
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for worker in workers:
            worker.join()


def scgi_request(connection: socket.socket) -> bytes:
    """Read one SCGI request; return its body."""
    received = b""
    while True:
        received += connection.recv(1 << 16)
        length, colon, rest = received.partition(b":")
        if not colon or len(rest) < int(length):
            continue
        fields = rest[: int(length)].split(b"\0")
        size = int(fields[fields.index(b"CONTENT_LENGTH") + 1])
        body = rest[int(length) + 1 :]
        if len(body) == size:
            return body


def scgi_answer(body: bytes) -> bytes:
    """Return what an SCGI server sends for a body."""
    return b"Status: 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def answering(body: bytes) -> Handler:
    """Return a handler that gives the same body to every request."""

    def handle(connection: socket.socket) -> None:
        scgi_request(connection)
        connection.sendall(scgi_answer(body))

    return handle


class _Marshaller(xmlrpc.Marshaller):
    """Writes integers as rTorrent does: of 64 bits."""

    def dump_i8(self, value: int, write: Callable[[str], None]) -> None:
        write(f"<value><i8>{value}</i8></value>")

    dispatch = xmlrpc.Marshaller.dispatch | {int: dump_i8}


def response(value: Any) -> bytes:
    """Return an XML-RPC answer."""
    return f"<methodResponse>{_Marshaller('utf-8').dumps((value,))}</methodResponse>".encode()


def scripted(answer: Callable[..., Any]) -> Handler:
    """Return a handler that plays rTorrent: answer(method, *arguments) gives the value or Fault of each call."""

    def handle(connection: socket.socket) -> None:
        (calls,), _ = xmlrpc.loads(scgi_request(connection))
        answers = (answer(call["methodName"], *call["params"]) for call in calls)
        values = [vars(value) if isinstance(value, xmlrpc.Fault) else [value] for value in answers]
        connection.sendall(scgi_answer(response(values)))

    return handle
