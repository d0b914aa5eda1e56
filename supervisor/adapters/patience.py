"""Waits for a disk so long and no longer.

Who asks the file system of a network mount whose server is away (NFS, FUSE), or of a dying disk, is not answered for
minutes, or ever, and hears nothing else meanwhile: no signal, no message, no watchdog. So a thread asks, and may wait.
"""

import _thread
import errno
import os
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_LONGEST = 5.0  # seconds; a disk that has stopped spinning has its directory and its size in memory


class Patience:
    """One question at a time for each root."""

    def __init__(self, seconds: float = _LONGEST) -> None:
        self._seconds = seconds
        self._asking: dict[bytes, threading.Event] = {}  # those not answered in time: set when they are

    def ask(self, root: bytes, question: Callable[[], T]) -> T:
        """Given what a question is about, ask it; return its answer, or raise what it raises.

        Raise TimeoutError if there is none in time: at once, while an earlier question about that root has none.
        """
        before = self._asking.get(root)
        if before is not None and not before.is_set():
            raise _silent(root)
        answers: list[T] = []
        errors: list[BaseException] = []
        begun, done = threading.Event(), threading.Event()

        def wait() -> None:
            begun.set()
            try:
                answers.append(question())
            except BaseException as error:  # noqa: BLE001  (it is raised below, where it was asked)
                errors.append(error)
            finally:
                done.set()

        try:
            # Not Thread.start: that waits for ever for a thread that dies of a want of memory at its birth (CPython
            # issue 140746).
            _thread.start_new_thread(wait, ())
        except RuntimeError:  # no room for another thread now
            return question()
        if not done.wait(self._seconds):
            if begun.is_set():
                self._asking[root] = done
            raise _silent(root)
        if errors:
            raise errors[0]
        return answers[0]


def _silent(root: bytes) -> TimeoutError:
    return TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT), root)
