"""Which torrents have the same files on the SSD (device and inode), and what their removal would not free.

Looks at the largest files of each torrent: they hold nearly all of its bytes, and a cross-seed without them would not
be one. Reads metafiles and asks the file system, so it belongs into a thread or a command.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from supervisor.dispatch.planning import inside
from supervisor.errors import ConfigurationError, TransferError

if TYPE_CHECKING:
    from supervisor.adapters.torrents import Torrent

_LARGEST = 3  # files of each torrent
_Inode = tuple[int, int]  # st_dev, st_ino
_T = TypeVar("_T")
Metafile = Callable[[str], bytes]  # given a hash, returns the path of its metafile; may raise SeedcacheError


class _File(NamedTuple):
    path: bytes
    inode: _Inode
    links: int
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class Ties:
    """How torrents on the SSD hang together."""

    links: Mapping[str, frozenset[str]] = field(default_factory=dict)  # hash -> the others with the same files
    unfreed: Mapping[str, int] = field(default_factory=dict)  # hash -> bytes with a name that no torrent has: a library


class Kinship:
    """Remembers which files of a torrent to look at, and of whom an inode was. Not for two threads at once."""

    def __init__(self, ssd: bytes) -> None:
        self._ssd = ssd
        self._largest: dict[str, tuple[bytes, tuple[bytes, ...]]] = {}  # hash -> directory, paths
        self._owners: dict[_Inode, tuple[str, ...]] = {}
        self.whole = False  # whether all torrents were looked at

    def look(self, torrents: Iterable["Torrent"], metafile: Metafile) -> Ties:
        """Given all torrents, directories resolved, return how those on the SSD hang together now."""
        ours = [torrent for torrent in torrents if inside(torrent.directory, self._ssd)]
        self._largest = {each.hash: self._largest[each.hash] for each in ours if each.hash in self._largest}
        names: dict[_Inode, tuple[bytes, ...]] = {}
        found: dict[str, list[_File]] = {}
        self._owners = {}
        for torrent in ours:
            found[torrent.hash] = files = list(self._files(torrent, metafile))
            for file in files:
                names[file.inode] = _with(names.get(file.inode, ()), file.path)
                self._owners[file.inode] = _with(self._owners.get(file.inode, ()), torrent.hash)
        self.whole = True
        links: dict[str, frozenset[str]] = {}
        for hashes in filter(lambda hashes: len(hashes) > 1, self._owners.values()):
            for each in hashes:
                links[each] = links.get(each, frozenset()) | frozenset(hashes) - {each}
        return Ties(links, dict(_unfreed(ours, found, names)))

    def of(self, torrent: "Torrent", metafile: Metafile) -> tuple[str, ...]:
        """Given one torrent, its directory resolved, return those known that have some of its largest files."""
        if not inside(torrent.directory, self._ssd):
            return ()
        kin: dict[str, None] = {}
        for file in self._files(torrent, metafile):
            owners = self._owners[file.inode] = _with(self._owners.get(file.inode, ()), torrent.hash)
            kin |= dict.fromkeys(owners)
        kin.pop(torrent.hash, None)
        return tuple(kin)

    def _files(self, torrent: "Torrent", metafile: Metafile) -> Iterator[_File]:
        from supervisor.transfer import metainfo  # noqa: PLC0415  (for who asks rTorrent only)

        known = self._largest.get(torrent.hash)
        if known is None or known[0] != torrent.directory:
            try:
                listed = metainfo.read(metafile(torrent.hash), torrent.hash).files
            except (
                TransferError,
                ConfigurationError,
            ):  # a magnet, or not in the session yet
                return
            largest = sorted(listed, key=lambda file: -file.size)[:_LARGEST]
            paths = tuple(b"/".join((torrent.directory, *file.path)) for file in largest if file.size)
            known = self._largest[torrent.hash] = torrent.directory, paths
        for path in known[1]:
            try:
                info = os.lstat(path)
            except OSError:
                continue
            if stat.S_ISREG(info.st_mode):
                yield _File(path, (info.st_dev, info.st_ino), info.st_nlink, info.st_size)


def _unfreed(
    torrents: Iterable["Torrent"],
    found: Mapping[str, list[_File]],
    names: Mapping[_Inode, tuple[bytes, ...]],
) -> Iterator[tuple[str, int]]:
    """Yield hash and bytes; those of the files that were not looked at are taken to be as those that were."""
    for torrent in torrents:
        files = found[torrent.hash]
        beyond = sum(file.size for file in files if file.links > len(names[file.inode]))
        if beyond:
            yield torrent.hash, torrent.size * beyond // sum(file.size for file in files)


def _with(values: tuple[_T, ...], value: _T) -> tuple[_T, ...]:
    return values if value in values else (*values, value)
