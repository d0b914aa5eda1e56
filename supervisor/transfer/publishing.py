"""Completes the partial tree, makes it durable, and gives it its final names without ever replacing one."""

import errno
import os
from collections.abc import Iterable
from contextlib import suppress

from supervisor.adapters import files, syscalls
from supervisor.errors import Retryable
from supervisor.transfer.copying import PERMISSIONS, dress
from supervisor.transfer.metainfo import Metainfo
from supervisor.transfer.planning import Original, Role
from supervisor.transfer.proving import Tree
from supervisor.transfer.surveying import Survey, foreign

_OWNER_SEARCHES = 0o700


def folders(paths: Iterable[files.Components]) -> list[files.Components]:
    """Return all directories above the paths, parents first; the tree's own root, (), is the first."""
    found = {path[:depth] for path in paths for depth in range(len(path))}
    return sorted({(), *found})


def complete(meta: Metainfo, survey: Survey, partial: Tree, *, fresh: bool, sync_each: bool) -> None:
    """Make the empty files and the hard links; see that what an earlier attempt left has times and modes too."""
    with files.Directories(*partial, make=True) as targets:
        for number, file in enumerate(meta.files):
            original = survey.originals[number]
            if original is None or survey.roles[number] != Role.WRITE or (file.size and fresh):
                continue
            with files.explained(targets.join(file.path)):
                if file.size and _dressed(targets.stat(file.path), original):
                    continue
                descriptor = targets.open(file.path, os.O_WRONLY | (0 if file.size else os.O_CREAT))
                try:
                    dress(descriptor, original)
                    if sync_each:
                        os.fsync(descriptor)
                finally:
                    os.close(descriptor)
        for number, earlier in survey.links.items():
            _link(targets, meta.files[earlier].path, meta.files[number].path)


def _dressed(info: os.stat_result, original: Original) -> bool:
    return info.st_mtime_ns == original.mtime and info.st_mode & PERMISSIONS == original.mode & PERMISSIONS


def _link(targets: files.Directories, earlier: files.Components, path: files.Components) -> None:
    with files.explained(targets.join(path)):
        first = os.dup(targets.parent(earlier))
        try:
            os.link(earlier[-1], path[-1], src_dir_fd=first, dst_dir_fd=targets.parent(path), follow_symlinks=False)
        finally:
            os.close(first)


def make_durable(meta: Metainfo, survey: Survey, source: Tree, partial: Tree, *, sync_each: bool) -> None:
    """Give the directories their modes, and see everything on stable storage.

    Few files were fsynced one by one, so their directories follow; for many, one syncfs(2) is far quicker.
    """
    ours = [file.path for number, file in enumerate(meta.files) if survey.roles[number] == Role.WRITE]
    ours += [meta.files[number].path for number in (*survey.links, *survey.taken)]
    with files.explained(partial[1]):
        for folder in reversed(folders(ours)):
            descriptor = files.open_directory(partial[0], folder)
            try:
                _dress_folder(descriptor, source, folder)
                if sync_each:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
        if not sync_each:
            syscalls.syncfs(partial[0])


def _dress_folder(descriptor: int, source: Tree, folder: files.Components) -> None:
    """Give a directory the owner (where we may) and the mode of its original; its owner must get in. Raise OSError."""
    original = files.open_directory(source[0], folder)
    try:
        info = os.fstat(original)
    finally:
        os.close(original)
    if (info.st_uid, info.st_gid) != (os.geteuid(), os.getegid()):
        with suppress(PermissionError):
            os.fchown(descriptor, info.st_uid, info.st_gid)
    os.fchmod(descriptor, info.st_mode & PERMISSIONS | _OWNER_SEARCHES)


def forget(meta: Metainfo, survey: Survey, partial: Tree) -> None:
    """Drop a copy that was not read back from the page cache: that belongs to what is being seeded."""
    with files.Directories(*partial) as targets:
        for number, file in enumerate(meta.files):
            if survey.roles[number] == Role.WRITE and file.size:
                with files.explained(targets.join(file.path)):
                    descriptor = targets.open(file.path, os.O_RDONLY)
                    try:
                        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                    finally:
                        os.close(descriptor)


def publish_whole(parent: int, name: bytes, final: bytes, path: bytes) -> bool:
    """Rename the partial directory to its final name; return False where the file system cannot do it safely."""
    try:
        files.rename_new(parent, name, parent, final)
        os.fsync(parent)
    except FileExistsError as error:
        raise Retryable(f"{files.show(path)} appeared while the torrent was copied; it is looked at again") from error
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return False
        raise files.failure(error, path) from error
    return True


def publish_files(meta: Metainfo, survey: Survey, source: Tree, partial: Tree, final: Tree) -> None:
    """Rename file by file into a directory that exists, make its subdirectories, and fsync all of it."""
    made = survey.links.keys() | survey.taken
    ours = [number for number in range(len(meta.files)) if survey.roles[number] == Role.WRITE or number in made]
    with files.Directories(*partial) as targets, files.Directories(*final) as finals:
        for folder in folders(meta.files[number].path for number in ours)[1:]:
            with files.explained(finals.join(folder)):
                _make(finals, folder, source)
        for number in ours:
            path = meta.files[number].path
            try:
                files.rename_new(targets.parent(path), path[-1], finals.parent(path), path[-1])
            except FileExistsError as error:
                raise foreign(finals.join(path)) from error
            except OSError as error:
                raise files.failure(error, finals.join(path)) from error
        for folder in reversed(folders(meta.files[number].path for number in ours)):
            with files.explained(finals.join(folder)):
                os.fsync(finals.parent((*folder, b"")))


def _make(finals: files.Directories, folder: files.Components, source: Tree) -> None:
    try:
        os.mkdir(folder[-1], 0o700, dir_fd=finals.parent(folder))
    except FileExistsError:
        return
    _dress_folder(finals.parent((*folder, b"")), source, folder)
    os.fsync(finals.parent(folder))


def discard(meta: Metainfo, parent: int, name: bytes, partial: Tree) -> None:
    """Remove what is left of the partial directory: files of the torrent and empty directories, nothing else."""
    with files.explained(partial[1]):
        with files.Directories(*partial) as targets:
            for file in meta.files:
                with suppress(FileNotFoundError):
                    os.unlink(file.path[-1], dir_fd=targets.parent(file.path))
        for folder in reversed(folders(file.path for file in meta.files)):
            files.prune(partial[0], folder)
        files.prune(parent, (name,))
        os.fsync(parent)
