import _thread
import contextlib
import threading

import pytest

from supervisor.adapters.patience import Patience
from tests.support.rtorrents import until

ROOT, OTHER = b"/mnt/nas", b"/mnt/disk"


def test_an_answer_and_an_error_are_those_of_the_question():
    patience = Patience()
    assert patience.ask(ROOT, lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        patience.ask(ROOT, lambda: 1 // 0)


def test_who_is_not_answered_is_asked_nothing_more_until_he_has_answered():
    patience, asked, mended = Patience(2.0), [], threading.Event()

    def question():
        asked.append(ROOT)
        mended.wait()

    def asked_of(root):
        with contextlib.suppress(TimeoutError):
            return patience.ask(root, lambda: root)

    for _ in range(3):
        with pytest.raises(TimeoutError) as error:
            patience.ask(ROOT, question)
        assert error.value.filename == ROOT
    assert len(asked) == 1
    assert until(lambda: asked_of(OTHER), "another one is asked") == OTHER
    assert asked_of(ROOT) is None
    mended.set()
    assert until(lambda: asked_of(ROOT), "it is asked again") == ROOT


def test_without_room_for_a_thread_the_question_is_asked_all_the_same(monkeypatch):
    def full(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", full)
    assert Patience().ask(ROOT, lambda: 3) == 3


def test_a_thread_that_dies_at_its_birth_is_not_waited_for(monkeypatch):
    patience = Patience(2.0)
    with monkeypatch.context() as patched:
        patched.setattr(_thread, "start_new_thread", lambda *_: None)
        with pytest.raises(TimeoutError):
            patience.ask(ROOT, lambda: 3)
    patience._seconds = 60.0
    assert patience.ask(ROOT, lambda: 3) == 3
