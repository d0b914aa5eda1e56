import contextlib
import socket
import time
import urllib.error
import urllib.request
from dataclasses import replace

import pytest

from supervisor.errors import ConfigurationError
from supervisor.observation import web
from supervisor.observation.metrics import Metrics
from supervisor.observation.snapshot import Disk, RTorrent, Snapshot, Worker


def snapshot(**changes):
    now = time.time()
    return replace(
        Snapshot(
            at=now,
            pid=1,
            started=now - 60,
            version="1",
            ready=True,
            draining=False,
            journal_error="",
            workers=tuple(Worker(role, role, 0, up=True, heard=now - 50) for role in ("copier", "space", "notifier")),
            disks=(Disk("ssd", "/ssd", 10, 5, trusted=True), Disk("hdd", "/hdd", 10, 5, trusted=True)),
            rtorrent=RTorrent(reachable=True, since=now - 60),
        ),
        **changes,
    )


@pytest.fixture
def standing():
    return [snapshot()]


@pytest.fixture
def server(standing):
    server = web.serve("127.0.0.1", 0, Metrics(lambda: standing[0]), lambda: standing[0])
    yield server
    server.close()


def get(server, path, method="GET"):
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


def raw(server, data):
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(data)
        answer = b""
        while more := connection.recv(65536):
            answer += more
    return answer


