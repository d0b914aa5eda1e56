"""Looks at what is there before anything is written: the source, the final place, what an earlier attempt left."""

import errno
import fcntl
import os
from contextlib import suppress
from dataclasses import dataclass, field

from supervisor.adapters import files
from supervisor.errors import NoRoom, Refused, Retryable
from supervisor.transfer import blocks
from supervisor.transfer.metainfo import Metainfo
from supervisor.transfer.planning import Original, Role
from supervisor.transfer.stream import Extent

_OWNER_WRITES = 0o600
_PROBE = 1 << 20  # bytes
_NOTHING = Original(0, 0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Survey:
    """What is to be done with each file of a torrent."""

    originals: tuple[Original | None, ...]  # None: a padding file that rTorrent never wrote
    roles: bytearray  # a Role each
    links: dict[int, int]  # a file that is a hard link of an earlier one
    taken: set[int] = field(default_factory=set)  # in the partial as hard links of what other torrents have on the HDD

    @property
    def where(self) -> list[int | None]:
        """Return in which tree each file will be: 0 the final one, 1 the partial, None nowhere."""
        places: dict[int, int | None] = {Role.READ: 0, Role.WRITE: 1, Role.ZEROS: None}
        found = [places[role] for role in self.roles]
        for number in (*self.links, *self.taken):
            found[number] = 1
        return found


def sources(meta: Metainfo, directories: files.Directories) -> tuple[Original | None, ...]:
    """Return what each source file is. Raise Retryable if one is missing, Refused if one is not what it should be."""
    return tuple(_source(meta, number, directories) for number in range(len(meta.files)))


def _source(meta: Metainfo, number: int, directories: files.Directories) -> Original | None:
    file = meta.files[number]
    try:
        info = directories.stat(file.path)
    except FileNotFoundError as error:
        if file.padding:
            return None
        name = files.show(directories.join(file.path))
        raise Retryable(f"{name} is missing; if it was deleted, recheck the torrent in rTorrent") from error
    except OSError as error:
        raise files.failure(error, directories.join(file.path)) from error
    if not files.regular(info):
        name = files.show(directories.join(file.path))
        raise Refused(f"{name} is no ordinary file (a symbolic link is not followed); put the real file there")
    if info.st_size != file.size:
        name = files.show(directories.join(file.path))
        raise Refused(f"{name} has {info.st_size} bytes, the torrent says {file.size}: recheck it in rTorrent")
    kept = (info.st_mode, info.st_atime_ns, info.st_mtime_ns, info.st_dev, info.st_ino)
    return Original(*kept, files.allocated(info), info.st_uid, info.st_gid)


def standing(meta: Metainfo, directories: files.Directories) -> set[int]:
    """Return the files that stand at their final names, each of the right size.

    Raise Refused if something else stands at one of the names: it is not ours, and stays.
    """
    found = set()
    for number, file in enumerate(meta.files):
        try:
            info = directories.stat(file.path)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise files.failure(error, directories.join(file.path)) from error
        if not files.regular(info) or info.st_size != file.size:
            raise foreign(directories.join(file.path))
        found.add(number)
    return found


class Foreign(Refused):
    """Somebody else's file stands where the torrent's should."""

    foreign = True


def foreign(path: bytes) -> Foreign:
    """Return the error for a file that is not the torrent's and stands where the torrent's should."""
    return Foreign(f"a foreign file stands at {files.show(path)}; it is not touched: move it away, then retry")


def roles(meta: Metainfo, originals: tuple[Original | None, ...], stands: set[int]) -> Survey:
    """Given the source files and those that stand at the final place, return what is to be done with each."""
    found, links, first = bytearray(len(meta.files)), dict[int, int](), dict[tuple[int, int], int]()
    for number, original in enumerate(originals):
        if number in stands:
            found[number] = Role.READ
        elif original is None:
            found[number] = Role.ZEROS
        else:
            found[number] = Role.WRITE
            earlier = first.setdefault((original.device, original.inode), number)
            if earlier != number:
                found[number] = Role.READ
                links[number] = earlier
    return Survey(originals, found, links)


def lock(parent: int, name: bytes, path: bytes) -> tuple[int, bool]:
    """Make or open the partial directory and lock it; return its descriptor and whether it is new.

    The lock is flock(2) on the directory itself: it goes with the process, and leaves no file behind in what is
    published. Raise Retryable if another process has it, OSError.
    """
    fresh = False
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=parent)
        fresh = True
    descriptor = os.open(name, files.DIRECTORY, dir_fd=parent)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.stat(name, dir_fd=parent, follow_symlinks=False), os.fstat(descriptor)):
                return descriptor, fresh
    except BlockingIOError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    raise Retryable(f"{files.show(path)}: another process is copying this torrent; it is tried again")


