"""Which torrents have the same files on the SSD (device and inode), and what their removal would not free.

Looks at the largest files of each torrent: they hold nearly all of its bytes, and a cross-seed without them would not
be one. Reads metafiles and asks the file system, so it belongs into a thread or a command.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from supervisor.dispatch.planning import inside
from supervisor.errors import ConfigurationError, TransferError

if TYPE_CHECKING:
    from supervisor.adapters.rtorrent import Torrent

_LARGEST = 3  # files of each torrent
_Inode = tuple[int, int]  # st_dev, st_ino
Metafile = Callable[[str], bytes]  # given a hash, returns the path of its metafile; may raise SeedcacheError


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
        names: dict[_Inode, set[bytes]] = {}
        owners: dict[_Inode, dict[str, None]] = {}
        found: dict[str, list[tuple[_Inode, os.stat_result]]] = {}
        for torrent in ours:
            for path, inode, info in self._files(torrent, metafile):
                names.setdefault(inode, set()).add(path)
                owners.setdefault(inode, {})[torrent.hash] = None
                found.setdefault(torrent.hash, []).append((inode, info))
        self._owners = {inode: tuple(hashes) for inode, hashes in owners.items()}
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
        for _, inode, _ in self._files(torrent, metafile):
            owners = self._owners.get(inode, ())
            kin |= dict.fromkeys(owners)
            if torrent.hash not in owners:
                self._owners[inode] = (*owners, torrent.hash)
        kin.pop(torrent.hash, None)
        return tuple(kin)

    def _files(self, torrent: "Torrent", metafile: Metafile) -> Iterator[tuple[bytes, _Inode, os.stat_result]]:
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
                yield path, (info.st_dev, info.st_ino), info


def _unfreed(
    torrents: Iterable["Torrent"],
    found: Mapping[str, list[tuple[_Inode, os.stat_result]]],
    names: Mapping[_Inode, set[bytes]],
) -> Iterator[tuple[str, int]]:
    """Yield hash and bytes; those of the files that were not looked at are taken to be as those that were."""
    for torrent in torrents:
        files = found.get(torrent.hash, ())
        beyond = sum(info.st_size for inode, info in files if info.st_nlink > len(names[inode]))
        if beyond:
            yield torrent.hash, torrent.size * beyond // sum(info.st_size for _, info in files)
