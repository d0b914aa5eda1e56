"""The metrics port under a crowd that means no good: it may be kept from answering, the supervisor from nothing."""

import contextlib
import resource
import socket

import psutil
import pytest

from tests.support.rtorrents import until
from tests.support.supervisors import SupervisorProcess

CROWD = 1000
HASH = "0" * 40


@pytest.fixture
def supervisor(tmp_path):
    for name in ("ssd", "hdd"):
        (tmp_path / name).mkdir()
    with SupervisorProcess(tmp_path / "of", tmp_path / "ssd", tmp_path / "hdd", f"{tmp_path}/rpc") as made:
        yield made


@pytest.fixture
def many_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4 * CROWD)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    "said", [b"", b"GET /metrics HTTP/1.1\r\nX: ", b"GET /metrics HTTP/1.1\r\n\r\n"], ids=["silent", "half", "deaf"]
)
@pytest.mark.usefixtures("many_files")
def test_a_thousand_clients_that_hang_hold_up_nothing_but_the_port(supervisor, said):
    process = psutil.Process(supervisor.pid)
    before, memory = process.num_fds(), process.memory_info().rss
    with contextlib.ExitStack() as crowd:
        for _ in range(CROWD):
            client = crowd.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", supervisor.port))
            with contextlib.suppress(OSError):
                client.send(said)  # and the answer is never read
        supervisor.submit(HASH)
        until(lambda: supervisor.job(HASH), "a submission is read all the same")
        # A file or a directory may be open for the moment.
        until(lambda: process.num_fds() <= before + 20, "few of them are let in at once")
        assert process.num_threads() <= 30
        assert process.memory_info().rss <= memory + (16 << 20)
    assert until(lambda: supervisor.get("/metrics")[0] == 200, "the next one is served")
    until(lambda: process.num_fds() <= before + 2, "no descriptor is left")


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /../../etc/passwd HTTP/1.1\r\n\r\n", b"GET http://elsewhere/ HTTP/1.1\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\n\r\n", b"POST /metrics HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        b"GET /\x00\x1b[31m HTTP/1.1\r\n\r\n", b"GET /metrics HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00",
        b"A" * 100_000, b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 2000,
    ],
    ids=lambda data: repr(data)[:30],
)  # fmt: skip
def test_nonsense_is_refused_in_a_word_and_tells_nothing_of_the_host(supervisor, request_):
    with socket.create_connection(("127.0.0.1", supervisor.port), timeout=20) as client:
        with contextlib.suppress(OSError):
            client.sendall(request_)
            client.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(OSError):
            while more := client.recv(65536):
                answer += more
    assert b"root:" not in answer
    assert b"Traceback" not in answer
    assert not answer.startswith(b"HTTP/1.0 200")
    assert supervisor.get("/-/healthy")[0] == 200
