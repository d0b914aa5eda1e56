"""What crosses a process boundary: frozen, named, picklable. Pure.

Tasks go from the dispatcher to one worker; reports come back. A worker that is given a task whose token it has just
answered sends the same answer again and does nothing else: so a task may be sent twice (the Manager died with it) but
its work is done once.
"""

from dataclasses import dataclass
from enum import StrEnum

from supervisor.jobs import Proof


class Phase(StrEnum):
    """What a worker is doing to a torrent at the moment."""

    RESUME = "resume"  # reading back what an earlier attempt left
    COPY = "copy"  # reading the SSD, hashing, writing the HDD
    PROVE = "prove"  # reading the HDD back
    PUBLISH = "publish"
    SWITCH = "switch"
    REMOVE = "remove"
    NOTIFY = "notify"


# -- tasks: dispatcher to worker ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """A configured root and what tells it from an empty mount point."""

    path: bytes  # absolute, no symlink in it
    filesystem: str  # its identity when it was first trusted (adapters.mounts); "": none is known, any will do


@dataclass(frozen=True, slots=True)
class Kin:
    """Another torrent that has some of the same files (device and inode) on the SSD, and its published copy."""

    hash: str
    metainfo: bytes
    source: bytes
    destination: bytes


@dataclass(frozen=True, slots=True)
class Copy:
    """Copy one torrent's files, prove them, publish them."""

    token: int
    hash: str
    metainfo: bytes  # path of our own copy of the torrent's metafile
    source: bytes  # directory below `ssd` that holds the files (d.directory)
    destination: bytes  # directory below `hdd` that shall hold them (d.directory after the switch)
    ssd: Place
    hdd: Place
    read_back: bool  # False: it is published unread (PROOF, VERIFICATION_ENABLED)
    rate: int = 0  # bytes a second at most; 0: no limit
    pressure: float = 0.0  # percent of IO pressure above which it slows down; 0: never
    kin: tuple[Kin, ...] = ()  # on the same HDD; what they have there already is linked
    reserve: int = 0  # bytes that are to stay free on the HDD


@dataclass(frozen=True, slots=True)
class Prove:
    """Read one published HDD copy back from the device and prove every piece again. Changes nothing."""

    token: int
    hash: str
    metainfo: bytes
    destination: bytes
    hdd: Place
    rate: int = 0  # as Copy
    pressure: float = 0.0


