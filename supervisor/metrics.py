"""The metrics. STUB of the interface: being written."""

from collections.abc import Callable

from supervisor.messages import Copied, Proven, Relocated
from supervisor.snapshot import Snapshot


class Metrics:
    """Counts what happens; every method may be called from the dispatcher's thread at any time."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    def submission(self, event: str, *, joined: bool) -> None:
        """An entry of the spool is in the journal; joined: its torrent was in work already."""

    def rtorrent_call(self, seconds: float, *, failed: bool) -> None:
        """A call to rTorrent ended."""

    def copied(self, result: Copied) -> None:
        """A copy stands."""

    def proven(self, result: Proven) -> None:
        """A published copy was read back again."""

    def relocated(self, result: Relocated) -> None:
        """A torrent left the SSD."""

    def failed(self, step: str, *, final: bool, proof: bool = False, rolled_back: bool = False) -> None:
        """An attempt at a step (locate, copy, prove, relocate) failed; final: it will not be tried again by itself."""

    def attempt(self, step: str) -> None:
        """An attempt at a step was begun."""

    def notified(self, service: str, outcome: str) -> None:
        """A service was told: outcome is sent, retry or failed."""

    def worker_lost(self, role: str) -> None:
        """A worker (copier, space, notifier) or the broker died and is replaced."""

    def journal_write(self, seconds: float, *, failed: bool) -> None:
        """A transaction ended."""
