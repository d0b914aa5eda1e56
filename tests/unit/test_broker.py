"""The Manager's queues: what its deaths, and those of its clients, must not do."""

import gc
import multiprocessing
import os
import socket
import threading

import pytest

from supervisor import broker
from supervisor.adapters import processes


@pytest.fixture
def manager(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkdir("run")
    context = multiprocessing.get_context("forkserver")
    made, process = broker.serve(context, str(tmp_path))
    yield made, process, lambda: broker.serve(context, str(tmp_path))
    processes.end(process.pid, processes.start_time(process.pid))


def within(seconds, act):
    """Do it in a thread; return whether it came to an end in time."""
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


@pytest.mark.usefixtures("manager")
def test_what_is_put_by_one_client_is_got_by_another():
    broker.connect().mailbox("box").put({"a": 1})
    assert broker.connect().mailbox("box").get() == {"a": 1}


@pytest.mark.usefixtures("manager")
def test_a_client_that_dies_in_the_middle_of_the_handshake_does_no_harm():
    for _ in range(3):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(broker.ADDRESS)
    assert within(60, lambda: broker.connect().mailbox("box").put(1))


def test_a_queue_that_is_dropped_makes_no_connection(manager):
    _, process, _ = manager
    box = broker.connect().mailbox("box")
    box.put(1)
    processes.end(process.pid, processes.start_time(process.pid))
    os.unlink(broker.ADDRESS)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(broker.ADDRESS)
        listener.listen()
        listener.setblocking(False)
        del box
        gc.collect()
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_dead_manager_is_lost_and_its_successor_has_queues_of_its_own(manager):
    _, process, serve = manager
    old = broker.connect().mailbox("box")
    old.put("of the first")
    processes.end(process.pid, processes.start_time(process.pid))
    with pytest.raises(broker.LOST):
        old.put(1)
    second, second_process = serve()
    try:
        new = broker.connect().mailbox("box")
        new.put("of the second")
        with pytest.raises(broker.LOST):
            old.put("for the first, which is gone")
        assert new.get() == "of the second"
        assert second.mailbox("other") is not None
    finally:
        processes.end(second_process.pid, processes.start_time(second_process.pid))
