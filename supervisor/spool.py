"""The drop box on disk: one empty file a submission, its name the whole message. Light: the hook imports it.

`<40 hex digits>.<event>` is about one torrent, `all.<event>` about the whole queue. An entry is durable when its
directory entry is (fsync(2) of the directory). One that is there already is the same message, not read yet: a second
one joins it. `bin/seedcache-submit` writes the same in sh. The dispatcher takes an entry, by another name that nobody
joins, before it reads it, and discards what is in the journal: so it is read once, however long its removal takes.
"""

import os

ALL = "all"
EVENTS = ("finished", "inserted")  # what rTorrent's hooks submit
COMMANDS = ("retry", "cancel", "relocate", "verify")  # what a person asks for one torrent
QUEUE_COMMANDS = ("process", "clear", "space", "trust")  # and for the whole queue
_TAKEN = ".taken"  # what ends the name of an entry that is being read
_DIGITS = frozenset("0123456789abcdefABCDEF")


def is_hash(text: str) -> bool:
    """Given a text, return whether it is a v1 info-hash as rTorrent writes it: 40 hexadecimal digits, either case."""
    return len(text) == 40 and _DIGITS.issuperset(text)  # noqa: PLR2004  (SHA-1 in hex, BEP 3)


def directory(state_dir: str) -> str:
    """Given the state directory, return the spool's."""
    return os.path.join(state_dir, "spool")


def write(state_dir: str, subject: str, event: str) -> None:
    """Given the state directory, a hash (or ALL) and an event, put the entry there and make it durable.

    Raise OSError if the spool is missing, not writable or full; then nothing was promised.
    """
    spool = directory(state_dir)
    handle = os.open(spool, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            os.close(os.open(f"{subject}.{event}", flags, 0o644, dir_fd=handle))
        except FileExistsError:
            # The same message, still to be read: joined, and made durable again below.
            if os.path.isdir(os.path.join(spool, f"{subject}.{event}")):
                raise
        os.fsync(handle)
    finally:
        os.close(handle)


def waits(state_dir: str, subject: str, event: str) -> bool:
    """Given what was written, return whether it is still to be read."""
    place = os.path.join(directory(state_dir), f"{subject}.{event}")
    return os.path.exists(place) or os.path.exists(place + _TAKEN)


def scan(state_dir: str) -> tuple[list[tuple[str, str, str]], list[str]]:
    """Return the entries, oldest first, as (file name, upper-case hash or ALL, event), and the names that are no entry.

    The latter are left alone; a directory is none. Raise OSError if the spool cannot be read.
    """
    entries: list[tuple[int, str, str, str]] = []
    strange: list[str] = []
    with os.scandir(directory(state_dir)) as listing:
        for item in listing:
            subject, _, event = item.name.removesuffix(_TAKEN).partition(".")
            known = (is_hash(subject) and event in EVENTS + COMMANDS) or (subject == ALL and event in QUEUE_COMMANDS)
            if known and not item.is_dir(follow_symlinks=False):
                try:
                    at = item.stat(follow_symlinks=False).st_mtime_ns
                except FileNotFoundError:
                    continue
                entries.append((at, item.name, subject if subject == ALL else subject.upper(), event))
            else:
                strange.append(item.name)
    entries.sort()
    return [(name, subject, event) for _, name, subject, event in entries], strange


def take(state_dir: str, entries: list[tuple[str, str, str]]) -> tuple[list[tuple[str, str, str]], list[str]]:
    """Given entries that scan found, take them; return them by their names now, and the names that cannot be taken.

    What is submitted from here on makes a new entry. Not fsynced: after a power cut it has its old name or its new one,
    and is an entry by both.
    """
    spool = directory(state_dir)
    taken: dict[str, tuple[str, str, str]] = {}
    stay = []
    for name, subject, event in entries:
        own = name.removesuffix(_TAKEN) + _TAKEN
        if name != own:
            try:
                os.rename(os.path.join(spool, name), os.path.join(spool, own))  # one that is there already is joined
            except FileNotFoundError:
                continue
            except OSError:
                stay.append(name)
                continue
        taken.setdefault(own, (own, subject, event))
    return list(taken.values()), stay


def discard(state_dir: str, names: list[str]) -> list[str]:
    """Given the names of taken entries that are in the journal now, remove them; return those that cannot be removed.

    Not fsynced: an entry that comes back after a power cut is a second submission.
    """
    spool = directory(state_dir)
    stay = []
    for name in names:
        try:
            os.unlink(os.path.join(spool, name))
        except FileNotFoundError:
            pass
        except OSError:
            stay.append(name)
    return stay