def left(meta: Metainfo, directories: files.Directories, survey: Survey) -> tuple[list[Extent], int]:
    """Return what the partial of an earlier attempt certainly lacks, and the bytes that are allocated in it.

    Whether the rest is right is open. What is no plain file of ours there loses its name; what has another length gets
    the right one.
    """
    for number in survey.links:  # they are made last, and again
        path = meta.files[number].path
        with files.explained(directories.join(path)), suppress(FileNotFoundError):
            os.unlink(path[-1], dir_fd=directories.parent(path))
    lacking = [Extent(number, 0, meta.files[number].size) for number in survey.links]
    allocated = 0
    for number, file in enumerate(meta.files):
        if survey.roles[number] == Role.WRITE:
            with files.explained(directories.join(file.path)):
                sparse = (survey.originals[number] or _NOTHING).allocated < file.size
                there, taken = _left(file.path, file.size, directories, sparse=sparse)
            allocated += taken
            position = 0
            for start, end in [*there, (file.size, file.size)]:
                if start > position:
                    lacking.append(Extent(number, position, start - position))
                position = end
    return lacking, allocated


def _left(
    path: files.Components, size: int, directories: files.Directories, *, sparse: bool
) -> tuple[list[tuple[int, int]], int]:
    """Return the ranges of one file that may be right, and its allocated bytes. A sparse original may have holes."""
    try:
        info = directories.stat(path)
    except FileNotFoundError:
        return [], 0
    if not files.regular(info) or info.st_nlink != 1:
        os.unlink(path[-1], dir_fd=directories.parent(path))
        return [], 0
    if info.st_size == size and files.allocated(info) >= size and info.st_mode & _OWNER_WRITES == _OWNER_WRITES:
        return [(0, size)], files.allocated(info)
    _let_us_write(path, directories, info.st_mode & 0o777 | _OWNER_WRITES)
    descriptor = directories.open(path, os.O_RDWR)
    try:
        os.ftruncate(descriptor, size)
        ranges = [(start, end) for start, end, hole in blocks.segments(descriptor, 0, size) if sparse or not hole]
    finally:
        os.close(descriptor)
    return ranges, files.allocated(info)


def _let_us_write(path: files.Components, directories: files.Directories, mode: int) -> None:
    """Change the mode of a file, and not of what a link leads to that was planted since it was looked at."""
    descriptor = directories.open(path, os.O_PATH)
    try:
        if not files.regular(os.fstat(descriptor)):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        # fchmod(2) wants a file that may be read; this way needs no such right (open(2), O_PATH).
        os.chmod(f"/proc/self/fd/{descriptor}", mode)
    finally:
        os.close(descriptor)


def strangers(meta: Metainfo, descriptor: int) -> bool:
    """Say whether a directory holds anything that is not the torrent's."""
    names = {file.path for file in meta.files}
    folders = {path[:depth] for path in names for depth in range(1, len(path))}
    return _strangers(descriptor, (), names, folders)


def _strangers(
    descriptor: int, above: files.Components, names: set[files.Components], folders: set[files.Components]
) -> bool:
    with os.scandir(descriptor) as entries:
        found = [(os.fsencode(entry.name), entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, folder in found:
        path = (*above, name)
        if path not in (folders if folder else names):
            return True
        if folder:
            below = os.open(name, files.DIRECTORY, dir_fd=descriptor)
            try:
                if _strangers(below, path, names, folders):
                    return True
            finally:
                os.close(below)
    return False


def check_space(
    meta: Metainfo, survey: Survey, allocated: int, tree: tuple[int, bytes], *, reserve: int, fresh: bool
) -> None:
    """Given the bytes that are allocated in the partial already, raise NoRoom if the rest does not fit.

    `reserve` bytes are to stay free. In a partial that is not fresh a block is really written, since a quota, or a
    file system that has run out of something else, does not show in what is free: so what an earlier attempt left is
    not read back in vain.
    """
    descriptor, path = tree
    needed = -allocated
    for number, original in enumerate(survey.originals):
        if original is not None and survey.roles[number] == Role.WRITE:
            needed += min(meta.files[number].size, original.allocated)
    usage = files.usage(descriptor)
    lacking = needed - (usage.free - reserve)
    if usage.size and needed > 0 and lacking > 0:  # a file system without a size (ramfs, some network ones) says 0
        raise NoRoom(
            f"{files.show(path)}: {lacking / 2**30:.2f} GiB more must be free for this torrent; it is tried again",
            lacking,
        )
    if needed > 0 and not fresh:
        with files.explained(path):
            files.try_to_write(descriptor, min(needed, _PROBE))
