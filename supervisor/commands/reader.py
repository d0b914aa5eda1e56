"""The journal as the commands read it, and whether the supervisor that writes it is running."""

import os
from dataclasses import dataclass

from supervisor.errors import InvalidInput
from supervisor.jobs import Event, Telling
from supervisor.journal import Journal, place
from supervisor.observation.snapshot import Snapshot, from_json
from supervisor.spool import is_hash

_FRESH = 5.0  # seconds: no other process can have got the pid of one that wrote a snapshot just now
_SAME = 2.0  # seconds that two readings of one process's start time may differ


class Reader(Journal):
    """The journal, read-only."""

    def __init__(self, state_dir: str) -> None:
        """Given the state directory, open its journal. Raise ConfigurationError if there is none."""
        super().__init__(place(state_dir), read_only=True)

    def beginning_with(self, prefix: str, limit: int) -> list[str]:
        """Given the first digits of a hash in upper case, return so many of the hashes that begin so."""
        query = "SELECT hash FROM jobs WHERE hash >= ? AND hash < ? ORDER BY hash LIMIT ?"
        return [row[0] for row in self._database.execute(query, (prefix, prefix + "G", limit))]

    def full_hash(self, text: str) -> str:
        """Given a hash or the first digits of one the journal knows, return the hash.

        Raise InvalidInput if it is neither, or if the digits are those of several.
        """
        prefix = text.upper()
        if is_hash(prefix):
            return prefix
        if not is_hash(prefix.ljust(40, "0")):
            raise InvalidInput(
                f"{text!r} is not an info-hash, nor the beginning of one: 40 hexadecimal digits or fewer"
            )
        found = self.beginning_with(prefix, 3)
        if len(found) == 1:
            return found[0]
        if found:
            raise InvalidInput(f"{text} is the beginning of several: {', '.join(found)}; write more digits")
        raise InvalidInput(f"no torrent in the journal has a hash that begins with {text}")

    def events_after(self, number: int, job_hash: str | None = None) -> list[tuple[int, Event]]:
        """Given an event's id, return the later ones, of one torrent or of all, each with its id, the oldest first."""
        query = "SELECT id, at, hash, action, text FROM events WHERE id > ? AND hash = ifnull(?, hash) ORDER BY id"
        return [(row[0], Event(*row[1:])) for row in self._database.execute(query, (number, job_hash))]

    def telling(self) -> dict[str, int]:
        """Return how many notices are pending, and how many have failed."""
        query = "SELECT count(*) FROM notices WHERE state = ?"
        states = (Telling.PENDING, Telling.FAILED)
        return {state.value: self._database.execute(query, (state,)).fetchone()[0] for state in states}


@dataclass(frozen=True, slots=True)
class Daemon:
    """The supervisor as it is seen from outside."""

    running: bool
    snapshot: Snapshot | None  # the last there is; None: it never ran, or left nothing readable
    hidden: bool = False  # this user may not see whether it runs


def daemon(state_dir: str, now: float) -> Daemon:
    """Given the state directory and the time (unix seconds), find out whether `seedcache run` is at work there."""
    try:
        with open(os.path.join(state_dir, "run", "live.json"), "rb") as file:
            snapshot = from_json(file.read())
    except PermissionError:
        return Daemon(running=False, snapshot=None, hidden=True)
    except (OSError, ValueError, TypeError, KeyError):
        return Daemon(running=False, snapshot=None)
    from supervisor.adapters.processes import start_time  # noqa: PLC0415  (psutil: only if there may be a process)

    started = start_time(snapshot.pid)
    # A clock that was set since the start moves the start time that the kernel tells, but not the age of a snapshot
    # that has just been written.
    fresh = abs(now - snapshot.at) < _FRESH
    return Daemon(started is not None and (fresh or abs(started - snapshot.started) < _SAME), snapshot)
