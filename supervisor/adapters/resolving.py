"""Where torrents lie as the file system knows it: rTorrent may reach a place through symbolic links."""

import os
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from supervisor.adapters.rtorrent import Torrent


def resolved(torrent: "Torrent") -> "Torrent":
    """Return the torrent with its directory as the file system knows it: the settings' roots are resolved too."""
    return replace(torrent, directory=os.path.realpath(torrent.directory))


def all_resolved(torrents: Iterable["Torrent"]) -> list["Torrent"]:
    """As resolved, of many: what they lie in is looked at once, not once for each."""
    above = cache(os.path.realpath)

    def real(path: bytes) -> bytes:
        parent, name = os.path.split(path)
        if name in (b"", b".", b"..") or os.path.islink(path):
            return os.path.realpath(path)
        return os.path.join(above(parent), name)

    found = []
    for torrent in torrents:
        directory = real(torrent.directory)
        found.append(torrent if directory == torrent.directory else replace(torrent, directory=directory))
    return found
