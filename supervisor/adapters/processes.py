"""Our own processes: that a child ends with its parent, and whether a pid is still who it was."""

import contextlib
import os
import resource
import signal
import threading
import time
from multiprocessing import parent_process

from supervisor.adapters import clock

_POLL = 0.002  # seconds
PATIENCE = 5.0  # seconds for a process that is killed to be gone


def die_with_parent() -> None:
    """End this process when the supervisor's parent ends, however that ended.

    A child of the fork server is no child of the parent, so prctl(2)'s PDEATHSIG would watch the wrong one; the pipe
    that multiprocessing keeps to the parent closes with it. Ending at any point is safe: every step can be done again.
    """
    parent = parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, name="parent-watch", daemon=True).start()


def leave_no_core() -> None:
    """See that neither this process nor those it starts leave a core dump: the services' keys are in their memory.

    systemd-coredump respects the limit, too (core(5), systemd-coredump(8)).
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def start_time(pid: int) -> float | None:
    """Given a pid, return when that process started (unix seconds), or None if there is none (or it is a zombie)."""
    import psutil  # noqa: PLC0415  (8 MB: only the parent and the commands ask)

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except (psutil.NoSuchProcess, ValueError):  # a number that no process can have
        return None


def end(pid: int, started: float | None, patience: float = PATIENCE) -> None:
    """Given a pid and when it started, kill that process, if it is still that one, and wait until it is gone.

    Wait no longer than the patience (seconds): one that sleeps in a disk's driver cannot be killed. A zombie is gone:
    where pid 1 is no init, as in many a container, one that lost its parent stays one for ever.
    """
    if started is None or start_time(pid) != started:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    deadline = clock.monotonic() + patience
    while start_time(pid) == started and clock.monotonic() < deadline:
        time.sleep(_POLL)
