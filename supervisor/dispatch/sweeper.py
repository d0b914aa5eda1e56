"""Has everything swept now and then, by a process of its own: see sweeping. A thread that waits for it."""

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass

from supervisor.dispatch.reconciling import Report
from supervisor.settings import Settings

_FIRST = 300.0  # seconds after the start; a start after a crash has other things to do
_OFF = 60.0  # seconds between two looks whether it is wanted again


@dataclass(frozen=True, slots=True)
class Swept:
    """A sweep ended: with a report, or the reason why there is none."""

    report: Report | None
    reason: str = ""


class Sweeper(threading.Thread):
    """The thread. Its process ends by itself when the thread's does: it reads only, or does what may be done again."""

    def __init__(self, settings: Callable[[], Settings], answer: Callable[[Swept], None]) -> None:
        super().__init__(name="sweeper", daemon=True)
        self._settings, self._answer = settings, answer
        self._leave = threading.Event()

    def leave(self) -> None:
        """End the thread, unless a sweep is at hand."""
        self._leave.set()

    def run(self) -> None:
        """Sweep shortly after the start, and then as often as the settings say."""
        pause = min(_FIRST, self._settings().reconcile_interval or _OFF)
        while not self._leave.wait(pause):
            settings = self._settings()
            if settings.reconcile_interval:
                self._answer(sweep_apart(settings))
            pause = settings.reconcile_interval or _OFF


def sweep_apart(settings: Settings) -> Swept:
    """Sweep in a process of its own, niced."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "supervisor.dispatch.sweeping"],
            input=pickle.dumps(settings),
            capture_output=True,
            check=False,
            env={"PATH": os.environ.get("PATH", os.defpath)},
        )
        found = pickle.loads(done.stdout) if done.returncode == 0 else done.stderr.decode(errors="replace")[-300:]  # noqa: S301  (our own child wrote it)
    except (OSError, EOFError, pickle.PickleError) as error:
        found = str(error)
    return Swept(found) if isinstance(found, Report) else Swept(None, str(found))
