"""What must be so at every moment, and what must be so in the end. One place, for every part of the campaign."""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from supervisor import spool
from supervisor.adapters import session
from supervisor.errors import SeedcacheError
from supervisor.jobs import ENDED, ON_HDD, State
from supervisor.journal import place
from supervisor.transfer import metainfo
from tests.support.torrents import contents

ALWAYS = {
    "whole": "every file of the torrent stands complete on the SSD or on the HDD",
    "prove, then delete": "where the SSD lacks one, every HDD file is byte for byte right",
    "session": "rTorrent's session on disk says HDD where the SSD lacks one, and says it only of a whole HDD copy",
    "final names": "what stands at a final name on the HDD is byte for byte right",
    "foreign": "no file that is not the torrent's was written, changed or removed",
    "journal": "the journal opens and passes SQLite's integrity check",
    "metafile": "where the journal has a copy on the HDD, our own copy of the torrent's metafile is whole",
    "submitted": "a submission that returned 0 is in the spool or in the journal",
}
AT_THE_END = {
    "ended": "the job is relocated, by itself; one that had failed with its reason, after `retry`",
    "one copy": "the HDD copy is byte for byte right and the SSD data is gone",
    "seeds": "rTorrent seeds it from the HDD: active, complete, not being hashed",
    "told": "Sonarr was told",
    "nothing left": "no partial, no temporary, no spool entry, no process is left",
    "drains": "SIGTERM ends the supervisor with exit code 0",
}


class Violated(AssertionError):
    """An invariant does not hold."""


@dataclass(frozen=True)
class Places:
    """Where everything is: as it was configured, or a copy of it that was rebuilt after a power cut."""

    ssd: Path
    hdd: Path
    state: Path
    session: Path | None = None
    configured_hdd: bytes = b""  # how the session names the HDD, if these are copies


@dataclass(frozen=True)
class Expected:
    """One torrent that was handed in."""

    hash: str
    source: Path  # below the SSD: its directory, or its one file
    copy: Path  # below the HDD
    files: Mapping[bytes, bytes]  # relative path -> SHA-1, as tests.support.torrents.contents
    submitted: bool  # the submission returned 0


def found(top: Path) -> dict[bytes, bytes]:
    """Return what stands there, as contents does; nothing if it is not there."""
    return contents(top) if top.exists() else {}


def foreign(places: Places, mine: list[Expected]) -> dict[bytes, bytes]:
    """Return every file on both disks that is none of the torrents' and nothing the supervisor has in the making."""
    names = {os.fsencode(path) for one in mine for path in _names(one)}
    result = {}
    for root in (places.ssd, places.hdd):
        for above, folders, files in os.walk(os.fsencode(root)):
            folders[:] = [name for name in folders if not name.startswith(b".seedcache-")]
            for name in files:
                path = os.path.join(above, name)
                if path not in names and not name.startswith(b".seedcache-"):
                    result[path] = Path(os.fsdecode(path)).read_bytes()
    return result


def _names(one: Expected) -> Iterator[bytes]:
    for top in (one.source, one.copy):
        for relative in one.files:
            yield os.path.join(os.fsencode(top), relative) if relative else os.fsencode(top)


def check(places: Places, one: Expected, strangers: Mapping[bytes, bytes] | None = None) -> None:
    """Raise Violated unless all of ALWAYS holds. Needs no running process; nothing is changed."""
    ssd, hdd = found(one.source), found(one.copy)
    wrong = [name for name, digest in hdd.items() if name in one.files and one.files[name] != digest]
    if wrong:
        raise Violated(f"final names: {wrong} on the HDD is not the torrent's")
    on_ssd = all(ssd.get(name) == digest for name, digest in one.files.items())
    on_hdd = all(hdd.get(name) == digest for name, digest in one.files.items())
    if not on_ssd and not on_hdd:
        raise Violated(f"whole: the SSD has {sorted(ssd)}, the HDD {sorted(hdd)}")
    if places.session is not None:
        saved = session.directory(os.fsencode(places.session), one.hash)
        root = places.configured_hdd or os.fsencode(places.hdd)
        says_hdd = saved is not None and (saved == root or saved.startswith(root + b"/"))
        if not on_ssd and not says_hdd:
            raise Violated(f"session: the SSD lacks files, rTorrent would have it in {saved!r}")
        if says_hdd and not on_hdd:
            raise Violated(f"session: it says {saved!r}, the HDD has {sorted(hdd)}")
    if strangers is not None and (now := foreign(places, [one])) != strangers:
        raise Violated(f"foreign: {sorted(set(now) ^ set(strangers)) or 'contents'} changed")
    check_journal(places.state, one)


def check_journal(state: Path, one: Expected) -> None:
    """Raise Violated unless the journal is sound and the submission is kept."""
    rows: list[tuple[str]] = []
    path = place(str(state))
    if os.path.exists(path) and os.path.getsize(path):
        with closing(sqlite3.connect(path)) as database:
            (verdict,) = database.execute("PRAGMA integrity_check").fetchone()
            if verdict != "ok":
                raise Violated(f"journal: {verdict}")
            if database.execute("SELECT name FROM sqlite_master WHERE name = 'jobs'").fetchone():
                rows = database.execute("SELECT state FROM jobs WHERE hash = ?", (one.hash,)).fetchall()
    if rows and State(rows[0][0]) in ON_HDD:
        kept = state / "metainfo" / f"{one.hash}.torrent"
        try:
            metainfo.parse(kept.read_bytes(), one.hash)
        except (OSError, SeedcacheError) as error:
            raise Violated(f"metafile: {rows[0][0]}, but {error}") from error
    if one.submitted and not spool.waits(str(state), one.hash, "finished"):
        if not rows:
            raise Violated("submitted: neither in the spool nor in the journal")
        if State(rows[0][0]) in ENDED - {State.RELOCATED}:
            raise Violated(f"submitted: the job has ended as {rows[0][0]}")


def leftovers(places: Places) -> list[str]:
    """Return what should not be there when nothing is to be done."""
    found = [
        os.path.join(above, name)
        for root in (places.hdd, places.ssd, places.state)
        for above, folders, files in os.walk(root)
        for name in (*folders, *files)
        if name.startswith(".seedcache-") or name.endswith(".new")
    ]
    return found + os.listdir(spool.directory(str(places.state)))
