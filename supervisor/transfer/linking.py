"""Makes again on the HDD the hard links that torrents have between them on the SSD: cross-seeds in two directories.

What another torrent's published copy has is linked into the partial, and proven there like everything else. It is never
written to: a file of the partial that has another name is no one's to change.
"""

import os
from contextlib import ExitStack

from supervisor.adapters import files
from supervisor.errors import TransferError
from supervisor.messages import Copy, Kin
from supervisor.transfer import metainfo
from supervisor.transfer.metainfo import File, Metainfo
from supervisor.transfer.planning import Original, Role
from supervisor.transfer.proving import Tree
from supervisor.transfer.surveying import Survey

_SECOND = 10**9  # ns; of times rTorrent compares whole seconds


def link(task: Copy, meta: Metainfo, survey: Survey, partial: Tree) -> None:
    """Given a torrent and its partial, link into it what its kin have on the HDD already; note so in the survey.

    A file that cannot be linked (another file system, a limit of this one) is left to be copied.
    """
    wanted = {
        (original.device, original.inode): number
        for number, original in enumerate(survey.originals)
        if original is not None and survey.roles[number] == Role.WRITE and meta.files[number].size
    }
    for kin in task.kin:
        try:
            _link_from(kin, task, meta, survey, partial, wanted)
        except (OSError, TransferError):  # it was removed meanwhile, or cannot be read: not our torrent's affair
            continue


def _link_from(
    kin: Kin, task: Copy, meta: Metainfo, survey: Survey, partial: Tree, wanted: dict[tuple[int, int], int]
) -> None:
    theirs = metainfo.read(kin.metainfo, kin.hash)
    with ExitStack() as stack:
        trees = []
        for place, path in ((task.ssd, kin.source), (task.hdd, kin.destination)):
            root = files.open_place(place)
            stack.callback(os.close, root)
            descriptor = files.open_directory(root, files.beneath(place.path, path))
            stack.callback(os.close, descriptor)
            trees.append(stack.enter_context(files.Directories(descriptor, path)))
        originals, copies = trees
        targets = stack.enter_context(files.Directories(*partial, make=True))
        sizes = {meta.files[number].size for number in wanted.values()}
        for file in theirs.files:
            info = _stat(originals, file.path) if file.size in sizes else None
            number = None if info is None else wanted.get((info.st_dev, info.st_ino))
            if number is None:
                continue
            original, name = survey.originals[number], meta.files[number].path
            if original and _same(copies, file, original) and _linked(copies, file.path, targets, name):
                survey.roles[number] = Role.READ
                survey.taken.add(number)
                del wanted[original.device, original.inode]


def _stat(directories: files.Directories, path: files.Components) -> os.stat_result | None:
    try:
        return directories.stat(path)
    except OSError:
        return None


def _same(copies: files.Directories, file: File, original: Original) -> bool:
    """Say whether a published file may be the copy of the original; its pieces will tell."""
    info = _stat(copies, file.path)
    if info is None or not files.regular(info) or info.st_size != file.size:
        return False
    return info.st_mtime_ns // _SECOND == original.mtime // _SECOND


def _linked(
    copies: files.Directories, path: files.Components, targets: files.Directories, name: files.Components
) -> bool:
    """Give a published file its name in the partial; say whether it has it (from an earlier attempt, perhaps)."""
    try:
        target = targets.parent(name)
        try:
            os.link(path[-1], name[-1], src_dir_fd=copies.parent(path), dst_dir_fd=target, follow_symlinks=False)
        except FileExistsError:
            return os.path.samestat(copies.stat(path), targets.stat(name))
    except OSError:
        return False
    return True
