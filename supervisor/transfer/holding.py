"""Stops, starts and redirects torrents that are not finished, so that the SSD does not fill up.

Each move is one guarded request, so that no crash comes between a step and its mark: a torrent that we have stopped
bears the mark MARK in rTorrent, and one without is never started by us. Tried on 0.9.8 and 0.16:

- 0.9.8 hangs or dies when a torrent is stopped while it is being hashed: such a one is left for the next look. It also
  dies, once in some 200 tries, when one that is receiving pieces is closed as it is stopped ("Was not expecting
  non-NULL hash"), and not when it is only stopped: what is held stays open.
- "Low diskspace." leaves a torrent at state 1, closed and with its failure noted; d.stop and d.start undo that, d.start
  alone does not.
- A torrent that was open once does not make its files anew where it is pointed to: it stays inactive without a word,
  unless it is checked there.
"""

import os
from collections.abc import Callable, Sequence

from supervisor.adapters import clock, files
from supervisor.adapters.rtorrent import IDLE, RTorrent, set_root
from supervisor.errors import Retryable
from supervisor.messages import MARK, OWN, Move, Order, Place

Pause = Callable[[float], object]  # as time.sleep; may raise to leave

_POLL = 0.02  # seconds
_PATIENCE = 10.0  # seconds that the check of a torrent without data may take
# A guard is what speaks against the step.
_NOT_RUNNING = "or={d.hashing=,d.complete=,not=(d.state)}"
_RUNNING = "or={d.hashing=,d.state=}"
_BEGUN = "or={d.hashing=,d.complete=,d.bytes_done=}"
_BEGUN_OR_OPEN = "or={d.hashing=,d.complete=,d.bytes_done=,d.is_open=}"
_STOPPED = "not=(d.state)"
_BUSY = "BUSY"
_ANY = "cat="  # nothing does
_UNMARK = (_ANY, f"d.custom.set={MARK},")
_SAVE = (_ANY, "d.save_full_session=")


def carry_out(rtorrent: RTorrent, order: Order, pause: Pause) -> list[Order]:
    """Do what is ordered; return the order, or nothing if the torrent is no longer as it was when that was decided.

    Raise TorrentGone, RTorrentUnreachable, Retryable or Refused; what is left undone then bears our mark.
    """
    match order.move:
        case Move.HOLD:
            return hold(rtorrent, [order])
        case Move.RELEASE:
            done = _ours(rtorrent, order.hash) and _start(rtorrent, order.hash)
        case Move.REVIVE:
            done = rtorrent.guarded(order.hash, (_NOT_RUNNING, "d.stop="), (IDLE, "d.start="))
        case Move.REDIRECT:
            if order.hdd is None:
                raise TypeError(order)
            done = _redirect(rtorrent, order, order.hdd, pause)
        case Move.DISOWN:
            done = rtorrent.guarded(order.hash, (_STOPPED, f"d.custom.set={MARK},{OWN}"), _SAVE)
    return [order] if done else []


def hold(rtorrent: RTorrent, orders: Sequence[Order]) -> list[Order]:
    """Stop torrents, all by one request: while many come at once, each turn of rTorrent's main loop counts.

    Return the orders that were carried out. Raise TorrentGone, or RTorrentUnreachable if rTorrent refuses one; the
    others have been stopped all the same.
    """
    # The mark comes first: if rTorrent saves its session in between, it is there; a running one that bears it is taken
    # for one that a person has started.
    answers = rtorrent.ask(
        *(
            ("branch", order.hash, guard, f"cat={_BUSY}", command)
            for order in orders
            for guard, command in ((_NOT_RUNNING, _mark(order)), (_NOT_RUNNING, "d.stop="), _SAVE)
        )
    )
    return [order for order, answer in zip(orders, answers[1::3], strict=True) if answer != _BUSY]


def release(rtorrent: RTorrent, info_hash: str) -> bool:
    """A person wants a held torrent to run: start it and never hold it again. Return False if it is being checked."""
    return rtorrent.guarded(info_hash, (_RUNNING, "d.start="), (_STOPPED, f"d.custom.set={MARK},{OWN}"), _SAVE)


def _ours(rtorrent: RTorrent, info_hash: str) -> bool:
    return rtorrent.custom(info_hash, MARK) not in ("", OWN)


def _mark(order: Order) -> str:
    text = f"{clock.now():.0f} {order.why}".replace("\\", "\\\\").replace('"', '\\"')
    return f'd.custom.set={MARK},"{text}"'


def _start(rtorrent: RTorrent, info_hash: str) -> bool:
    # Started first, unmarked then: see hold.
    return rtorrent.guarded(info_hash, (_RUNNING, "d.start="), (_STOPPED, _UNMARK[1]), _SAVE)


def _redirect(rtorrent: RTorrent, order: Order, hdd: Place, pause: Pause) -> bool:
    torrent = rtorrent.torrent(order.hash)
    if not torrent.started and not _ours(rtorrent, order.hash):
        return False
    _make_parent(hdd, order.destination, multi=torrent.multi)
    # Marked, as if it were held, until it runs again. None of it has come, so no piece of it is being hashed.
    moved = rtorrent.guarded(
        order.hash,
        (_BEGUN, _mark(order)),
        (_BEGUN, "d.stop="),
        (_BEGUN, "d.close="),
        (_BEGUN_OR_OPEN, set_root(order.destination)),
        (_BEGUN, "d.check_hash="),
        _SAVE,
    )
    if not moved:
        return False
    began = clock.monotonic()
    while rtorrent.torrent(order.hash).hashing:
        if clock.monotonic() - began > _PATIENCE:
            raise Retryable(f"{torrent.name} ({order.hash}) is held: rTorrent is still checking it on the HDD")
        pause(_POLL)
    return _start(rtorrent, order.hash)


def _make_parent(hdd: Place, destination: bytes, *, multi: bool) -> None:
    """Make the directory that rTorrent needs there: it makes a torrent's own one, but none above it."""
    root = files.open_place(hdd)
    try:
        below = files.beneath(hdd.path, destination)
        with files.explained(destination):
            os.close(files.make_directory(root, below[:-1] if multi else below))
    finally:
        os.close(root)
