"""What a notifier is, and what a messenger is."""

from collections.abc import Callable
from typing import Protocol

from supervisor.messages import Announce, Notify


class Notifier(Protocol):
    """A kind of service that is told of finished copies."""

    def notify(self, task: Notify, stopping: Callable[[], bool]) -> None:
        """Tell the service of one torrent; return when it has done what it was asked for.

        Raise Retryable if a later attempt may succeed, Refused if a person must change something first, and Stopped
        soon after `stopping()` has become true. To be told twice does a service no harm.
        """

    def probe(self, url: str, key: str) -> str:
        """Return the version of the service at an address; raise Retryable or Refused as `notify`."""

    def sees(self, url: str, key: str, path: str) -> bool:
        """Say whether the service finds a directory, named as it would see it; raise as `notify`."""

    def imports_by_itself(self, url: str, key: str) -> bool:
        """Say whether the service imports what a download client has finished without being told; raise as `notify`."""


class Messenger(Protocol):
    """A kind of service that tells a person what happens."""

    def announce(self, task: Announce) -> None:
        """Have the service tell one piece of news; return when it has taken it.

        Raise Retryable if a later attempt may succeed, Refused if a person must change something first. It may be told
        the same twice, after a crash: the news' `id` says so.
        """
