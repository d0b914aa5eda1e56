"""Walks a tree for what nobody claims, and puts such things aside. Follows no symbolic link.

One directory is open at a time, and only the file lists of the torrents around it are in memory.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass

from supervisor.adapters import files
from supervisor.adapters.files import Components
from supervisor.errors import Refused
from supervisor.messages import Place

TRASH = b".seedcache-trash"  # below a root, so that what goes there is only renamed
_NOT_DATA = frozenset({TRASH, b"lost+found"})  # at the top of a root

# Of the directory of a torrent of many files: what returns their paths below it; None: that cannot be known.
Claims = Mapping[bytes, Iterable[Callable[[], AbstractSet[Components] | None]]]


@dataclass(frozen=True, slots=True)
class Stray:
    """A file that nobody claims, or a directory in which nobody claims anything."""

    path: bytes
    size: int  # bytes allocated
    files: int
    changed: float  # unix seconds: the youngest of them


@dataclass(frozen=True, slots=True)
class _Claimed:
    depth: int  # of the torrent's directory below the root
    names: AbstractSet[Components]
    folders: AbstractSet[Components]


def strays(place: Place, claims: Claims, single: AbstractSet[bytes]) -> Iterator[Stray]:
    """Given a root, the directories of torrents of many files and the paths of single ones, yield what is no one's.

    A directory that cannot be read is passed over. Raise Retryable or Refused if the root is not there.
    """
    top = place.path.rstrip(b"/")
    above = {path[:end] for path in (*claims, *single) for end in range(len(path)) if path[end : end + 1] == b"/"}
    root = files.open_place(place)
    try:
        waiting: list[tuple[Components, tuple[_Claimed, ...]]] = [((), ())]
        while waiting:
            below, around = waiting.pop()
            path = b"/".join((top, *below))
            for read in claims.get(path, ()):
                names = read()
                if names is None:
                    break
                folders = {name[:depth] for name in names for depth in range(1, len(name))}
                around = (*around, _Claimed(len(below), names, folders))
            else:
                for name, info in _entries(root, below):
                    here, full = (*below, name), b"/".join((path, name))
                    if not below and name in _NOT_DATA:
                        continue
                    if info is None:
                        inner = any(here[each.depth :] in each.folders for each in around)
                        if inner or full in above or full in claims:
                            waiting.append((here, around))
                        elif (stray := _whole(root, here, full)).files:
                            yield stray
                    elif full not in single and not any(here[each.depth :] in each.names for each in around):
                        yield Stray(full, files.allocated(info), 1, info.st_mtime)
    finally:
        os.close(root)


def _entries(root: int, below: Components) -> Iterator[tuple[bytes, os.stat_result | None]]:
    """Yield what a directory holds: names, with None for a directory."""
    try:
        descriptor = files.open_directory(root, below)
    except OSError:
        return
    try:
        with os.scandir(descriptor) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    folder = entry.is_dir(follow_symlinks=False)
                    yield os.fsencode(entry.name), None if folder else entry.stat(follow_symlinks=False)
    except OSError:
        return
    finally:
        os.close(descriptor)


def _whole(root: int, below: Components, path: bytes) -> Stray:
    size, count, changed, waiting = 0, 0, 0.0, [below]
    while waiting:
        here = waiting.pop()
        for name, info in _entries(root, here):
            if info is None:
                waiting.append((*here, name))
            else:
                size, count, changed = size + files.allocated(info), count + 1, max(changed, info.st_mtime)
    return Stray(path, size, count, changed)


def entries(place: Place, path: bytes) -> list[bytes]:
    """Return the names in a directory below a root; none if it is not there. Raise Retryable or Refused."""
    root = files.open_place(place)
    try:
        return [name for name, _ in _entries(root, files.beneath(place.path, path))]
    finally:
        os.close(root)


def put_aside(place: Place, path: bytes, when: bytes) -> bytes:
    """Rename what stands at a path below a root into the root's trash, below a directory named `when`.

    Return its new path; what is above it there is named as it was. Raise Retryable, or Refused if it lies behind a
    symbolic link or on another file system.
    """
    components = files.beneath(place.path, path)
    if not components or components[0] in _NOT_DATA:
        raise Refused(f"{files.show(path)} is not data below {files.show(place.path)}; it stays")
    root = files.open_place(place)
    try:
        with files.explained(path):
            source = files.open_directory(root, components[:-1])
        try:
            with files.explained(path):
                target = files.make_directory(root, (TRASH, when, *components[:-1]), 0o700)
            try:
                with files.explained(path):
                    files.rename_new(source, components[-1], target, components[-1])
                    os.fsync(target)
                    os.fsync(source)
            finally:
                os.close(target)
        finally:
            os.close(source)
    finally:
        os.close(root)
    return b"/".join((place.path.rstrip(b"/"), TRASH, when, *components))


def empty_trash(place: Place, old: Callable[[bytes], bool]) -> list[bytes]:
    """Remove the directories of a root's trash whose names are `old`; return the names."""
    gone = []
    for name in entries(place, place.path.rstrip(b"/") + b"/" + TRASH):
        if old(name):
            root = files.open_place(place)
            try:
                trash = files.open_directory(root, (TRASH,))
                try:
                    with files.explained(place.path + b"/" + TRASH + b"/" + name):
                        shutil.rmtree(name, dir_fd=trash)  # by descriptors: no link leads it away
                finally:
                    os.close(trash)
            finally:
                os.close(root)
            gone.append(name)
    return gone
