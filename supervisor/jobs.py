"""What the supervisor knows of one torrent, and which changes of state are legal. Pure."""

from dataclasses import dataclass, replace
from enum import StrEnum


class State(StrEnum):
    """Where a torrent stands on its way from the SSD to the HDD."""

    SUBMITTED = "submitted"  # on stable storage, nothing done yet
    COPYING = "copying"  # a copy worker has it
    COPIED = "copied"  # proven and published on the HDD; somebody has still to be told
    NOTIFIED = "notified"  # everybody who had to be told has answered
    CACHED = "cached"  # on both disks, seeding from the SSD
    RELOCATING = "relocating"  # the space worker has it
    RELOCATED = "relocated"  # seeding from the HDD, the SSD data is gone
    WAITING = "waiting"  # a step is tried again at `due`
    FAILED = "failed"  # out of attempts, or nothing to be done without a person
    CANCELLED = "cancelled"  # a person said so
    GONE = "gone"  # erased in rTorrent


class Proof(StrEnum):
    """How the HDD copy was proven against the torrent's SHA-1 pieces."""

    NONE = "none"  # there is no published copy
    SOURCE = "source"  # every piece was right when read from the SSD; the copy was fsynced, not read back
    READ_BACK = "read-back"  # every piece was right when read back from the device


ENDED = frozenset({State.RELOCATED, State.CANCELLED, State.GONE})  # a failed one still wants somebody's attention
IN_WORK = frozenset({State.COPYING, State.RELOCATING})
ON_HDD = frozenset({State.COPIED, State.NOTIFIED, State.CACHED, State.RELOCATING, State.RELOCATED})

_ANY_END = {State.FAILED, State.CANCELLED, State.GONE}
LEGAL: dict[State, frozenset[State]] = {
    State.SUBMITTED: frozenset({State.COPYING, State.WAITING, State.RELOCATED} | _ANY_END),
    State.COPYING: frozenset({State.SUBMITTED, State.COPIED, State.WAITING} | _ANY_END),
    State.COPIED: frozenset({State.SUBMITTED, State.NOTIFIED, State.RELOCATING, State.FAILED, State.GONE}),
    State.NOTIFIED: frozenset({State.CACHED}),
    State.CACHED: frozenset({State.SUBMITTED, State.RELOCATING, State.FAILED, State.GONE}),
    State.RELOCATING: frozenset({State.RELOCATED, State.WAITING, State.FAILED, State.GONE}),
    State.RELOCATED: frozenset({State.SUBMITTED, State.GONE}),
    State.WAITING: frozenset({State.SUBMITTED, State.RELOCATING} | _ANY_END),
    State.FAILED: frozenset({State.SUBMITTED, State.GONE, State.CANCELLED}),
    State.CANCELLED: frozenset({State.SUBMITTED, State.GONE}),
    State.GONE: frozenset({State.SUBMITTED}),
}


_FAR = 7200.0  # seconds; nothing is put off for longer than an hour


def is_due(due: float, now: float) -> bool:
    """Given a time to try again and the time, both in unix seconds, say whether it has come.

    One that is hours ahead was set by a clock that has been put back since: it would never come.
    """
    return not now < due <= now + _FAR


@dataclass(frozen=True, slots=True)
class Job:
    """One torrent on its way. Changes only by making the next one."""

    hash: str  # 40 upper-case hex digits
    state: State
    submitted: float  # unix seconds
    changed: float  # unix seconds of the last change of state
    attempts: int = 0  # failed attempts at the step at hand
    due: float = 0.0  # unix seconds; for WAITING: when to try again
    reason: str = ""  # why it waits, failed or was put aside
    name: str = ""  # for display only
    label: str = ""  # as it was when the destination was decided
    size: int = 0  # bytes
    multi: bool = False  # a directory of files, not one file
    source: bytes = b""  # the directory rTorrent had it in on the SSD (d.directory)
    destination: bytes = b""  # the directory rTorrent will have it in on the HDD (d.directory after the switch)
    finished: float = 0.0  # d.timestamp.finished, unix seconds
    proof: Proof = Proof.NONE

    def to(self, state: State, now: float, **changes: object) -> "Job":
        """Given the next state, the time and further changes, return the next job.

        Raise ValueError if the change of state is not legal: that is a defect of the caller.
        """
        if state is not self.state and state not in LEGAL[self.state]:
            raise ValueError(f"{self.hash}: {self.state} cannot become {state}")
        changed = self.changed if state is self.state else now
        return replace(self, state=state, changed=changed, **changes)  # type: ignore[arg-type]


class Telling(StrEnum):
    """Whether one service has been told of one torrent."""

    PENDING = "pending"  # to be told at `due`
    SENT = "sent"  # it has done what it was asked for
    FAILED = "failed"  # a person must do something (a wrong key, an import that is refused)


@dataclass(frozen=True, slots=True)
class Notice:
    """One service to be told of one published torrent. Never blocks or fails the copy."""

    hash: str
    service: str
    state: Telling
    changed: float  # unix seconds
    attempts: int = 0
    due: float = 0.0  # unix seconds
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Bookmark:
    """How far a messenger (the webhook, Apprise) has been told of what happens. Never blocks or fails the copy."""

    service: str
    event: int  # number of the last event it was told of; OFF: it has no address
    state: Telling = (
        Telling.SENT
    )  # of the next: pending if an attempt was in vain, failed if a person must do something
    attempts: int = 0
    due: float = 0.0  # unix seconds
    reason: str = ""
    hour: float = 0.0  # unix seconds: when the hour began in which it was sent `sent` messages
    sent: int = 0


OFF = -1


@dataclass(frozen=True, slots=True)
class Sample:
    """What one torrent on the SSD has uploaded."""

    total: int  # bytes, of all time (d.up.total)
    lately: float  # bytes, each counted half as much after each half-life, as of then
    at: float  # unix seconds


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a torrent's story."""

    at: float  # unix seconds
    hash: str
    action: str  # a stable key: a State, or a word such as `switched`
    text: str
