import threading

import pytest

from supervisor.adapters.patience import Patience

ROOT, OTHER = b"/mnt/nas", b"/mnt/disk"


def test_an_answer_and_an_error_are_those_of_the_question():
    patience = Patience()
    assert patience.ask(ROOT, lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        patience.ask(ROOT, lambda: 1 // 0)


def test_who_is_not_answered_is_asked_nothing_more_until_he_has_answered():
    patience, mended, asked = Patience(0.01), threading.Event(), []

    def question():
        asked.append(threading.current_thread())
        mended.wait()

    for _ in range(3):
        with pytest.raises(TimeoutError) as error:
            patience.ask(ROOT, question)
        assert error.value.filename == ROOT
    assert len(asked) == 1
    assert patience.ask(OTHER, lambda: "here") == "here"
    mended.set()
    asked[0].join()
    assert patience.ask(ROOT, lambda: "again") == "again"


def test_without_room_for_a_thread_the_question_is_asked_all_the_same(monkeypatch):
    def full(_thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", full)
    assert Patience().ask(ROOT, lambda: 3) == 3
