"""Which unfinished torrents may download to the SSD, so that it never fills up. Pure.

Those that run are counted with all they may still take. While that is more than there is room for, the newest are held;
held ones, and those that rTorrent closed for low disk space, run again when they fit, the oldest first. What a person
has stopped is never touched, and what a person has started is never held.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from supervisor.dispatch.planning import inside
from supervisor.messages import OWN, Move, Order, Place
from supervisor.observation.snapshot import Held

if TYPE_CHECKING:
    from supervisor.adapters.torrents import Torrent
    from supervisor.dispatch.downloads import Download

# How d.message begins when rTorrent has closed a torrent for low disk space: on 0.16 a tracker that cannot be reached
# overwrites it at once.
_LOW = ("Low diskspace", "Tracker:")


@dataclass(frozen=True, slots=True)
class Budget:
    """The SSD, in bytes."""

    size: int
    free: int
    reserve: int  # kept free for what comes between two looks, and for rTorrent's own limit
    leaving: int = 0  # finished data that can be removed at once: its copy is proven
    in_sight: int = 0  # all finished data that may leave some time, that included


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done now, and how things stand after it."""

    orders: tuple[Order, ...]
    held: tuple[Held, ...]
    waiting: bool = False  # one is to be held as soon as rTorrent has checked it: look again soon


def running(download: "Download", ssd: bytes) -> bool:
    """Say whether a torrent downloads to the SSD, or is about to. A magnet has no size yet."""
    torrent = download.torrent
    return torrent.started and bool(torrent.active or torrent.hashing) and not torrent.meta and _there(download, ssd)


def held(download: "Download") -> bool:
    """Say whether we hold a torrent."""
    return bool(download.mark) and download.mark != OWN and not download.torrent.started


def closed(download: "Download") -> bool:
    """Say whether rTorrent has closed a torrent for low disk space."""
    torrent = download.torrent
    is_closed = torrent.started and not torrent.open and not torrent.hashing
    return is_closed and download.failed and torrent.message.startswith(_LOW)


def wanted(downloads: Sequence["Download"], budget: Budget, ssd: bytes) -> int:
    """Return how many bytes of the SSD would have to be free for all that run or wait; 0: nothing does."""
    coming = sum(
        each.to_come
        for each in downloads
        if (running(each, ssd) or ((held(each) or closed(each)) and _there(each, ssd))) and not _oversized(each, budget)
    )
    return min(coming + budget.reserve, budget.size) if coming else 0


def decide(
    downloads: Sequence["Download"],
    budget: Budget,
    ssd: bytes,
    elsewhere: "Callable[[Torrent], tuple[Place, bytes] | str]",
    resting: frozenset[str] = frozenset(),
) -> Verdict:
    """Given the unfinished torrents, the SSD and its root, say which are to be held, started or redirected.

    `elsewhere` gives for a torrent that the SSD could never hold the HDD directory it belongs in, or why it has none.
    Those in `resting` were started a moment ago, and are not stopped yet: rTorrent 0.9.8 dies of too many of both.
    """
    ordered = sorted(downloads, key=lambda each: (each.torrent.added, each.torrent.hash))
    orders = [Order(each.torrent.hash, Move.DISOWN, "started by hand") for each in ordered if _taken_back(each)]
    whys: dict[str, str] = {}
    run: list[Download] = []
    wait: list[Download] = []
    for each in ordered:
        ours = held(each)
        if ours and not _there(each, ssd):
            orders.append(Order(each.torrent.hash, Move.RELEASE, "its data is not on the SSD"))
        elif ours or (closed(each) and _there(each, ssd)) or running(each, ssd):
            if _oversized(each, budget) and not _free_of_us(each):
                orders += _too_large(each, elsewhere, whys)
            else:
                (run if running(each, ssd) else wait).append(each)
    coming = sum(each.to_come for each in run)
    stops, waiting = _stops(run, coming, budget, resting)
    waiting |= any(each.torrent.started and each.torrent.hashing and each.torrent.hash in whys for each in ordered)
    orders += stops
    whys |= {order.hash: order.why for order in stops}
    if stops:
        whys |= {each.torrent.hash: "those that run need all the room there is" for each in wait}
    else:
        orders += _starts(wait, run, coming, budget, whys)
    return Verdict(
        tuple(orders),
        tuple(_tell(each, whys[each.torrent.hash]) for each in ordered if each.torrent.hash in whys),
        waiting,
    )


def everyone_runs(downloads: Sequence["Download"]) -> Verdict:
    """Admission is off: start what is held."""
    return Verdict(
        tuple(Order(each.torrent.hash, Move.RELEASE, "ADMISSION is off") for each in downloads if held(each)), ()
    )


