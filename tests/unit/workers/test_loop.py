import queue

import pytest

from supervisor import broker
from supervisor.errors import Retryable, Stopped
from supervisor.messages import Done, Failed, Prove, Proven, Quit, Started
from supervisor.workers.loop import Worker


@pytest.fixture
def boxes(monkeypatch):
    """Queues of this process in place of the Manager's: token by token what a worker is given, and what it says."""
    found = {}

    class Manager:
        def mailbox(self, name):
            return found.setdefault(name, queue.SimpleQueue())

    monkeypatch.setattr(broker, "connect", Manager)
    return found


def task(token):
    return Prove(token, "0" * 40, b"/m", b"/d", None)


def live(boxes, work, *tasks):
    """Let a worker live through the tasks; return what it said, its start aside."""
    worker = Worker("w", "tasks", work)
    for each in (*tasks, Quit()):
        boxes["tasks"].put(each)
    worker.run()
    said = []
    while not boxes[broker.RESULTS].empty():
        said.append(boxes[broker.RESULTS].get())
    assert isinstance(said[0], Started)
    return said[1:]


def test_a_task_that_is_sent_again_is_answered_again_and_done_once(boxes):
    done = []

    def work(task, _worker):
        done.append(task.token)
        return Proven(len(done))

    said = live(boxes, work, task(1), task(1), task(2), task(2))
    assert done == [1, 2]
    assert said == [Done("w", token, Proven(token)) for token in (1, 1, 2, 2)]


@pytest.mark.parametrize(
    ("error", "retry", "counts"),
    [(Retryable("x"), True, True), (Stopped("x"), True, False), (ZeroDivisionError("x"), True, True)],
)
def test_whatever_goes_wrong_is_said_and_the_worker_goes_on(boxes, error, retry, counts):
    def work(task, _worker):
        if task.token == 1:
            raise error
        return Proven(0.0)

    first, second = live(boxes, work, task(1), task(2))
    assert isinstance(first.result, Failed)
    assert (first.result.retry, first.result.counts) == (retry, counts)
    assert second.result == Proven(0.0)