@dataclass(frozen=True, slots=True)
class Relocate:
    """Switch rTorrent to the HDD copy, wait until it is durable, remove the SSD data."""

    token: int
    hash: str
    metainfo: bytes
    source: bytes
    destination: bytes
    ssd: Place
    hdd: Place
    scgi_url: str
    rpc_timeout: float = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell one service of one published torrent."""

    token: int
    hash: str
    service: str  # a key of notifiers.table
    url: str
    api_key: str
    path: str  # of the torrent's data, as the service sees it

    def __repr__(self) -> str:
        """Return a text without the key: reprs end up in logs and tracebacks."""
        return f"Notify(token={self.token}, hash={self.hash}, service={self.service}, path={self.path!r})"


# A custom key of a torrent in rTorrent, saved with its session: "TIME WHY" (unix seconds) while we hold it, OWN if a
# person has started it all the same. It is in rTorrent, so that no loss of ours leaves a torrent stopped for ever.
MARK = "seedcache_held"
OWN = "own"


class Move(StrEnum):
    """What is done to an unfinished torrent so that the SSD does not fill up; the value names it in its story."""

    HOLD = "held"  # stop it, with our mark
    RELEASE = "released"  # start one that bears our mark
    REVIVE = "revived"  # start one that rTorrent closed for low disk space
    REDIRECT = "redirected"  # have it download to the HDD, before its first byte
    DISOWN = "disowned"  # a person has started it: never hold it again


@dataclass(frozen=True, slots=True)
class Order:
    """One move."""

    hash: str
    move: Move
    why: str
    hdd: Place | None = None  # for REDIRECT
    destination: bytes = b""  # for REDIRECT: as Copy


@dataclass(frozen=True, slots=True)
class Admit:
    """Let unfinished torrents run, or not."""

    token: int
    orders: tuple[Order, ...]
    scgi_url: str
    rpc_timeout: float = 10.0  # seconds
    hash: str = ""  # no one torrent's


@dataclass(frozen=True, slots=True)
class News:
    """What a messenger tells a person: one event of the journal, or that there were several."""

    id: int  # number of the event, of several the last: never the same twice in one journal
    event: str  # the event's action, or SUMMARY, or TEST
    at: float  # unix seconds
    hash: str
    name: str
    text: str
    counts: tuple[tuple[str, int], ...] = ()  # of a summary: how many of which action


SUMMARY, TEST = "summary", "test"


@dataclass(frozen=True, slots=True)
class Announce:
    """Have one messenger tell the news."""

    token: int
    hash: str
    service: str  # a key of notifiers.table.MESSENGERS
    url: str
    secret: str  # "": it has none
    news: News

    def __repr__(self) -> str:
        """Return a text without address and secret: the address of a webhook is a secret too."""
        return f"Announce(token={self.token}, service={self.service}, news={self.news!r})"


@dataclass(frozen=True, slots=True)
class Quit:
    """Finish what is in hand at the next safe point and leave."""


Task = Copy | Prove | Relocate | Notify | Announce | Admit

# -- reports: worker to dispatcher ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Copied:
    """The copy stands at its final name."""

    proof: Proof
    adopted: bool  # it stood there before us, and was proven
    bytes_written: int  # payload bytes written to the HDD by this attempt
    bytes_resumed: int  # payload bytes that an earlier attempt had left and that were proven
    copy_seconds: float
    prove_seconds: float


@dataclass(frozen=True, slots=True)
class Proven:
    """The HDD copy, read back from the device, matches every piece."""

    prove_seconds: float


@dataclass(frozen=True, slots=True)
class Relocated:
    """RTorrent seeds from the HDD, its session says so, and the SSD data is gone but for what other torrents use."""

    outage_seconds: float | None  # None: an earlier attempt had switched already
    bytes_removed: int  # allocated bytes of the files that were unlinked
    bytes_spared: int = 0  # of its files on the SSD that other torrents still use


@dataclass(frozen=True, slots=True)
class Notified:
    """The service has done what it was asked for."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """The orders that were carried out; the others are decided anew, from what rTorrent says then."""

    done: tuple[Order, ...]
    failed: tuple[str, ...]  # reasons


@dataclass(frozen=True, slots=True)
class Failed:
    """The task was not done; nothing was lost."""

    reason: str
    retry: bool  # a later attempt may succeed
    counts: bool = True  # it costs an attempt (not when rTorrent was away, or when we were stopped)
    proof: bool = False  # bytes were wrong: the disk, the memory or the copy
    rolled_back: bool = False  # rTorrent was pointed back at the SSD
    foreign: bool = False  # somebody else's file stands where the copy should
    gone: bool = False  # rTorrent no longer has the torrent
    configuration: bool = False  # a person must change a setting (401, 400)
    lacking: int | None = None  # bytes that must be free besides on the HDD; 0: some; None: it is not about space


Result = Copied | Proven | Relocated | Notified | Admitted | Failed


@dataclass(frozen=True, slots=True)
class Started:
    """A worker process is up and waits for tasks."""

    worker: str
    pid: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a worker is."""

    worker: str
    token: int
    phase: Phase
    done: int  # bytes
    total: int  # bytes
    held: tuple[tuple[str, float], ...] = ()  # why it was held back since the last report, and for how many seconds


@dataclass(frozen=True, slots=True)
class Done:
    """A task has ended, well or not."""

    worker: str
    token: int
    result: Result


Report = Started | Progress | Done
