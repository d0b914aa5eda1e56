"""The only place that opens, names and removes payload files; the hot loops read and write what is opened here.

Every directory is opened component by component with O_NOFOLLOW, relative to the one before: no symlink is followed,
not in a root and not below it, also not one that is planted while we work.
"""

import errno
import os
import stat
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Self

from supervisor.adapters import mounts, syscalls
from supervisor.errors import NoRoom, Refused, Retryable, TransferError
from supervisor.messages import Place

Components = tuple[bytes, ...]

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_HELD = 32  # directory descriptors one cache keeps open
_RENAME_MISSING = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}
_THROUGH_CACHE = {mounts.BTRFS}  # btrfs takes O_DIRECT, but newer kernels (seen: 6.18) use the page cache all the same
_REMEDY: dict[int, tuple[Callable[[str], TransferError], str]] = {
    errno.ENOENT: (Retryable, "it does not exist; is the file system mounted?"),
    errno.ENOSPC: (NoRoom, "no space is left; free some, it is tried again"),
    errno.EDQUOT: (NoRoom, "the quota is used up; raise it or free some, it is tried again"),
    errno.EROFS: (Retryable, "the file system is read-only; the kernel log says why, remount it"),
    errno.EIO: (Retryable, "the device has an IO error; look at the kernel log and at the disk's SMART values"),
    errno.EACCES: (Retryable, "permission denied; the supervisor's user needs access to it"),
    errno.EPERM: (Retryable, "operation not permitted; the supervisor's user needs to own it"),
    errno.ELOOP: (Refused, "it is a symbolic link, and none is followed; put the real thing there"),
    errno.ENOTDIR: (Refused, "a part of it is no directory, or a symbolic link, and none is followed"),
    errno.EISDIR: (Refused, "a directory stands there, where the torrent has a file; move it away, then retry"),
    errno.ENAMETOOLONG: (Refused, "the name is too long for this file system"),
}


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one file system, in bytes; `free` is what an ordinary user may fill (f_bavail)."""

    size: int
    free: int


def show(path: bytes) -> str:
    """Return a path as text for a person."""
    return path.decode("utf-8", "backslashreplace")


def failure(error: OSError, path: bytes) -> TransferError:
    """Given what went wrong at a path, return the error that says so to the user, with the remedy."""
    kind, remedy = _REMEDY.get(error.errno or 0, (Retryable, error.strerror or str(error)))
    return kind(f"{show(path)}: {remedy}")


@contextmanager
def explained(path: bytes) -> Iterator[None]:
    """Turn an OSError of the block into the error for the user, which names `path`."""
    try:
        yield
    except OSError as error:
        raise failure(error, path) from error


def beneath(root: bytes, path: bytes) -> Components:
    """Return the components that lead from `root` to `path`; () if they are the same. Raise Refused if outside."""
    parts, top = path.split(b"/"), root.rstrip(b"/").split(b"/")
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    rest = parts[len(top) :]
    if not path.startswith(b"/") or parts[: len(top)] != top or any(part in (b"", b".", b"..") for part in rest):
        raise Refused(f"{show(path)} is not inside the configured {show(root)}; nothing outside it is touched")
    return tuple(rest)


def open_directory(base: int, components: Components) -> int:
    """Return a descriptor of the directory that `components` lead to from the directory `base`. Raise OSError."""
    current = os.open(b".", DIRECTORY, dir_fd=base)
    for component in components:
        try:
            following = os.open(component, DIRECTORY, dir_fd=current)
        finally:
            os.close(current)
        current = following
    return current


def make_directory(base: int, components: Components, mode: int = 0o777) -> int:
    """As open_directory, but make what is missing, and fsync the parent of each on the way.

    Also of one that is there: whoever made it may have been killed before its fsync.
    """
    current = os.open(b".", DIRECTORY, dir_fd=base)
    for component in components:
        try:
            with suppress(FileExistsError):
                os.mkdir(component, mode, dir_fd=current)
            os.fsync(current)
            following = os.open(component, DIRECTORY, dir_fd=current)
        finally:
            os.close(current)
        current = following
    return current


def open_place(place: Place) -> int:
    """Return a descriptor of a configured root.

    Raise Retryable if it cannot be opened; Refused if it is reached through a symlink, or lies on another file system
    than the one that was trusted: then it is not mounted, and what was written would fill the disk below it.
    """
    with explained(place.path):
        top = os.open(b"/", DIRECTORY)
        try:
            descriptor = open_directory(top, beneath(b"/", place.path))
        finally:
            os.close(top)
    if not mounts.same(place.filesystem, mounts.identity(descriptor)):
        os.close(descriptor)
        raise Refused(f"{show(place.path)} is not mounted or a different file system; mount it, or check the settings")
    return descriptor


class Directories:
    """Descriptors of the directories below one, kept open while they are in use. Not for two threads at once."""

    def __init__(self, base: int, path: bytes, *, make: bool = False) -> None:
        """Given a directory's descriptor (which stays the caller's) and its path for messages.

        With `make`, directories that are missing are made, private to us; they are not fsynced.
        """
        self.base = base
        self.path = path
        self.through_cache = syscalls.filesystem_type(base) in _THROUGH_CACHE
        self.direct = not self.through_cache  # until the file system refuses O_DIRECT
        self._make = make
        self._open: OrderedDict[Components, int] = OrderedDict()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close what is open."""
        while self._open:
            os.close(self._open.popitem()[1])

    def join(self, components: Components) -> bytes:
        """Return the full path of a file below, for messages."""
        return b"/".join((self.path.rstrip(b"/"), *components))

    def parent(self, components: Components) -> int:
        """Return a descriptor of the directory a file lies in; it is valid until the next call. Raise OSError."""
        wanted = components[:-1]
        if not wanted:
            return self.base
        held = self._open.get(wanted)
        if held is not None:
            self._open.move_to_end(wanted)
            return held
        above = self.parent(wanted)
        if self._make:
            with suppress(FileExistsError):
                os.mkdir(wanted[-1], 0o700, dir_fd=above)
        held = self._open[wanted] = os.open(wanted[-1], DIRECTORY, dir_fd=above)
        if len(self._open) > _HELD:
            os.close(self._open.popitem(last=False)[1])
        return held

    def stat(self, components: Components) -> os.stat_result:
        """Return what a name is, itself and not what it links to. Raise OSError."""
        return os.stat(components[-1], dir_fd=self.parent(components), follow_symlinks=False)

    def open(self, components: Components, flags: int, mode: int = 0o600) -> int:
        """Open a file, never through a symlink, through the page cache. Raise OSError."""
        flags |= os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a planted FIFO must not hang us
        return os.open(components[-1], flags, mode, dir_fd=self.parent(components))

    def open_direct(self, components: Components, flags: int, mode: int = 0o600) -> tuple[int, bool]:
        """Open a file around the page cache where its file system can; return the descriptor and whether it does."""
        if self.direct:
            try:
                return self.open(components, flags | os.O_DIRECT, mode), True
            except OSError as error:
                if error.errno != errno.EINVAL:  # open(2): the file system does not support O_DIRECT
                    raise
                self.direct = False
        return self.open(components, flags, mode), False


