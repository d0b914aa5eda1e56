"""The torrents that are held in rTorrent, by us and for want of room: found, and all started by `space release`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from supervisor.adapters import locks
from supervisor.errors import Retryable, TorrentGone
from supervisor.messages import MARK, OWN
from supervisor.settings import Settings

if TYPE_CHECKING:
    from supervisor.adapters.rtorrent import RTorrent


@dataclass(frozen=True, slots=True)
class Hold:
    """One that is held."""

    hash: str
    name: str
    why: str  # as it was when it was stopped


def held(rtorrent: "RTorrent") -> list[Hold]:
    """Ask rTorrent which are held. Raise RTorrentUnreachable."""
    (rows,) = rtorrent.ask(("d.multicall2", "", "stopped", "d.hash=", "d.name=", f"d.custom={MARK}"))
    return [Hold(row[0], row[1], row[2].partition(" ")[2]) for row in rows if row[2] not in ("", OWN)]


def release(settings: Settings) -> Iterator[str]:
    """Start all that are held, and say so; none of them is held again.

    It needs no supervisor, and takes the space worker's lock. Raise Busy if that is at work, RTorrentUnreachable.
    """
    from supervisor.adapters.rtorrent import RTorrent  # noqa: PLC0415  (90 ms: not for every command)
    from supervisor.transfer import holding  # noqa: PLC0415  (as above)

    with locks.hold(locks.space(settings.lock_dir)):
        rtorrent = RTorrent(settings.scgi_url, settings.rpc_timeout)
        found = held(rtorrent)
        for hold in found:
            try:
                done = holding.release(rtorrent, hold.hash)
            except TorrentGone:
                continue
            except Retryable as error:
                yield f"{hold.hash[:8]} {hold.name}: not started: {error}"
            else:
                yield f"{hold.hash[:8]} {hold.name}: {'started' if done else 'is being checked: try again'}"
        if not found:
            yield "nothing is held"
