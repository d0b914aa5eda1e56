"""One tree of errors; the message of each is written for the user, and says the remedy where there is one.

Inner code raises these; ``cli`` turns them into an exit code, a worker turns them into a ``Failed`` message.
"""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    CONFIGURATION = 3
    UNREACHABLE = 4
    BUSY = 5


class SeedcacheError(Exception):
    """Something failed; the message says what, where and what to do."""

    exit_code = Exit.FAILED


class InvalidInput(SeedcacheError):
    """The user's input is not valid."""

    exit_code = Exit.USAGE


class ConfigurationError(SeedcacheError):
    """The settings, or what they point at, cannot be used."""

    exit_code = Exit.CONFIGURATION


class Busy(SeedcacheError):
    """Somebody else holds the lock, or a disk that it takes does not answer. Costs a job no attempt."""

    exit_code = Exit.BUSY


class RTorrentUnreachable(SeedcacheError):
    """RTorrent did not answer: down, hung, or talking nonsense. Costs a job no attempt."""

    exit_code = Exit.UNREACHABLE


class TorrentGone(SeedcacheError):
    """RTorrent, reachable and settled, does not list the torrent."""


class TransferError(SeedcacheError):
    """One torrent could not be copied, proven, switched, removed or announced."""

    proof = False  # bytes were wrong
    rolled_back = False  # rTorrent was pointed back at the SSD
    foreign = False  # somebody else's file stands where the copy should
    configuration = False  # a person must change a setting
    lacking: int | None = None  # bytes that must be free besides (0: how many is unknown); None: it is not about space


class Retryable(TransferError):
    """A later attempt may succeed (an IO error, no space, rTorrent busy with the torrent)."""


class NoRoom(Retryable):
    """The HDD has not the space for it now, or a quota is used up. Costs a job no attempt."""

    def __init__(self, message: str, lacking: int = 0) -> None:
        """Given the message and the bytes that must be free besides (0: how many is unknown)."""
        super().__init__(message)
        self.lacking = lacking


class Refused(TransferError):
    """No attempt can succeed until a person changes something; both copies stay."""


class Stopped(SeedcacheError):
    """The work was stopped at a safe point because the supervisor drains; it costs no attempt."""
