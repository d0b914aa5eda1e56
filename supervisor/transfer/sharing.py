"""Finds the files of a torrent that other torrents of rTorrent use too: they stay on the SSD when it leaves.

Cross-seeds are torrents of the same data. Most lie on the same paths, or have some files more or fewer there. Those in
another directory have hard links, which do not mind losing a neighbour, or symbolic links, which do.
"""

import os
from collections.abc import Iterable

from supervisor.adapters import files, resolving, session
from supervisor.adapters.rtorrent import RTorrent
from supervisor.adapters.torrents import Placed
from supervisor.errors import Busy, TransferError
from supervisor.transfer import metainfo
from supervisor.transfer.metainfo import Metainfo

_CHANGED = "\N{REPLACEMENT CHARACTER}"  # in a name of which the bytes were not told


def spared(rtorrent: RTorrent, kept: bytes, meta: Metainfo, source: bytes) -> frozenset[files.Components]:
    """Given a torrent and its directory on the SSD, return the paths below that another torrent has there now.

    Costs one request, whatever the number of torrents. `kept` is the directory of our own copies of the metafiles; one
    that was never handed in has its metafile in rTorrent's session.
    Raise RTorrentUnreachable; Busy, Retryable or Refused if it cannot be found out what another torrent has there.
    """
    mine, sizes = {file.path for file in meta.files}, {file.size for file in meta.files}
    top, found = source.rstrip(b"/") + b"/", set[files.Components]()
    for other, linked in neighbours(rtorrent.placed(), meta, source):
        listed = _read(rtorrent, kept, other)
        if linked and sizes.isdisjoint(file.size for file in listed.files):
            continue
        paths = (b"/".join((other.directory, *file.path)) for file in listed.files)
        for path in _resolved(paths, other) if linked else paths:
            if path.startswith(top):
                found.add(tuple(path[len(top) :].split(b"/")))
    return frozenset(found & mine)


def neighbours(torrents: Iterable[Placed], meta: Metainfo, source: bytes) -> list[tuple[Placed, bool]]:
    """Return the other torrents that may have some of these files, directories resolved, and whether by symlinks.

    By their paths if their data lies where this one's does, above it or below it. By symbolic links if they are like
    it, of the same name or size, or if their disk does not say where they lie.
    """
    name = meta.name.decode(errors="replace")
    base = source if meta.multi else b"/".join((source.rstrip(b"/"), meta.name))
    found = []
    resolved, silent = resolving.resolve(torrents)
    for other in resolved:
        if other.hash == meta.hash or other.meta:  # a magnet has no files yet
            continue
        # Where the bytes of a single file's name were not told, its directory decides.
        theirs = other.directory if other.multi or _CHANGED in other.name else other.base
        if _inside(theirs, base) or _inside(base, theirs):
            found.append((other, False))
        elif other.hash in silent or other.size == meta.size or other.name == name:
            found.append((other, True))
    return found


def _inside(path: bytes, top: bytes) -> bool:
    return path == top or path.startswith(top.rstrip(b"/") + b"/")


def _resolved(paths: Iterable[bytes], torrent: Placed) -> list[bytes]:
    try:
        return resolving.real_paths(paths)
    except TimeoutError as error:
        text = f"{torrent.name} ({torrent.hash}) may use the same files; nothing is removed: no answer from its disk"
        raise Busy(text) from error


def _read(rtorrent: RTorrent, kept: bytes, torrent: Placed) -> Metainfo:
    path = session.metafile(kept, torrent.hash)
    if not os.path.exists(path):
        path = rtorrent.metafile(torrent.hash)
    try:
        return metainfo.read(path, torrent.hash)
    except TransferError as error:
        text = f"{torrent.name} ({torrent.hash}) may use the same files, and nothing is removed: {error}"
        raise type(error)(text) from error
