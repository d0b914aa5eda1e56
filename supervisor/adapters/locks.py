"""Locks between processes. The only importer of filelock, which is imported by the first lock that is taken.

A lock is flock(2) on a file: the kernel releases it when its holder ends, however it ends. The file stays where it is:
whoever unlinked it would leave two processes with a lock each, on two files of one name. Unless one of them is dead.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from supervisor.errors import Busy, ConfigurationError


def space(lock_dir: str) -> str:
    """Return the path of the lock of who changes anything in rTorrent, or removes anything from the SSD."""
    return os.path.join(lock_dir, "space.lock")


@contextmanager
def hold(path: str) -> Iterator[None]:
    """Hold the lock on the file `path` while the body runs; its directory is made (0700) if it is missing.

    Raise Busy at once, with the holder's process id if it left one, if somebody else holds it, and ConfigurationError
    if the file cannot be a lock.
    """
    from filelock import FileLock, Timeout  # noqa: PLC0415  # 50 ms that a process without locks need not pay

    lock = FileLock(path, timeout=0)
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        _refuse_strange(path)
        lock.acquire()
    except Timeout:
        raise Busy(f"{path} is locked by {_holder(path)}. Wait for it to end, or stop it.") from None
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be a lock: {error.strerror}. Remove it, or name another directory as LOCK_DIR or STATE_DIR."
        ) from error
    try:
        _sign(path)
        yield
    finally:
        lock.release()


def bury(path: str, pid: int) -> None:
    """Given a lock and the id of a process that was killed, have the lock free if that process has it.

    The kernel releases a lock when its holder is gone, which one that sleeps in a disk's driver may never be. Another
    file takes the place of its file; filelock sees to it that nobody takes the lock on the old one meanwhile.
    """
    if _holder(path) == _named(pid):
        with suppress(OSError):
            os.unlink(path)


def _refuse_strange(path: str) -> None:
    # A link is refused by filelock too, but only since 3.20.1; to open a FIFO may never return.
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise OSError(errno.ELOOP, "it is a symbolic link, or no file")


def _sign(path: str) -> None:
    """Write our process id into the file that we hold, for the message to the next one."""
    with suppress(OSError):  # a full disk makes the message poorer, not the lock
        fd = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.write(fd, b"%d\n" % os.getpid())
        finally:
            os.close(fd)


def _holder(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return _named(int(file.read(20)))
    except (OSError, ValueError):
        return "another process"


def _named(pid: int) -> str:
    return f"process {pid}"
