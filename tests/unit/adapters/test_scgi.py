import base64
import contextlib
import http.client
import socket
import time

import pytest

from supervisor.adapters.scgi import carrier, cause, masked, socket_path
from supervisor.errors import ConfigurationError
from tests.support.servers import answering, listening, scgi_answer, scgi_request

NO_ANSWER = (OSError, http.client.HTTPException)


def never(connection):
    while connection.recv(1 << 16):
        pass


def drip(connection):
    scgi_request(connection)
    for byte in scgi_answer(b"x" * 10_000):
        connection.sendall(bytes([byte]))
        time.sleep(0.02)


@pytest.mark.parametrize("form", ["{}", "scgi+unix://{}", "unix://{}", "scgi://{}"])
def test_a_unix_socket_is_reached_by_each_form_of_its_url(tmp_path, form):
    path = str(tmp_path / "rpc")
    with listening(answering(b"<answer/>"), path):
        assert carrier(form.format(path), 60)(b"<question/>") == b"<answer/>"


@pytest.mark.parametrize("form", ["scgi://{}:{}", "{}:{}", "scgi://{}:{}/"])
def test_a_tcp_port_is_reached_by_each_form_of_its_url(form):
    with listening(answering(b"<answer/>")) as address:
        assert carrier(form.format(*address), 60)(b"<question/>") == b"<answer/>"


@pytest.mark.parametrize(
    "url",
    ["", "rtorrent", "scgi://host", "scgi://:5000", "scgi://host:port", "ftp://user:secret@host/x", "scgi+unix://"],
)
def test_what_is_no_url_of_rtorrent_is_refused_with_the_forms_that_are_and_without_a_password(url):
    with pytest.raises(ConfigurationError, match=r"give scgi://HOST:PORT, /PATH/OF/SOCKET") as refusal:
        carrier(url, 5)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("handle", [never, drip], ids=["no answer", "a byte now and then"])
def test_the_whole_exchange_ends_at_the_deadline(handle):
    with listening(handle) as address:
        began = time.monotonic()
        with pytest.raises(TimeoutError):  # an end of its own comes after minutes, or never
            carrier("scgi://{}:{}".format(*address), 0.3)(b"<question/>")
        assert time.monotonic() - began > 0.2


def test_a_socket_whose_queue_is_full_is_given_up(tmp_path):
    path = str(tmp_path / "rpc")
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket(socket.AF_UNIX))
        server.bind(path)
        server.listen(0)
        waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
        waiting.connect(path)
        with pytest.raises(BlockingIOError) as error:
            carrier(path, 0.3)(b"<question/>")
    assert "too many requests" in cause(error.value)


@pytest.mark.parametrize(
    "sent",
    [b"", b"Status: 200 OK\r\n", scgi_answer(b"<answer/>")[:-1], scgi_answer(b"<answer/>") + b"x"],
    ids=["nothing", "half of the headers", "too little", "too much"],
)
def test_an_answer_that_is_cut_off_is_no_answer(sent):
    def handle(connection):
        scgi_request(connection)
        connection.sendall(sent)

    with listening(handle) as address, pytest.raises(NO_ANSWER):
        carrier("scgi://{}:{}".format(*address), 60)(b"<question/>")


def web(connection, status, body, seen):
    received = b""
    while b"<question/>" not in received:
        received += connection.recv(1 << 16)
    seen.append(received)
    connection.sendall(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))


def test_a_web_server_in_front_is_asked_with_the_password_of_the_url():
    seen = []
    with listening(lambda connection: web(connection, b"200 OK", b"<answer/>", seen)) as (host, port):
        assert carrier(f"http://me:s%40cret@{host}:{port}/RPC2", 60)(b"<question/>") == b"<answer/>"
    assert seen[0].startswith(b"POST /RPC2 ")
    assert b"Basic " + base64.b64encode(b"me:s@cret") in seen[0]


def test_a_web_server_that_refuses_is_quoted():
    refusing = listening(lambda connection: web(connection, b"401 Unauthorized", b"", []))
    with refusing as (host, port), pytest.raises(http.client.HTTPException) as error:
        carrier(f"http://{host}:{port}/RPC2", 60)(b"<question/>")
    assert "401 Unauthorized" in cause(error.value)


def test_a_web_server_that_hangs_is_given_up_at_the_deadline():
    with listening(never) as (host, port), pytest.raises(TimeoutError):
        carrier(f"http://{host}:{port}/RPC2", 0.3)(b"<question/>")


def test_a_message_shows_no_password():
    assert masked("https://me:secret@host/RPC2") == "https://host/RPC2"
    assert masked("scgi://host:5000") == "scgi://host:5000"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/run/rpc", "/run/rpc"),
        ("scgi+unix:///run/rpc", "/run/rpc"),
        ("unix:///run/rpc", "/run/rpc"),
        ("scgi:///run/rpc", "/run/rpc"),
        ("scgi://127.0.0.1:5000", ""),
        ("http://host/RPC2", ""),
    ],
)
def test_the_path_of_a_socket_is_told_from_an_address(url, path):
    assert socket_path(url) == path
