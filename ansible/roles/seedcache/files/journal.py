"""The journal in an upgrade: `journal.py backup STATE_DIR NAME` and `journal.py restore STATE_DIR NAME`.

Run by the service's user while the supervisor is stopped. A schema only ever moves forward, and an older seedcache
refuses a newer one's journal; so `restore` puts the copy back, if the schema has moved, and submits again what has come
in since. Steps that were done since are done again, which is what a crash asks for as well: each is idempotent.
"""

import contextlib
import os
import shutil
import sqlite3
import sys

_COPIES = 5  # that are kept


def main(action: str, state_dir: str, name: str) -> int:
    """Do the action; print what was done, and return 0."""
    journal = os.path.join(state_dir, "journal.sqlite")
    backups = os.path.join(state_dir, "backups")
    copy = os.path.join(backups, f"{name}.sqlite")
    if action == "backup":
        print(backup(journal, backups, copy))
    elif action == "restore":
        print(restore(journal, copy, os.path.join(state_dir, "spool")))
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


def backup(journal: str, backups: str, copy: str) -> str:
    """Copy the journal, whole and durable; keep only the newest copies. Return what was done."""
    if not os.path.exists(journal):
        return "no journal yet"
    os.makedirs(backups, mode=0o700, exist_ok=True)
    with (
        contextlib.closing(sqlite3.connect(journal)) as source,
        contextlib.closing(sqlite3.connect(f"{copy}.new")) as to,
    ):
        source.backup(to)
    with open(f"{copy}.new", "rb") as file:
        os.fsync(file.fileno())
    os.replace(f"{copy}.new", copy)
    _sync(backups)
    found = sorted((os.path.join(backups, entry) for entry in os.listdir(backups)), key=os.path.getmtime)
    for old in found[:-_COPIES]:
        os.unlink(old)
    return f"kept {copy}"


def restore(journal: str, copy: str, spool: str) -> str:
    """Put the copy in the journal's place if their schemas differ, the journal aside. Return what was done."""
    if not os.path.exists(copy):
        return "there was no journal before"
    with contextlib.closing(sqlite3.connect(journal)) as now, contextlib.closing(sqlite3.connect(copy)) as then:
        if _schema(now) == _schema(then):
            return "the journal stays: its schema is the same"
        known = {row[0] for row in then.execute("SELECT hash FROM jobs")}
        new = [row[0] for row in now.execute("SELECT hash FROM jobs") if row[0] not in known]
        now.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for job_hash in new:  # before the journal is exchanged: a torrent that is submitted twice is no harm
        with open(os.path.join(spool, f"{job_hash}.finished"), "a"):
            pass
    _sync(spool)
    os.replace(journal, f"{journal}.newer")
    for rest in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(journal + rest)
    shutil.copyfile(copy, journal)
    with open(journal, "rb") as file:
        os.fsync(file.fileno())
    _sync(os.path.dirname(journal))
    return f"put back {copy}; {len(new)} submitted again"


def _schema(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def _sync(directory: str) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]) if len(sys.argv) == 4 else main("", "", ""))  # noqa: PLR2004
