"""Our own small files and directories: written whole or not at all, and durable if wanted."""

import errno
import os
from contextlib import suppress


def replace(path: str, data: bytes, *, durable: bool, mode: int = 0o644) -> None:
    """Given a path and its next contents, put them there at once: a reader sees the old file or the new one.

    Durable: they are on stable storage when this returns (fsync of the file, rename(2), fsync of the directory).
    Raise OSError if it cannot be written; the old file stays.
    """
    temporary = f"{path}.new"
    with suppress(FileNotFoundError):  # of one who was killed
        os.unlink(temporary)
    # Ours and new: what else may stand there, a link or a FIFO, is not opened (O_EXCL follows no symlink: open(2)).
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        if durable:
            os.fsync(handle)
    finally:
        os.close(handle)
    os.replace(temporary, path)
    if durable:
        _sync(os.path.dirname(path))


def make_directory(path: str) -> None:
    """Make a directory, and those above it that are missing; all of them are on stable storage when this returns.

    One that is there is seen there too: whoever made it may have been killed before it was. Raise OSError.
    """
    above = os.path.dirname(path)
    if not os.path.isdir(above):
        make_directory(above)
    with suppress(FileExistsError):
        os.mkdir(path, 0o775)
    if not os.path.isdir(path):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
    with suppress(PermissionError):  # whoever may not read what is above did not make it either
        _sync(above)


def _sync(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
