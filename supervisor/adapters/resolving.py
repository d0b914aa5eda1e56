"""Where torrents lie as the file system knows it: rTorrent may reach a place through symbolic links.

A disk that does not answer holds up nobody: what lies on it is taken to lie where rTorrent says, until it answers.
"""

import os
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, TypeVar

from supervisor.adapters.patience import Patience

if TYPE_CHECKING:
    from supervisor.adapters.torrents import Placed

P = TypeVar("P", bound="Placed")

_patience = Patience()


def resolved(torrent: P) -> P:
    """Return the torrent with its directory as the file system knows it: the settings' roots are resolved too."""
    return all_resolved([torrent])[0]


def all_resolved(torrents: Iterable[P]) -> list[P]:
    """As resolved, of many: what they lie in is looked at once, not once for each."""
    return resolve(torrents)[0]


def resolve(torrents: Iterable[P]) -> tuple[list[P], frozenset[str]]:
    """As all_resolved; return also the hashes of those whose disk does not answer: they may lie anywhere."""
    found = list(torrents)
    real = _in_time(dict.fromkeys(torrent.directory for torrent in found))
    there = [
        torrent if real.get(torrent.directory, torrent.directory) == torrent.directory  # most are; a copy costs 10 µs
        else replace(torrent, directory=real[torrent.directory])
        for torrent in found
    ]  # fmt: skip
    return there, frozenset(torrent.hash for torrent in found if torrent.directory not in real)


def real_paths(paths: Iterable[bytes]) -> list[bytes]:
    """Return the paths without symbolic links in them. Raise TimeoutError if their disk does not answer.

    They are of one torrent.
    """
    wanted = list(paths)
    return _patience.ask(os.path.commonpath(wanted) if wanted else b"", lambda: list(map(os.path.realpath, wanted)))


def _in_time(paths: Collection[bytes]) -> dict[bytes, bytes]:
    """Return each path without symbolic links, but those whose disk does not answer."""
    try:
        return _patience.ask(b"", partial(_real, paths))
    except TimeoutError:
        pass  # then by what they lie in, so that it is known which of them do not answer
    beside: dict[bytes, list[bytes]] = {}
    for path in paths:
        beside.setdefault(os.path.dirname(path), []).append(path)
    found: dict[bytes, bytes] = {}
    for above, group in beside.items():
        with suppress(TimeoutError):
            found |= _patience.ask(above, partial(_real, group))
    return found


def _real(paths: Iterable[bytes]) -> dict[bytes, bytes]:
    above = cache(os.path.realpath)

    def real(path: bytes) -> bytes:
        parent, name = os.path.split(path)
        if name in (b"", b".", b"..") or os.path.islink(path):
            return os.path.realpath(path)
        return os.path.join(above(parent), name)

    return {path: real(path) for path in paths}
