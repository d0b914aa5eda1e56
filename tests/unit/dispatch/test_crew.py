"""The workers as the dispatcher sees them, and as other threads do."""

import sys
import threading

import pytest

from supervisor.dispatch.crew import Crew
from supervisor.messages import Prove

TASK = Prove(1, "A" * 40, b"", b"", None)  # type: ignore[arg-type]  # nobody looks at its disk


@pytest.fixture
def hurried():
    """Threads take turns as often as they can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("hurried")
def test_a_scrape_sees_workers_come_and_go_and_their_tasks_end():
    crew, leaving = Crew(), threading.Event()
    for number in range(500):
        crew.spawned(f"copier-{number}", number, 0)

    def turn_over():
        number = 0
        while not leaving.is_set():
            worker = f"copier-{number % 500}"
            crew.lose(worker)
            crew.spawned(worker, number, 0)
            crew.assign(worker, TASK, 0)
            crew.finish(worker, TASK.token, 0)
            crew.outbox()
            number += 1

    thread = threading.Thread(target=turn_over)
    thread.start()
    try:
        for _ in range(1500):
            assert set(crew.tasks().values()) <= {TASK}
            assert {worker.hash for worker in crew.view({})} <= {"", TASK.hash}
    finally:
        leaving.set()
        thread.join()