def test_metrics_come_in_the_text_format(server):
    status, body, headers = get(server, "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "seedcache_rtorrent_reachable 1.0\n" in body


def test_the_index_names_the_pages_and_others_do_not_exist(server):
    assert "/-/ready" in get(server, "/")[1]
    assert get(server, "/etc/passwd")[0] == 404
    assert get(server, "/metrics/../x")[0] == 404


def test_head_answers_as_get_without_a_body(server):
    status, body, headers = get(server, "/metrics", "HEAD")
    assert (status, body) == (200, "")
    assert int(headers["Content-Length"]) > 1000


def test_other_methods_are_refused(server):
    assert get(server, "/metrics", "POST")[0] == 501
    assert get(server, "/", "DELETE")[0] == 501


def test_a_query_is_no_part_of_the_page(server):
    assert get(server, "/-/ready?x=1")[0] == 200


def test_all_well_is_healthy_and_ready(server):
    assert get(server, "/-/healthy")[:2] == (200, "healthy\n")
    assert get(server, "/-/ready")[:2] == (200, "ready\n")


def test_a_supervisor_that_hangs_is_neither(server, standing):
    standing[0] = snapshot(at=time.time() - 31)
    for page in ("/-/healthy", "/-/ready"):
        status, body, _ = get(server, page)
        assert status == 503
        assert "has not looked around" in body


@pytest.mark.parametrize(("age", "status"), [(5, 200), (31, 503)])
def test_a_worker_may_take_a_while_to_start_but_not_for_ever(server, standing, age, status):
    starting = Worker("space", "space", 0, up=False, heard=time.time() - age)
    standing[0] = snapshot(workers=(*(each for each in standing[0].workers if each.name != "space"), starting))
    answer = get(server, "/-/healthy")
    assert answer[0] == status
    assert ("space" in answer[1]) == (status == 503)


def test_a_busy_worker_that_says_nothing_for_long_is_healthy_while_its_process_is_there(server, standing):
    busy = Worker("copier-2", "copier", 0, up=True, heard=time.time() - 3600, hash="A" * 40)
    standing[0] = snapshot(workers=(*standing[0].workers, busy))
    assert get(server, "/-/healthy")[0] == 200


@pytest.mark.parametrize(("changes", "status"), [({}, 503), ({"draining": True}, 200), ({"started": 2e9}, 200)])
def test_a_role_without_a_worker_is_unhealthy_but_for_the_start_and_the_end(server, standing, changes, status):
    standing[0] = snapshot(workers=standing[0].workers[:1], **changes)
    assert get(server, "/-/healthy")[0] == status


def test_every_reason_not_to_be_ready_has_a_line(server, standing):
    standing[0] = snapshot(
        ready=False,
        draining=True,
        journal_error="disk full",
        rtorrent=RTorrent(reachable=False, since=0, error="no such socket"),
        disks=(Disk("hdd", "/hdd", 0, 0, trusted=False),),
    )
    status, body, _ = get(server, "/-/ready")
    assert status == 503
    assert len(body.splitlines()) == 4
    for word in ("stop", "disk full", "no such socket", "HDD /hdd"):
        assert word in body
    assert get(server, "/-/healthy")[0] == 200


def test_before_everything_was_looked_at_it_is_not_ready(server, standing):
    standing[0] = snapshot(ready=False)
    assert get(server, "/-/ready")[:2] == (503, "it is starting\n")


def test_a_port_in_use_is_named_with_the_remedy(server):
    with pytest.raises(ConfigurationError) as caught:
        web.serve("127.0.0.1", server.port, Metrics(snapshot), snapshot)
    assert str(server.port) in str(caught.value)
    assert "METRICS_PORT" in str(caught.value)


def test_an_address_of_another_machine_is_refused_alike():
    with pytest.raises(ConfigurationError, match="METRICS_ADDRESS"):
        web.serve("192.0.2.1", 0, Metrics(snapshot), snapshot)


def test_it_serves_over_ipv6_too():
    with contextlib.suppress(ConfigurationError):  # a machine may have none
        server = web.serve("::1", 0, Metrics(snapshot), snapshot)
        with socket.create_connection(("::1", server.port), timeout=5) as connection:
            connection.sendall(b"GET /-/healthy HTTP/1.0\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.0 200")
        server.close()


def test_a_page_that_fails_is_logged_and_the_next_is_served(caplog):
    healthy = [False]

    def standing():
        if not healthy[0]:
            raise RuntimeError("no snapshot")
        return snapshot()

    server = web.serve("127.0.0.1", 0, Metrics(standing), standing)
    assert raw(server, b"GET /metrics HTTP/1.0\r\n\r\n") == b""
    assert "no snapshot" in caplog.text
    healthy[0] = True
    assert get(server, "/metrics")[0] == 200
    server.close()


def test_clients_that_send_nothing_hold_up_nobody_and_are_hung_up_on(server, monkeypatch):
    monkeypatch.setattr(web, "_DEADLINE", 1.0)
    silent = [socket.create_connection(("127.0.0.1", server.port), timeout=60) for _ in range(10)]
    assert get(server, "/-/healthy")[0] == 200
    for connection in silent:
        assert connection.recv(1000) == b""
        connection.close()


def test_a_client_that_sends_a_byte_now_and_then_is_hung_up_on_at_the_deadline(server, monkeypatch):
    monkeypatch.setattr(web, "_DEADLINE", 1.0)
    started = time.monotonic()
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection,
        contextlib.suppress(ConnectionError),
    ):
        while True:
            connection.sendall(b"G")
            time.sleep(0.1)
    assert time.monotonic() - started >= 1


def test_more_silent_clients_than_are_served_at_once_delay_a_request_but_do_not_stop_it(server, monkeypatch):
    monkeypatch.setattr(web, "_DEADLINE", 1.5)
    silent = [socket.create_connection(("127.0.0.1", server.port), timeout=60) for _ in range(40)]
    assert get(server, "/-/healthy")[0] == 200
    for connection in silent:
        connection.close()


def test_a_head_without_end_is_cut_off(server):
    answer = raw(server, b"GET / HTTP/1.1\r\n" + b"X: " + b"a" * 16400)
    assert answer.startswith(b"HTTP/1.0 431")


@pytest.mark.parametrize(
    "request_", [b"\r\n\r\n", b"GET\r\n\r\n", b"\xff\xfe\0\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"x"]
)
def test_nonsense_is_answered_or_dropped_and_the_server_lives(server, request_):
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(request_)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(65536)
    assert b"200 OK" not in answer
    assert get(server, "/-/healthy")[0] == 200


def test_a_closed_server_frees_its_port_at_once():
    server = web.serve("127.0.0.1", 0, Metrics(snapshot), snapshot)
    server.close()
    again = web.serve("127.0.0.1", server.port, Metrics(snapshot), snapshot)
    again.close()