def _there(download: "Download", ssd: bytes) -> bool:
    return inside(download.torrent.directory, ssd)


def _free_of_us(download: "Download") -> bool:
    """A person has started it, or has just done so."""
    return download.torrent.started and bool(download.mark)


def _taken_back(download: "Download") -> bool:
    return _free_of_us(download) and download.mark != OWN


def _oversized(download: "Download", budget: Budget) -> bool:
    return download.taken + download.to_come > budget.size - budget.reserve


def _too_large(
    download: "Download", elsewhere: "Callable[[Torrent], tuple[Place, bytes] | str]", whys: dict[str, str]
) -> list[Order]:
    torrent = download.torrent
    why = f"its {_show(download.taken + download.to_come)} are more than the SSD can hold"
    if download.taken or torrent.left_bytes < torrent.size:
        against = "some of it is on the SSD already: give it more room, or move it by hand"
    else:
        place = elsewhere(torrent)
        if not isinstance(place, str):
            return [Order(torrent.hash, Move.REDIRECT, why, *place)]
        against = place
    whys[torrent.hash] = f"{why}; {against}"
    return [Order(torrent.hash, Move.HOLD, whys[torrent.hash])] if torrent.active and not torrent.hashing else []


def _stops(run: Sequence["Download"], coming: int, budget: Budget, resting: frozenset[str]) -> tuple[list[Order], bool]:
    """Return which of those that run must stop for the rest to fit: the newest, as many as it takes.

    And whether one of them is still being checked: it takes nothing, and rTorrent 0.9.8 does not survive its stop. No
    older one stops in its place.
    """
    limit = budget.free - budget.reserve
    limit += budget.leaving if limit > 0 else 0  # removing takes a while: not counted on when nothing is left
    orders: list[Order] = []
    waiting = False
    for each in reversed(run):
        if coming <= limit:
            break
        torrent = each.torrent
        if coming == each.to_come and _as_the_only_one(each, budget):
            break
        if not each.to_come or _free_of_us(each) or torrent.hash in resting:
            continue
        coming -= each.to_come
        if torrent.hashing:
            waiting = True
        else:
            why = f"{_show(each.to_come)} are to come, and {_show(max(limit - coming, 0))} are free beside older ones"
            orders.append(Order(torrent.hash, Move.HOLD, why))
    return orders, waiting


def _starts(
    wait: Sequence["Download"], run: Sequence["Download"], coming: int, budget: Budget, whys: dict[str, str]
) -> list[Order]:
    """Return which of those that wait fit now; say why the others do not."""
    left = budget.free - budget.reserve - coming
    in_sight = budget.free - budget.reserve + budget.in_sight + sum(each.taken for each in run)
    orders = []
    first = ""  # the oldest that waits for room which will come: younger ones do not take it away
    for each in wait:
        torrent = each.torrent
        if first:
            whys[torrent.hash] = f"after {first}"
        elif each.to_come <= left:
            left -= each.to_come
            move = Move.RELEASE if held(each) else Move.REVIVE
            orders.append(Order(torrent.hash, move, f"{_show(each.to_come)} to come fit now"))
        elif each.to_come <= in_sight:
            first = torrent.name
            whys[torrent.hash] = f"{_show(each.to_come)} are to come, {_show(max(left, 0))} are free for it"
        else:
            whys[torrent.hash] = (
                f"{_show(each.to_come)} are to come, and no more than {_show(max(in_sight, 0))} can become free: "
                "the rest of the SSD stays full, see `seedcache space plan`"
            )
    if not run and not orders:
        for each in wait:
            if _as_the_only_one(each, budget):
                whys.pop(each.torrent.hash, None)
                why = f"{_show(each.to_come)} to come fit into the reserve, and nothing else can make room"
                return [Order(each.torrent.hash, Move.RELEASE if held(each) else Move.REVIVE, why)]
    return orders


def _as_the_only_one(download: "Download", budget: Budget) -> bool:
    """Say whether a torrent may use half of the reserve: unfinished data fills the SSD, and nothing can leave it.

    When it is finished it can.
    """
    return not budget.in_sight and download.to_come <= budget.free - budget.reserve // 2


def _tell(download: "Download", why: str) -> Held:
    torrent, since = download.torrent, download.mark.partition(" ")[0]
    return Held(
        torrent.hash, torrent.name, torrent.size, download.to_come, float(since) if since.isdecimal() else 0.0, why
    )


def _show(size: int) -> str:
    return f"{size / 1024**3:.1f} GiB" if size >= 1024**3 else f"{size / 1024**2:.0f} MiB"