def regular(info: os.stat_result) -> bool:
    """Say whether it is an ordinary file."""
    return stat.S_ISREG(info.st_mode)


def rename_new(source: int, name: bytes, target: int, new_name: bytes) -> None:
    """Give a file or directory its new name, never replacing one. Raise FileExistsError, OSError.

    Where RENAME_NOREPLACE is missing (some network file systems) a file gets its new name by link(2), which never
    replaces either, before it loses the old one. A directory cannot: OSError(ENOTSUP).
    """
    try:
        syscalls.rename_new(source, name, target, new_name)
    except OSError as error:
        if error.errno not in _RENAME_MISSING:
            raise
        if stat.S_ISDIR(os.stat(name, dir_fd=source, follow_symlinks=False).st_mode):
            raise OSError(errno.ENOTSUP, "a directory cannot be renamed safely here") from error
        os.link(name, new_name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
        os.unlink(name, dir_fd=source)


def prune(base: int, components: Components) -> None:
    """Remove the directory that `components` lead to, and those above it, while they are empty; never `base`."""
    while components:
        try:
            above = open_directory(base, components[:-1])
        except OSError:
            return
        try:
            os.rmdir(components[-1], dir_fd=above)
        except OSError as error:
            if error.errno != errno.ENOENT:
                return
        finally:
            os.close(above)
        components = components[:-1]


def sync_directories(base: int, folders: Iterable[Components]) -> None:
    """Make what became of the entries of those directories below `base` durable; those that are gone are passed over.

    Raise OSError.
    """
    for folder in folders:
        with suppress(FileNotFoundError):
            descriptor = open_directory(base, folder)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def try_to_write(directory: int, length: int) -> None:
    """Write so many bytes to a file without a name below a directory, which goes at once. Raise OSError if it cannot.

    A file system that has no such files (O_TMPFILE, open(2)) is not tried.
    """
    try:
        descriptor = os.open(b".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=directory)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
            return
        raise
    try:
        block = memoryview(os.urandom(length))  # a file system that compresses shall not make it smaller
        while block:
            block = block[os.write(descriptor, block) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def allocated(info: os.stat_result) -> int:
    """Return the bytes a file takes on its device (stat(2): st_blocks counts 512 bytes whatever the block size)."""
    return info.st_blocks * 512


def usage(path: bytes | int) -> Usage:
    """Return size and free space of the file system behind a path or descriptor. Raise OSError."""
    found = os.statvfs(path)
    return Usage(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)


def is_directory(path: bytes) -> bool:
    """Say whether a directory is there."""
    return os.path.isdir(path)
