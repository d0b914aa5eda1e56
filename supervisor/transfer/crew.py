"""Threads that work on one torrent together: the first error wins, the others end at once; and their buffers.

Threads are enough: hashlib and the read and write calls release the interpreter's lock while they work.
"""

import mmap
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from supervisor.errors import Stopped
from supervisor.transfer.pacing import Brake, Pace

ALIGN = 4096  # bytes; O_DIRECT wants offset, length and memory in multiples of the logical block (open(2)): 512 or 4096
BLOCK = 4 << 20  # bytes of one request
FULL_SPEED = Brake(Pace())
_TICK = 0.1  # seconds between two looks at `stopping` and two reports


class Halted(BaseException):
    """Another thread has failed, or we shall stop: leave, and say nothing."""


class Crew:
    """Runs threads to their end; `changed` guards everything they share."""

    def __init__(self, stopping: Callable[[], bool], tick: Callable[[], None], brake: Brake = FULL_SPEED) -> None:
        """Given what says that we shall stop, and what is called in the caller's thread every tenth of a second."""
        self.block = min(BLOCK, brake.block)  # bytes to read at once
        self._brake = brake
        self.changed = threading.Condition()
        self.halted = False
        self._stopping = stopping
        self._tick = tick
        self._error: BaseException | None = None
        self._running = 0

    def run(self, targets: Sequence[Callable[[], None]]) -> None:
        """Run each target in a thread of its own; return when all are done.

        Raise the first error of any of them; Stopped when `stopping` says so, after the blocks in hand are written.
        """
        self._running = len(targets)
        threads = [threading.Thread(target=self._guard, args=(target,), daemon=True) for target in targets]
        for thread in threads:
            thread.start()
        try:
            while self._wait():
                self._tick()
                if self._stopping():
                    self._fail(Stopped("stopped in the middle of a copy; what is there is resumed next time"))
        except BaseException as error:
            self._fail(error)
            raise
        finally:
            for thread in threads:
                thread.join()
        if self._error is not None:
            raise self._error
        self._tick()

    def wait_for(self, ready: Callable[[], object]) -> None:
        """With `changed` held, wait until `ready()`. Raise Halted if the crew ends instead."""
        self.changed.wait_for(lambda: self.halted or ready())
        self.check()

    def pace(self, length: int) -> None:
        """Before so many bytes are read: wait as long as the brake says. Raise Halted if the crew ends meanwhile."""
        seconds, why = self._brake.take(length)
        if seconds:
            with self.changed:
                self.changed.wait_for(lambda: self.halted, timeout=seconds)
            self.check()
            self._brake.pace.held(why, seconds)

    def check(self) -> None:
        """Raise Halted if the crew ends."""
        if self.halted:
            raise Halted

    def _wait(self) -> bool:
        with self.changed:
            return not self.changed.wait_for(lambda: self._running == 0, timeout=_TICK)

    def _guard(self, target: Callable[[], None]) -> None:
        try:
            with suppress(Halted):
                target()
        except BaseException as error:  # noqa: BLE001 - it is raised again in the caller's thread
            self._fail(error)
        finally:
            with self.changed:
                self._running -= 1
                self.changed.notify_all()

    def _fail(self, error: BaseException) -> None:
        with self.changed:
            if self._error is None:
                self._error = error
            self.halted = True
            self.changed.notify_all()


def buffers(count: int) -> list[memoryview]:
    """Return so many page-aligned buffers of a block and a page at each end, in huge pages where there are any."""
    size = BLOCK + 2 * ALIGN
    memory = mmap.mmap(-1, count * size)
    with suppress(OSError):
        memory.madvise(mmap.MADV_HUGEPAGE)
    whole = memoryview(memory)
    return [whole[at : at + size] for at in range(0, count * size, size)]
