"""The journal: SQLite, the only truth. The dispatcher is its one writer; `status`, `explain` and the metrics only read.

Write-ahead log with synchronous=FULL: what `write` has returned from is on stable storage
(https://www.sqlite.org/pragma.html#pragma_synchronous).
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, fields
from operator import attrgetter
from types import MappingProxyType
from urllib.parse import quote

from supervisor.errors import ConfigurationError, SeedcacheError
from supervisor.jobs import ENDED, Bookmark, Event, Job, Notice, Proof, Sample, State, Telling

# The schema, step by step: a journal of version N has had the first N of them.
_STEPS = (
    """
CREATE TABLE jobs (
    hash TEXT PRIMARY KEY, state TEXT NOT NULL, submitted REAL NOT NULL, changed REAL NOT NULL,
    attempts INTEGER NOT NULL, due REAL NOT NULL, reason TEXT NOT NULL, name TEXT NOT NULL, label TEXT NOT NULL,
    size INTEGER NOT NULL, multi INTEGER NOT NULL, source BLOB NOT NULL, destination BLOB NOT NULL,
    finished REAL NOT NULL, proof TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX jobs_by_state ON jobs (state, changed);
CREATE TABLE counts (state TEXT PRIMARY KEY, jobs INTEGER NOT NULL) WITHOUT ROWID;
CREATE TRIGGER job_added AFTER INSERT ON jobs BEGIN
    INSERT INTO counts VALUES (new.state, 1) ON CONFLICT (state) DO UPDATE SET jobs = jobs + 1;
END;
CREATE TRIGGER job_changed AFTER UPDATE OF state ON jobs WHEN old.state <> new.state BEGIN
    UPDATE counts SET jobs = jobs - 1 WHERE state = old.state;
    INSERT INTO counts VALUES (new.state, 1) ON CONFLICT (state) DO UPDATE SET jobs = jobs + 1;
END;
CREATE TABLE notices (
    hash TEXT NOT NULL, service TEXT NOT NULL, state TEXT NOT NULL, changed REAL NOT NULL, attempts INTEGER NOT NULL,
    due REAL NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (hash, service)
) WITHOUT ROWID;
CREATE INDEX notices_by_state ON notices (state, due);
CREATE TABLE events (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, hash TEXT NOT NULL, action TEXT NOT NULL, text TEXT NOT NULL
);
CREATE INDEX events_by_hash ON events (hash, id);
CREATE TABLE filesystems (path BLOB PRIMARY KEY, id TEXT NOT NULL) WITHOUT ROWID;
""",
    """
CREATE TABLE bookmarks (
    service TEXT PRIMARY KEY, event INTEGER NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL,
    due REAL NOT NULL, reason TEXT NOT NULL, hour REAL NOT NULL, sent INTEGER NOT NULL
) WITHOUT ROWID;
""",
    """
CREATE TABLE uploads (hash TEXT PRIMARY KEY, total INTEGER NOT NULL, lately REAL NOT NULL, at REAL NOT NULL)
    WITHOUT ROWID;
""",
)
VERSION = len(_STEPS)
_WITH_BOOKMARKS, _WITH_UPLOADS = 2, 3  # the versions that have them first
_NAMES = [field.name for field in fields(Job)]
_STATE, _MULTI, _PROOF = map(_NAMES.index, ("state", "multi", "proof"))
_JOB = ", ".join(_NAMES)
# Not REPLACE, which is a removal and an addition to the indexes, and to the triggers.
_PUT_JOB = (
    f"INSERT INTO jobs ({_JOB}) VALUES ({', '.join('?' * len(_NAMES))}) "  # noqa: S608  (our names)
    f"ON CONFLICT (hash) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _NAMES)}"
)
_values = attrgetter(*_NAMES)  # dataclasses.astuple copies every value deeply: 20 times as long
_NOTICE = ", ".join(field.name for field in fields(Notice))
_BOOKMARK = ", ".join(field.name for field in fields(Bookmark))
_ENDED = ", ".join(f"'{state}'" for state in sorted(ENDED))


class JournalUnwritable(SeedcacheError):
    """A change could not be made durable; nothing of it was done."""


def place(state_dir: str) -> str:
    """Given the state directory, return the journal's path."""
    return os.path.join(state_dir, "journal.sqlite")


def _open(path: str, how: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(path)}?{how}", uri=True, isolation_level=None, timeout=5)


def _to_read(path: str) -> sqlite3.Connection:
    """Open it for reading, also for those who may not make the log's index that a reader needs beside it.

    Without a log nobody has it open, and it can be read as it stands (https://www.sqlite.org/wal.html, section 5).
    """
    database = _open(path, "mode=ro")
    try:
        database.execute("PRAGMA user_version")
    except sqlite3.OperationalError:
        database.close()
        if os.path.exists(f"{path}-wal"):
            raise
        database = _open(path, "mode=ro&immutable=1")
    return database


class Journal:
    """The open journal."""

    def __init__(self, path: str, *, read_only: bool = False) -> None:
        """Open the journal at the path; a writer creates it and brings its schema up to date.

        Raise ConfigurationError if it cannot be opened, or was written by a newer seedcache.
        """
        try:
            self._database = _to_read(path) if read_only else _open(path, "mode=rwc")
            if not read_only:
                self._database.execute("PRAGMA journal_mode=WAL")
                self._database.execute("PRAGMA synchronous=FULL")
            self._migrate(path, read_only=read_only)
        except sqlite3.Error as error:
            raise ConfigurationError(
                f"the journal {path} cannot be opened: {error}. Has `seedcache run` been started once, "
                f"and may this user read and write there?"
            ) from error

    def _migrate(self, path: str, *, read_only: bool) -> None:
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise ConfigurationError(
                f"the journal {path} was written by a newer seedcache "
                f"(schema {version}, this one knows {VERSION}): upgrade"
            )
        if version < VERSION and not read_only:
            steps = "".join(_STEPS[version:])
            self._database.executescript(f"BEGIN IMMEDIATE; {steps} PRAGMA user_version={VERSION}; COMMIT;")
            version = VERSION
        self._version = version

    def close(self) -> None:
        """Close it; the write-ahead log is folded in."""
        self._database.close()

    def write(
        self,
        jobs: Iterable[Job] = (),
        notices: Iterable[Notice] = (),
        events: Iterable[Event] = (),
        bookmarks: Iterable[Bookmark] = (),
        samples: Mapping[str, Sample | None] = MappingProxyType({}),
    ) -> None:
        """Given the next jobs, notices and bookmarks and what is to be told, make all of it durable, or nothing.

        And what torrents have uploaded, by hash; None: it is forgotten.

        Raise JournalUnwritable if that fails.
        """
        try:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany(_PUT_JOB, map(_values, jobs))
            self._database.executemany(
                f"INSERT OR REPLACE INTO notices ({_NOTICE}) VALUES ({', '.join('?' * len(fields(Notice)))})",  # noqa: S608
                (astuple(notice) for notice in notices),
            )
            self._database.executemany(
                "INSERT INTO events (at, hash, action, text) VALUES (?, ?, ?, ?)",
                ((event.at, event.hash, event.action, event.text) for event in events),
            )
            self._database.executemany(
                f"INSERT OR REPLACE INTO bookmarks ({_BOOKMARK}) VALUES ({', '.join('?' * len(fields(Bookmark)))})",  # noqa: S608
                (astuple(bookmark) for bookmark in bookmarks),
            )
            self._database.executemany(
                "INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, ?)",
                (
                    (job_hash, each.total, each.lately, each.at)
                    for job_hash, each in samples.items()
                    if each is not None
                ),
            )
            self._database.executemany(
                "DELETE FROM uploads WHERE hash = ?",
                ((job_hash,) for job_hash, each in samples.items() if each is None),
            )
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise JournalUnwritable(
                f"the journal cannot be written: {error}. Nothing is lost: submissions stay in the spool until it can. "
                f"Is the disk of STATE_DIR full or read-only?"
            ) from error

    def job(self, job_hash: str) -> Job | None:
        """Given a hash, return its job, or None."""
        return next(self._jobs("WHERE hash = ?", job_hash), None)

    def living(self) -> Iterator[Job]:
        """Return the jobs that have not ended."""
        return self._jobs(f"WHERE state NOT IN ({_ENDED})")

    def jobs(self, states: Iterable[State], limit: int = -1, *, newest: bool = False) -> Iterator[Job]:
        """Given states, return their jobs, those that have been in theirs the longest (or the shortest) first."""
        wanted = list(states)
        order = "DESC" if newest else "ASC"
        which = f"WHERE state IN ({', '.join('?' * len(wanted))}) ORDER BY changed {order} LIMIT ?"
        return self._jobs(which, *wanted, limit)

    def jobs_with(self, reasons: Iterable[str]) -> list[Job]:
        """Return the jobs that have one of these reasons, also those that have ended. All of the history is read."""
        wanted = list(reasons)
        return list(self._jobs(f"WHERE reason IN ({', '.join('?' * len(wanted))})", *wanted))

    def _jobs(self, clause: str, *values: object) -> Iterator[Job]:
        for row in self._database.execute(f"SELECT {_JOB} FROM jobs {clause}", values):  # noqa: S608  (our own clauses)
            read = list(row)
            read[_STATE], read[_MULTI], read[_PROOF] = State(row[_STATE]), bool(row[_MULTI]), Proof(row[_PROOF])
            yield Job(*read)

    def counts(self) -> dict[State, int]:
        """Return how many jobs each state has that has any. The cost does not grow with the history."""
        return {State(state): jobs for state, jobs in self._database.execute("SELECT * FROM counts WHERE jobs > 0")}

    def notices(self, state: Telling | None = None, job_hash: str | None = None) -> list[Notice]:
        """Return the notices in a state, or of a torrent, or all; those that are due first come first."""
        query = f"SELECT {_NOTICE} FROM notices WHERE state = ifnull(?, state) AND hash = ifnull(?, hash) ORDER BY due"  # noqa: S608
        rows = self._database.execute(query, (state, job_hash))
        return [Notice(row[0], row[1], Telling(row[2]), *row[3:]) for row in rows]

    def events(self, job_hash: str | None = None, limit: int = 20) -> list[Event]:
        """Return the last events, of one torrent or of all, the newest first."""
        query = "SELECT at, hash, action, text FROM events"
        if job_hash is None:
            rows = self._database.execute(f"{query} ORDER BY id DESC LIMIT ?", (limit,))
        else:
            rows = self._database.execute(f"{query} WHERE hash = ? ORDER BY id DESC LIMIT ?", (job_hash, limit))
        return [Event(*row) for row in rows]

    def bookmarks(self) -> list[Bookmark]:
        """Return how far each messenger has been told."""
        if self._version < _WITH_BOOKMARKS:  # no supervisor that knows them has been started yet
            return []
        rows = self._database.execute(f"SELECT {_BOOKMARK} FROM bookmarks")  # noqa: S608
        return [Bookmark(row[0], row[1], Telling(row[2]), *row[3:]) for row in rows]

    def last_event(self) -> int:
        """Return the number of the last event; 0: there is none."""
        return int(self._database.execute("SELECT ifnull(max(id), 0) FROM events").fetchone()[0])

    def events_of(self, actions: Sequence[str], after: int, limit: int) -> list[tuple[int, Event]]:
        """Return the events of some actions after one with a number, the oldest first, each with its number."""
        rows = self._database.execute(
            "SELECT id, at, hash, action, text FROM events "  # noqa: S608
            f"WHERE id > ? AND action IN ({', '.join('?' * len(actions))}) ORDER BY id LIMIT ?",
            (after, *actions, limit),
        )
        return [(row[0], Event(*row[1:])) for row in rows]

    def uploads(self) -> dict[str, Sample]:
        """Return what torrents have uploaded, by hash."""
        if self._version < _WITH_UPLOADS:  # no supervisor that knows it has been started yet
            return {}
        rows = self._database.execute("SELECT hash, total, lately, at FROM uploads")
        return {job_hash: Sample(*values) for job_hash, *values in rows}

    def begun_since(self, when: float) -> set[str]:
        """Given a time (unix seconds), return the hashes of the torrents whose copy was begun since then."""
        found = set()
        for at, job_hash, action in self._database.execute("SELECT at, hash, action FROM events ORDER BY id DESC"):
            if at < when:
                break
            if action == State.COPYING:
                found.add(job_hash)
        return found

    def filesystem(self, path: bytes) -> str | None:
        """Given a configured root, return the identity its file system had when it was first trusted, or None.

        Journals have begun with the f_fsid alone, as a decimal number; 0: the file system had none.
        """
        row = self._database.execute("SELECT id FROM filesystems WHERE path = ?", (path,)).fetchone()
        if row is None or row[0] == "0":
            return None
        return f"fsid={int(row[0]):x}" if row[0].isdecimal() else str(row[0])

    def trust(self, path: bytes, filesystem: str) -> None:
        """Given a configured root and the identity of its file system now, remember that as the right one."""
        try:
            self._database.execute("INSERT OR REPLACE INTO filesystems VALUES (?, ?)", (path, filesystem))
        except sqlite3.Error as error:
            raise JournalUnwritable(f"the journal cannot be written: {error}") from error
