"""Sonarr and Radarr: the command resource of their API v3.

A scan command is queued by the service; that it was taken says nothing. Its `status` ends in completed or in one of
four kinds of failure, and completed is a success only with the `result` successful.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import sleep
from typing import Any, TypeVar
from urllib.parse import urlencode

from supervisor.adapters import clock, http
from supervisor.adapters.http import ServiceRefused, ServiceUnavailable
from supervisor.errors import Retryable, Stopped
from supervisor.messages import Notify

_T = TypeVar("_T")
_ENDED = frozenset({"completed", "failed", "aborted", "cancelled", "orphaned"})
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0  # seconds between two questions; it grows by half each time
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Arr:
    """One of the services; they differ in their name and the name of their scan command."""

    name: str
    command: str
    patience: float = 600.0  # seconds that a scan may take before it is asked for again

    def notify(self, task: Notify, stopping: Callable[[], bool]) -> None:
        """Have the service import the torrent's data; return when it has.

        Raise Retryable, Refused or Stopped: see `base.Notifier`.
        """
        resource = f"{task.url.rstrip('/')}/api/v3/command"
        body = {
            "name": self.command,
            "downloadClientId": task.hash.upper(),
            "path": task.path,
            # Without it the service may move the copy away, and then delete its directory.
            "importMode": "Copy",
        }
        command = http.post_json(resource, _headers(task.api_key), body)
        number = self._field(command, "id", int)
        deadline, pause = clock.monotonic() + self.patience, _FIRST_PAUSE
        while self._field(command, "status", str) not in _ENDED:
            if clock.monotonic() >= deadline:
                raise Retryable(
                    f"{self.name} has not finished its scan of {task.path} after {self.patience:g} s. "
                    f"Look at its queue under System, Tasks."
                )
            _wait(min(pause, self.patience), stopping)
            pause = min(pause * 1.5, _LONGEST_PAUSE)
            command = self._poll(f"{resource}/{number}", task)
        if command["status"] != "completed" or command.get("result") != "successful":
            raise Retryable(self._failure(command, task))

    def probe(self, url: str, key: str) -> str:
        """Return the version of the service at an address.

        Raise ServiceUnavailable, or ServiceRefused also if another service answers there.
        """
        status = http.get_json(f"{url.rstrip('/')}/api/v3/system/status", _headers(key))
        found = self._field(status, "appName", str)
        if found.lower() != self.name.lower():
            raise ServiceRefused(f"{found} answers at the address of {self.name}. Correct {self.name.upper()}_URL.")
        return self._field(status, "version", str)

    def sees(self, url: str, key: str, path: str) -> bool:
        """Say whether the service finds a directory, named as it would see it; raise as `probe`."""
        separator = "\\" if "\\" in path else "/"
        path = path.rstrip(separator)
        if separator not in path:  # the root, or a drive: it has no parent to tell it by
            return True
        # Asked for a directory it lists it, and tells its parent; for one that is not there it does so of the parent.
        query = urlencode({"path": path, "includeFiles": "false", "allowFoldersWithoutTrailingSlashes": "true"})
        listing = http.get_json(f"{url.rstrip('/')}/api/v3/filesystem?{query}", _headers(key))
        self._field(listing, "directories", list)
        return bool(listing.get("parent") == path.rpartition(separator)[0] + separator)

    def imports_by_itself(self, url: str, key: str) -> bool:
        """Say whether its Completed Download Handling is on; raise as `probe`."""
        found = http.get_json(f"{url.rstrip('/')}/api/v3/config/downloadclient", _headers(key))
        return self._field(found, "enableCompletedDownloadHandling", bool)

    def _poll(self, address: str, task: Notify) -> Any:  # noqa: ANN401  # JSON
        try:
            return http.get_json(address, _headers(task.api_key))
        except ServiceRefused as error:
            if error.status != _NOT_FOUND:
                raise
        raise Retryable(f"{self.name} has forgotten its scan of {task.path}, as after a restart. It is asked again.")

    def _field(self, answer: Any, name: str, kind: type[_T]) -> _T:  # noqa: ANN401  # JSON
        value = answer.get(name) if isinstance(answer, dict) else None
        if not isinstance(value, kind):
            raise ServiceUnavailable(f"{self.name} answered without a proper `{name}`. Is its version supported?")
        return value

    def _failure(self, command: Mapping[str, Any], task: Notify) -> str:
        said = command.get("message") or ""
        reason = next(iter(str(command.get("exception") or "").splitlines()), "")
        outcome = command.get("result") if command["status"] == "completed" else command["status"]
        details = "; ".join(filter(None, [str(said), reason])) or "without a reason"
        if task.api_key:
            details = details.replace(task.api_key, "***")
        return (
            f"{self.name} did not import {task.path} ({outcome}: {details}). Look at its log, and whether it sees that "
            f"path: {self.name.upper()}_PATH_MAP translates ours."
        )


def _headers(key: str) -> dict[str, str]:
    return {"X-Api-Key": key}


def _wait(seconds: float, stopping: Callable[[], bool]) -> None:
    until = clock.monotonic() + seconds
    while True:
        if stopping():
            raise Stopped("stopped while a service was scanning; it is asked again at the next start")
        left = until - clock.monotonic()
        if left <= 0:
            return
        sleep(min(left, 0.2))
