import os
import socket
import time
import uuid

import pytest

from supervisor.adapters import systemd


@pytest.fixture(params=["path", "abstract"])
def received(request, tmp_path, monkeypatch):
    """A service manager's socket; calling the fixture's value returns the next datagram."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@seedcache-{uuid.uuid4()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind("\0" + name[1:] if name.startswith("@") else name)
        server.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield lambda: server.recv(4096).decode()


def test_each_message_is_one_datagram(received):
    systemd.ready()
    assert received() == "READY=1"
    systemd.stopping()
    assert received() == "STOPPING=1"
    systemd.watchdog()
    assert received() == "WATCHDOG=1"


def test_a_reload_says_when_it_began_on_the_clock_that_systemd_compares_with(received):
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    systemd.reloading()
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    first, second = received().splitlines()
    assert first == "RELOADING=1"
    name, _, value = second.partition("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(value) <= after


def test_a_status_is_one_line_whatever_is_in_it(received):
    systemd.status("copying 2\nREADY=1 \ud800é")
    assert received() == "STATUS=copying 2 READY=1 ?é"


def test_nothing_is_sent_and_nothing_fails_without_a_service_manager(monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    systemd.ready()


@pytest.mark.parametrize("name", ["/nonexistent/notify", "relative", "", "@nobody-listens-here", "/" + "x" * 200])
def test_a_service_manager_that_does_not_listen_is_no_failure(monkeypatch, name):
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    systemd.ready()


def test_a_service_manager_that_does_not_read_never_blocks_us(tmp_path, monkeypatch):
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(name)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        for _ in range(2000):
            systemd.watchdog()


def test_the_interval_is_half_of_what_systemd_waits_for(monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    assert systemd.watchdog_interval() == 15.0
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert systemd.watchdog_interval() == 15.0


@pytest.mark.parametrize(("usec", "pid"), [(None, None), ("0", None), ("soon", None), ("30000000", "1"), ("1", "me")])
def test_there_is_no_interval_when_systemd_does_not_wait_for_this_process(monkeypatch, usec, pid):
    for name, value in (("WATCHDOG_USEC", usec), ("WATCHDOG_PID", pid)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert systemd.watchdog_interval() is None
