"""How the supervisor stands at one moment: what the metrics, the health pages and `status` show. Pure.

The parent writes it as JSON to `STATE_DIR/run/live.json`, at most once a second, so that `status` needs no socket.
"""

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar, get_origin

_LARGEST = 2**63
_T = TypeVar("_T", "Worker", "Disk", "Held", "Leaving", "RTorrent", "Snapshot")

WAITS = ("room", "copy-hours", "relocation-hours", "daily-budget")  # what a torrent may have to wait for


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker process."""

    name: str  # copier-1, space, notifier-1
    role: str  # copier, space, notifier
    pid: int  # 0: none at the moment
    up: bool  # it has said that it waits for tasks
    heard: float  # unix seconds of its last word
    hash: str = ""  # of the torrent it works on
    name_of_torrent: str = ""
    phase: str = ""
    since: float = 0.0  # unix seconds since it has the task
    done: int = 0  # bytes of the phase
    total: int = 0
    rate: float = 0.0  # bytes a second of late


@dataclass(frozen=True, slots=True)
class Disk:
    """One configured root."""

    role: str  # ssd, hdd
    path: str
    size: int  # bytes; 0: cannot be measured
    free: int  # bytes that the service's user can write
    trusted: bool  # it is there, and it is the file system it was when it was first used
    filling: float = 0.0  # bytes a second by which `free` has shrunk of late; less than 0: it has grown; 0: not known


@dataclass(frozen=True, slots=True)
class Leaving:
    """A torrent that leaves the SSD in the pass at hand."""

    hash: str
    name: str
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class RTorrent:
    """What the last calls to rTorrent said."""

    reachable: bool
    since: float  # unix seconds since it is, or is not
    error: str = ""
    back_off: float = 0.0  # seconds until it is asked again; 0: it answers


@dataclass(frozen=True, slots=True)
class Held:
    """One torrent that is not started because it does not fit on the SSD."""

    hash: str
    name: str
    size: int  # bytes
    to_come: int  # bytes that it may still write to the SSD
    since: float  # unix seconds; 0: not stopped by us yet, or rTorrent closed it
    why: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything, at one moment."""

    at: float  # unix seconds
    pid: int
    started: float  # unix seconds: of the parent process, against pid reuse
    version: str
    ready: bool
    draining: bool
    journal_error: str  # empty: it can be written
    workers: tuple[Worker, ...]
    disks: tuple[Disk, ...]
    rtorrent: RTorrent
    jobs: dict[str, int] = field(default_factory=dict)  # state -> how many; every state is there
    oldest: dict[str, float] = field(default_factory=dict)  # state -> unix seconds since the oldest living job is in it
    queue_depth: int = 0  # jobs that want a copy worker and have none
    waiting_for: dict[str, int] = field(default_factory=dict)  # one of WAITS -> how many torrents wait for it
    opens: dict[str, float] = field(default_factory=dict)  # hours that are closed (of WAITS) -> unix seconds
    waiting_for_device: int = 0  # those of them that only WRITERS_PER_DEVICE keeps from a worker that is free
    oldest_queued: float = 0.0  # unix seconds of the oldest of them; 0: none
    notices: dict[str, int] = field(default_factory=dict)  # "pending", "failed" -> how many
    waiting_since: dict[str, float] = field(default_factory=dict)  # copy, notify, relocate -> oldest, unix seconds
    journal_bytes: int = 0  # on disk, with its write-ahead log
    spool_depth: int = 0
    bytes_at_risk: int = 0  # finished data that is on the SSD only, as far as the journal knows
    low_mark: int = 0  # bytes free on the SSD: with less torrents begin to leave it
    high_mark: int = 0  # until so much is free
    emergency_mark: int = 0  # with less soft protections yield; 0: they never do
    wanted: int = 0  # bytes that downloads need free besides
    low_space: bool = False  # torrents leave, from the low mark to the high one
    low_since: float = 0.0  # unix seconds; 0: it is not low
    space_looked: float = 0.0  # unix seconds of the last look at the disks
    relieving: bool = False  # torrents leave the SSD, or rTorrent is being asked which can
    relocations_planned: int = 0
    leaving: tuple[Leaving, ...] = ()  # the next of them
    held: tuple[Held, ...] = ()  # the oldest first
    to_come: int = 0  # bytes that running downloads may still write to the SSD
    verdicts: dict[str, int] = field(default_factory=dict)  # of the last plan: an Action or "kept" -> how many torrents
    read_back: bool = True  # VERIFICATION_ENABLED
    late_proof: bool = False  # PROOF is before-removal
    unproven: int = 0  # copies that are published and were not read back yet


def to_json(snapshot: Snapshot) -> bytes:
    """Given a snapshot, return it as JSON."""
    return json.dumps(asdict(snapshot), ensure_ascii=True).encode()


def from_json(data: bytes) -> Snapshot:
    """Given JSON that `to_json` made, return the snapshot. Raise ValueError or TypeError if it is something else.

    A root's `status` reads it in a directory that is another user's: nothing in it is of a kind that nobody expects.
    """
    try:
        values = dict(json.loads(data))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    values["workers"] = tuple(_checked(Worker(**each)) for each in values.get("workers", ()))
    values["disks"] = tuple(_checked(Disk(**each)) for each in values.get("disks", ()))
    values["held"] = tuple(_checked(Held(**each)) for each in values.get("held", ()))
    values["leaving"] = tuple(_checked(Leaving(**each)) for each in values.get("leaving", ()))
    values["rtorrent"] = _checked(RTorrent(**values.get("rtorrent", {})))
    return _checked(Snapshot(**values))


def _checked(made: _T) -> _T:
    """Return what was made of JSON if its values are of their fields' kinds. Raise TypeError."""
    for each in fields(made):
        value = getattr(made, each.name)
        kind: Any = get_origin(each.type) or each.type
        within = value.values() if isinstance(value, dict) else ()
        if not (_number(value) if kind in (int, float) else isinstance(value, kind)) or not all(map(_number, within)):
            raise TypeError(f"{each.name} is {value!r:.40}")
    return made


def _number(value: object) -> bool:
    """Say whether it is a number that can be reckoned with: not infinite, nor of a thousand digits."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST
