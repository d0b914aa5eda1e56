"""The torrents that rTorrent has not finished: asked for, and measured on their disk. For the inquirer's thread."""

import contextlib
import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from supervisor.adapters import files, session
from supervisor.adapters.patience import Patience
from supervisor.errors import SeedcacheError
from supervisor.messages import MARK

if TYPE_CHECKING:
    from supervisor.adapters.rtorrent import RTorrent
    from supervisor.adapters.torrents import Torrent

Paths = tuple[tuple[bytes, ...], ...]


@dataclass(frozen=True, slots=True)
class Download:
    """One torrent that is not finished."""

    torrent: "Torrent"
    mark: str  # what we noted in it, see messages.MARK; empty: nothing
    taken: int  # bytes that its files have on their device: blocks, not apparent sizes
    to_come: int  # bytes that they may still take
    failed: bool = False  # rTorrent has noted a failure in it (d.hashing_failed), as when it closes it for low space


class Downloads:
    """Remembers the file lists of those it has seen unfinished, and forgets them with the torrents."""

    def __init__(self) -> None:
        self._paths: dict[str, Paths] = {}
        self._patience = Patience()

    def ask(self, rtorrent: "RTorrent") -> list[Download]:
        """Return what is unfinished: by one request, and two more if there is anything.

        Raise RTorrentUnreachable, or ConfigurationError if rTorrent keeps no session.
        """
        rows, path = rtorrent.ask(
            ("d.multicall2", "", "incomplete", "d.hash=", f"d.custom={MARK}", "d.chunk_size=", "d.hashing_failed="),
            ("session.path",),
        )
        home = rtorrent.session_path() if rows or not path else b""
        told = {row[0]: (str(row[1]), int(row[2]), bool(row[3])) for row in rows}
        self._paths = {job_hash: paths for job_hash, paths in self._paths.items() if job_hash in told}
        return [
            self._measured(torrent, *told[torrent.hash], home)
            for torrent in (rtorrent.torrents("incomplete") if rows else ())
            if torrent.hash in told and not torrent.complete
        ]

    def _measured(self, torrent: "Torrent", mark: str, chunk: int, failed: bool, home: bytes) -> Download:
        # rTorrent knows only whole pieces, and not what it has preallocated; the disk knows nothing of skipped files.
        wanted = min(torrent.wanted_chunks * chunk, torrent.left_bytes)
        paths = self._list(torrent, home)
        if paths is None:
            return Download(torrent, mark, torrent.size - torrent.left_bytes, wanted, failed)
        try:
            taken = self._patience.ask(os.path.dirname(torrent.directory), partial(_taken, torrent.directory, paths))
        except TimeoutError:
            return Download(torrent, mark, torrent.size - torrent.left_bytes, wanted, failed)
        return Download(torrent, mark, taken, min(wanted, max(torrent.size - taken, 0)), failed)

    def _list(self, torrent: "Torrent", home: bytes) -> Paths | None:
        from supervisor.transfer import metainfo  # noqa: PLC0415  (only once there is a torrent to look at)

        if torrent.hash not in self._paths and not torrent.meta:
            with contextlib.suppress(SeedcacheError):
                found = metainfo.read(session.metafile(home, torrent.hash), torrent.hash)
                self._paths[torrent.hash] = tuple(file.path for file in found.files)
        return self._paths.get(torrent.hash)


def _taken(directory: bytes, paths: Paths) -> int:
    """Return the bytes that files below a directory take on their device so far; one that is not there takes none."""
    total = 0
    for path in paths:
        with contextlib.suppress(OSError):
            total += files.allocated(os.lstat(b"/".join((directory, *path))))
    return total
