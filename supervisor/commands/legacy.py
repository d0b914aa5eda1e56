"""What the predecessor, pyrosimple-manager, left on this host: its environment file and its queue.

Its settings are environment variables, mostly kept in an `.env` file. Its queue is a directory of files
`HASH_UNIXTIME.queue` below its LOCK_DIR, each with the hash in its first line.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from supervisor import spool
from supervisor.errors import ConfigurationError

LOCK_DIR = "/config/pyrosimple-manager-locks"  # its default
# Its defaults that are not ours: without a setting it was this that it did.
DEFAULTS = {
    "DOWNLOAD_PATH_SSD": "/downloads/ssd",
    "FINAL_DEST_BASE_HDD": "/downloads/hdd",
    "SCGI_URL": "/dev/shm/rtorrent.sock",  # noqa: S108  (its default)
    "MAX_CONCURRENT_PROCESSES": "3",
}
ADDRESSES = {"SONARR": "http://sonarr:8989", "RADARR": "http://radarr:7878"}  # which it asked if there was a key

_LINE = re.compile(
    r"""\s*(?:export\s+)?(?P<name>[A-Za-z_]\w*)\s*=\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>.*?))\s*(?:\s\#.*)?"""
)
_QUEUED = re.compile(r"(?P<hash>[0-9A-Fa-f]{40})_(?P<at>\d+)\.queue")


def read_environment(path: str) -> tuple[dict[str, str], list[str]]:
    """Given an `.env` file, return its variables, and the lines that were not understood.

    Raise ConfigurationError if it cannot be read.
    """
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a text"
        raise ConfigurationError(f"{path} cannot be read: {reason}. Name the predecessor's .env file") from None
    found, strange = {}, []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match:
            found[match["name"]] = next(text for text in match.group("double", "single", "bare") if text is not None)
        else:
            strange.append(f"{path}, line {number}")
    return found, strange


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits in one queue directory."""

    waiting: dict[str, int]  # hash in upper case -> unix seconds since it waits; the oldest first
    strange: tuple[str, ...]  # names of files that are no entries


def queues(lock_dir: str) -> Iterator[str]:
    """Given LOCK_DIR, yield the queue directories that there are."""
    for place in dict.fromkeys((lock_dir, LOCK_DIR)):
        queue = os.path.join(place, "queue")
        if os.path.isdir(queue):
            yield queue


def read_queue(place: str) -> Queue:
    """Given a queue directory, return what waits there; one that cannot be read is empty but for its own name."""
    waiting: dict[str, int] = {}
    strange = []
    try:
        names = sorted(os.listdir(place))
    except OSError as error:
        return Queue({}, (f"{place}: {error.strerror}",))
    for name in names:
        match = _QUEUED.fullmatch(name)
        if match and spool.is_hash(match["hash"]):
            job_hash = match["hash"].upper()
            waiting[job_hash] = min(waiting.get(job_hash, int(match["at"])), int(match["at"]))
        else:
            strange.append(name)
    return Queue(dict(sorted(waiting.items(), key=lambda entry: (entry[1], entry[0]))), tuple(strange))


def carried_over(environment: Mapping[str, str], known: frozenset[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Given the predecessor's variables and the names that are ours too, return what becomes of them.

    First name -> value of our settings, then name -> why it is left out.
    """
    taken = {name: value for name, value in environment.items() if name in known and value}
    left = {
        name: "seedcache has no such setting" if name not in known else "it is empty"
        for name in environment
        if name not in taken
    }
    taken = DEFAULTS | taken
    for service, address in ADDRESSES.items():
        url, key = f"{service}_URL", f"{service}_API_KEY"
        if taken.get(key):
            taken.setdefault(url, address)
        elif url in taken:
            del taken[url]
            left[url] = f"{key} is not set: it was never told"
    return taken, left
