"""What rTorrent tells of its torrents: what to ask of each, and how the answer is read."""

import math
import os
import re
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from operator import index
from typing import Any

from supervisor.adapters import session
from supervisor.adapters.spelling import spelled

PLACE = ("d.hash", "d.name", "d.directory", "d.is_multi_file", "d.size_bytes", "d.is_meta")
FIELDS = (
    *PLACE, "d.custom1", "d.timestamp.finished", "d.complete", "d.hashing", "d.is_open", "d.is_active", "d.state",
    "d.left_bytes", "d.wanted_chunks", "d.ratio", "d.up.total", "d.up.rate", "d.peers_connected", "d.message",
    "d.timestamp.started", "d.load_date",
)  # fmt: skip
# Of each tracker `seeders|URL|`, as one text: a list would cost twice as much. Run only within another command.
TRACKERS = 'cat="$t.multicall=d.hash=,t.scrape_complete=,cat={|},t.url=,cat={|}"'
_TRACKER = re.compile(r"(\d{1,9})\|(?!dht:)\w+://(?:[^/?#@|]*@)?\[?((?<=\[)[^]|]*|[^:/?#|]*)[^|]*\|")
_HASH = re.compile("[0-9A-F]{40}")


@dataclass(frozen=True, slots=True)
class Placed:
    """Where the data of one torrent lies, as rTorrent describes it."""

    hash: str  # 40 upper-case hex digits
    name: str  # for display: bytes that are not UTF-8 are replaced
    directory: bytes  # d.directory, no trailing slash: the root of a multi-file torrent, the parent of a single file
    multi: bool
    size: int  # bytes
    meta: bool  # a magnet link, not yet resolved

    @property
    def base(self) -> bytes:
        """Return the path of its data, as good as the name is: d.base_path would lie while the torrent is closed."""
        return self.directory if self.multi else b"/".join((self.directory, os.fsencode(self.name)))


@dataclass(frozen=True, slots=True)
class Torrent(Placed):
    """One torrent, as rTorrent describes it."""

    label: str  # d.custom1, URL-unquoted: ruTorrent stores it quoted, Sonarr raw
    finished: float  # unix seconds; 0: never
    complete: bool
    hashing: int  # 0: it is not being hashed
    open: bool
    active: bool
    started: bool  # d.state: it is meant to run, perhaps paused
    left_bytes: int
    wanted_chunks: int  # 0: all that is not skipped is there
    ratio: float  # uploaded / downloaded
    up_total: int  # bytes
    up_rate: int  # bytes per second
    peers: int  # connected
    message: str
    added: float = 0.0  # unix seconds: first started; infinity: just now; never started: loaded, anew at each start
    trackers: tuple[str, ...] = ()  # their hosts, lower-case, in rTorrent's order, which is drawn anew within a tier
    seeders: int = 0  # the most that a tracker told, at an announce or a scrape; 0: none, or not known

    @property
    def tracker(self) -> str:
        """Return the host of the first tracker; empty: there is none."""
        return self.trackers[0] if self.trackers else ""


def read_place(row: Sequence[Any], saved_in: bytes) -> Placed:
    """Given the values of PLACE and the path of the session, return what they say."""
    return Placed(**_place(row, saved_in))


def read_torrent(row: Sequence[Any], saved_in: bytes) -> Torrent:
    """Given the values of FIELDS and TRACKERS and the path of the session, return what they say."""
    label, finished, complete, hashing, is_open, active, state, left, wanted, *rest = row[len(PLACE) :]
    ratio, up_total, up_rate, peers, message, first_started, loaded, tracked = rest
    trackers = _TRACKER.findall(tracked)
    return Torrent(
        **_place(row[: len(PLACE)], saved_in),
        label=urllib.parse.unquote(label),
        finished=float(index(finished)),
        complete=bool(complete),
        hashing=index(hashing),
        open=bool(is_open),
        active=bool(active),
        started=bool(state),
        left_bytes=index(left),
        wanted_chunks=index(wanted),
        ratio=index(ratio) / 1000,
        up_total=index(up_total),
        up_rate=index(up_rate),
        peers=index(peers),
        message=str(message),
        # The start is noted once the files were looked at; d.load_date may be a second behind that of older ones.
        added=float(index(first_started) or (math.inf if state else index(loaded))),
        trackers=tuple(dict.fromkeys(host.lower() for _, host in trackers if host)),
        seeders=max((int(seeders) for seeders, _ in trackers), default=0),
    )


def _place(row: Sequence[Any], saved_in: bytes) -> dict[str, Any]:
    info_hash, name, directory, multi, size, meta = row
    if not _HASH.fullmatch(info_hash):  # it becomes the name of files of ours
        raise ValueError(info_hash)
    return {
        "hash": info_hash,
        "name": spelled(name.encode(), session.name, saved_in, info_hash).decode(errors="replace"),
        "directory": spelled(directory.encode().rstrip(b"/") or b"/", session.directory, saved_in, info_hash),
        "multi": bool(multi),
        "size": index(size),
        "meta": bool(meta),
    }
