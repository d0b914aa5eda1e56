"""Our own small files, written whole or not at all."""

import os


def replace(path: str, data: bytes, *, durable: bool, mode: int = 0o644) -> None:
    """Given a path and its next contents, put them there at once: a reader sees the old file or the new one.

    Durable: they are on stable storage when this returns (fsync of the file, rename(2), fsync of the directory).
    Raise OSError if it cannot be written; the old file stays.
    """
    temporary = f"{path}.new"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
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
        directory = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
