"""Puts data that no torrent uses into the trash of its disk: `seedcache trash`. Renames only; nothing is removed."""

import os
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from supervisor.adapters import files, locks, session, trees
from supervisor.adapters.resolving import resolve
from supervisor.commands.reader import Reader
from supervisor.dispatch import trash
from supervisor.dispatch.destinations import root_of
from supervisor.dispatch.inquirer import metainfo_path
from supervisor.dispatch.planning import inside
from supervisor.dispatch.sweeping import places
from supervisor.errors import Busy, InvalidInput, Refused, SeedcacheError
from supervisor.jobs import ENDED, Job, State
from supervisor.journal import Journal
from supervisor.settings import Settings
from supervisor.transfer import metainfo

if TYPE_CHECKING:
    from supervisor.adapters.rtorrent import RTorrent
    from supervisor.adapters.torrents import Torrent

_OURS = b".seedcache-"


def run(settings: Settings, paths: list[str], now: float, *, empty: bool) -> Iterator[str]:
    """Do what the command line says; yield the lines. Raise as `_put`, and InvalidInput if it says nothing."""
    from supervisor.adapters.rtorrent import RTorrent  # noqa: PLC0415  (once the settings are known to be good)

    if bool(paths) == empty:
        raise InvalidInput("name what is to go into the trash, or say --empty")
    journal = Reader(settings.state_dir)
    if empty:
        return _empty(settings, journal, now)
    return _put(settings, journal, RTorrent(settings.scgi_url, settings.rpc_timeout), paths, now)


def _put(settings: Settings, journal: Journal, rtorrent: "RTorrent", paths: Iterable[str], now: float) -> Iterator[str]:
    """Given paths, put each into the trash of its root; yield what to say of each.

    Raise InvalidInput or Refused for the first that must stay, Busy while something is relocated.
    """
    ssd, hdds = places(settings, journal)
    roots = {root.path: root for root in (ssd, *hdds)}
    with locks.hold(locks.space(settings.lock_dir)):
        torrents, silent = resolve(rtorrent.torrents())
        for torrent in torrents:
            if torrent.hash in silent:
                name = f"{torrent.name} ({torrent.hash})"
                raise Busy(f"the disk of {name} does not answer: nobody knows what it uses; mend the disk, then again")
        for text in paths:
            path = _real(text)
            root = root_of(path, list(roots))
            if root is None or path == root:
                raise InvalidInput(f"{text} is not data below DOWNLOAD_PATH_SSD or FINAL_DEST_BASE_HDD")
            _check(path, torrents, journal, settings.state_dir, rtorrent)
            kept = trees.put_aside(roots[root], path, trash.name(now))
            days = f"{settings.trash_retention:g} days"
            yield f"{files.show(path)} is now {files.show(kept)}, for {days}; to restore it, rename it back"


def _empty(settings: Settings, journal: Journal, now: float) -> Iterator[str]:
    """Remove all that is in the trash of every root, whatever its age; yield what to say of it."""
    ssd, hdds = places(settings, journal)
    for root in (ssd, *hdds):
        gone = trees.empty_trash(root, partial(trash.old, now=now + 1, days=0))
        yield f"{files.show(root.path)}: {len(gone)} removed"


def _real(text: str) -> bytes:
    """Return the path with everything above its last name resolved; what it names may itself be a symbolic link."""
    above, name = os.path.split(os.path.abspath(os.fsencode(text)))
    return os.path.join(os.path.realpath(above), name)


def _check(path: bytes, torrents: Iterable["Torrent"], journal: Journal, state_dir: str, rtorrent: "RTorrent") -> None:
    """Raise Refused if a torrent, or a copy of one, has anything at the path, above it or below it."""
    if not os.path.lexists(path):
        raise InvalidInput(f"{files.show(path)} does not exist")
    if any(part.startswith(_OURS) for part in path.split(b"/")):
        raise Refused(
            f"{files.show(path)} is the supervisor's own; `seedcache reconcile --fix` removes what is left over"
        )
    listed = set()
    for torrent in torrents:
        listed.add(torrent.hash)
        base = torrent.base if "\N{REPLACEMENT CHARACTER}" not in torrent.name else torrent.directory
        if inside(base, path) or (inside(path, base) and _lists(torrent, path, state_dir, rtorrent)):
            raise Refused(f"{files.show(path)} is used by the torrent {torrent.name} ({torrent.hash}); it stays")
    for job in journal.jobs(State):
        if (job.state not in ENDED or job.hash in listed) and job.destination and _copied_to(job, path):
            raise Refused(f"{files.show(path)} belongs to the copy of {job.name} ({job.hash}); it stays")


def _lists(torrent: "Torrent", path: bytes, state_dir: str, rtorrent: "RTorrent") -> bool:
    """Say whether a path below a torrent's directory is one of its files, or holds one. Unknown: yes."""
    metafile = metainfo_path(state_dir, torrent.hash)
    try:
        if not os.path.exists(metafile):
            metafile = session.metafile(rtorrent.session or rtorrent.session_path(), torrent.hash)
        listed = metainfo.read(metafile, torrent.hash)
    except SeedcacheError:
        return True
    return any(inside(b"/".join((torrent.directory, *file.path)), path) for file in listed.files)


def _copied_to(job: Job, path: bytes) -> bool:
    base = job.destination if job.multi else b"/".join((job.destination, os.fsencode(job.name)))
    return inside(base, path) or inside(path, base)
