"""Removes the SSD data of a torrent that seeds from the HDD: its listed files and its own directories, nothing else."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from typing import NamedTuple

from supervisor.adapters import clock, files
from supervisor.errors import Refused
from supervisor.messages import Phase, Relocate
from supervisor.transfer import metainfo, publishing
from supervisor.transfer.metainfo import File, Metainfo

_CONFIRM_EVERY = 0.5  # seconds; promised is one


class Removed(NamedTuple):
    """What came of it, in bytes."""

    freed: int  # allocated by the files that were unlinked, and had no other name
    spared: int  # of the files that others use


def remove(
    task: Relocate,
    confirm: Callable[[], None],
    others: Callable[[], frozenset[files.Components]],
    report: Callable[[Phase, int, int], None],
) -> Removed:
    """Unlink the torrent's files below `task.source`, but those that other torrents use; return what came of it.

    `confirm` must raise unless rTorrent seeds from the HDD and its session says so; it is called before the first
    unlink and at least once a second while there are more. `others` returns the paths that stay; it is called once,
    between the first confirmation and the first unlink: a torrent may have been added since the relocation was planned.
    Files that are gone already are an earlier attempt's work.
    Raise what these raise; Refused if the HDD copy is not complete, or is the SSD data itself under another name;
    Retryable after an IO error.
    """
    meta = metainfo.read(task.metainfo, task.hash)
    with ExitStack() as stack:
        ssd = _keep(stack, files.open_place(task.ssd))
        hdd = _keep(stack, files.open_place(task.hdd))
        below = files.beneath(task.ssd.path, task.source)
        with files.explained(task.destination):
            target = _keep(stack, files.open_directory(hdd, files.beneath(task.hdd.path, task.destination)))
        copies = stack.enter_context(files.Directories(target, task.destination))
        try:
            source = _keep(stack, files.open_directory(ssd, below))
        except FileNotFoundError:
            with files.explained(task.source):
                files.sync_directories(ssd, [below[:-1]])  # the earlier attempt may have ended before it did
            return Removed(0, 0)
        except OSError as error:
            raise files.failure(error, task.source) from error
        originals = stack.enter_context(files.Directories(source, task.source))
        for file in meta.files:
            _check(file, originals, copies)
        removed = _unlink(meta, originals, confirm, others, report)
        folders = publishing.folders(file.path for file in meta.files)
        for folder in reversed(folders):
            files.prune(source, folder)
        if meta.multi and below:  # the directory of a torrent of one file is not the torrent's own
            files.prune(_keep(stack, files.open_directory(ssd, below[:-1])), below[-1:])
        with files.explained(task.source):  # else a power cut may bring them back, and nobody would remove them again
            files.sync_directories(ssd, [below[:-1], *((*below, *folder) for folder in folders)])
    return removed


def _check(file: File, originals: files.Directories, copies: files.Directories) -> None:
    """Raise Refused unless the HDD has a file of the right size that stays when the SSD's name goes."""
    path = copies.join(file.path)
    try:
        copy = copies.stat(file.path)
    except FileNotFoundError as error:
        if file.padding:
            return
        raise Refused(f"{files.show(path)} is missing on the HDD; nothing is removed: verify the copy") from error
    except OSError as error:
        raise files.failure(error, path) from error
    if not files.regular(copy) or copy.st_size != file.size:
        raise Refused(f"{files.show(path)} is not the torrent's file of {file.size} bytes; nothing is removed")
    original = _original(file, originals)
    if original is None:
        return
    if os.path.samestat(copy, original):
        with files.explained(path):
            above = os.fstat(originals.parent(file.path)), os.fstat(copies.parent(file.path))
        if original.st_nlink == 1 or os.path.samestat(*above):
            raise Refused(f"{files.show(path)} is the SSD's file itself under another name; nothing is removed")


def _original(file: File, originals: files.Directories) -> os.stat_result | None:
    """Return what stands on the SSD under a file's name; None: nothing. Raise Refused if it is not the torrent's."""
    path = originals.join(file.path)
    try:
        info = originals.stat(file.path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise files.failure(error, path) from error
    if not files.regular(info) or info.st_size != file.size:
        raise Refused(f"{files.show(path)} is no longer the torrent's file of {file.size} bytes; it stays: look at it")
    return info


def _unlink(
    meta: Metainfo,
    originals: files.Directories,
    confirm: Callable[[], None],
    others: Callable[[], frozenset[files.Components]],
    report: Callable[[Phase, int, int], None],
) -> Removed:
    freed, spared, done = 0, 0, 0
    confirmed: float | None = None
    stay: frozenset[files.Components] = frozenset()
    for file in meta.files:
        info = _original(file, originals)
        if info is not None and (confirmed is None or clock.monotonic() - confirmed >= _CONFIRM_EVERY):
            confirm()
            stay = others() if confirmed is None else stay
            confirmed = clock.monotonic()
            report(Phase.REMOVE, done, meta.size)
            info = _original(file, originals)  # rTorrent took its time
        if info is not None and file.path in stay:
            spared += file.size
        elif info is not None:
            with files.explained(originals.join(file.path)):
                os.unlink(file.path[-1], dir_fd=originals.parent(file.path))
            freed += files.allocated(info) if info.st_nlink == 1 else 0
        done += file.size
    report(Phase.REMOVE, done, meta.size)
    return Removed(freed, spared)


def _keep(stack: ExitStack, descriptor: int) -> int:
    stack.callback(os.close, descriptor)
    return descriptor
