import threading

import pytest

from supervisor.errors import Stopped
from supervisor.transfer.crew import ALIGN, BLOCK, Crew, buffers


def crew(stopping=lambda: False):
    return Crew(stopping, lambda: None)


def test_the_first_error_wins_and_ends_the_threads_that_wait(threads_left):
    team = crew()

    def fails():
        raise ValueError("the first")

    def waits():
        with team.changed:
            team.wait_for(lambda: False)

    with pytest.raises(ValueError, match="the first"):
        team.run([waits, waits, fails])
    assert not threads_left()


def test_stopping_ends_the_threads_that_wait(threads_left):
    asked = threading.Event()
    team = crew(asked.is_set)

    def waits():
        asked.set()
        with team.changed:
            team.wait_for(lambda: False)

    with pytest.raises(Stopped):
        team.run([waits, waits])
    assert not threads_left()


def test_an_error_in_a_report_ends_the_threads_too(threads_left):
    def tick():
        raise ConnectionError("nobody listens")

    team = Crew(lambda: False, tick)

    def waits():
        with team.changed:
            team.wait_for(lambda: False)

    with pytest.raises(ConnectionError):
        team.run([waits])
    assert not threads_left()


def test_buffers_have_room_for_a_block_and_a_page_at_each_end():
    assert [len(buffer) for buffer in buffers(3)] == [BLOCK + 2 * ALIGN] * 3
