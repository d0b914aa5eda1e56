"""The drop box on disk: one empty file a submission, its name the whole message. Light: the hook imports it.

`<40 hex digits>.<event>` is about one torrent, `all.<event>` about the whole queue. An entry is durable when its
directory entry is (fsync(2) of the directory). One that is there already is the same message, not read yet: a second
one joins it. `bin/seedcache-submit` writes the same in sh; the dispatcher reads, and discards what is in the journal.
"""

import os

ALL = "all"
EVENTS = ("finished", "inserted")  # what rTorrent's hooks submit
COMMANDS = ("retry", "cancel", "relocate", "verify")  # what a person asks for one torrent
QUEUE_COMMANDS = ("process", "clear", "space", "trust")  # and for the whole queue
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
            pass  # the same message, still to be read: joined, and made durable again below
        os.fsync(handle)
    finally:
        os.close(handle)


def scan(state_dir: str) -> tuple[list[tuple[str, str, str]], list[str]]:
    """Return the entries, oldest first, as (file name, upper-case hash or ALL, event), and the names that are no entry.

    The latter are left alone. Raise OSError if the spool cannot be read.
    """
    entries: list[tuple[int, str, str, str]] = []
    strange: list[str] = []
    with os.scandir(directory(state_dir)) as listing:
        for item in listing:
            subject, _, event = item.name.partition(".")
            if (is_hash(subject) and event in EVENTS + COMMANDS) or (subject == ALL and event in QUEUE_COMMANDS):
                try:
                    at = item.stat(follow_symlinks=False).st_mtime_ns
                except FileNotFoundError:
                    continue
                entries.append((at, item.name, subject if subject == ALL else subject.upper(), event))
            else:
                strange.append(item.name)
    entries.sort()
    return [(name, subject, event) for _, name, subject, event in entries], strange


def discard(state_dir: str, names: list[str]) -> list[str]:
    """Given the names of entries that are in the journal now, remove them; return those that cannot be removed.

    Not fsynced: an entry that comes back after a power cut is a second submission, which is harmless; so is one that
    stays. A directory of an entry's name is one, too: a hook that finds it there takes its submission for made.
    """
    spool = directory(state_dir)
    stay = []
    for name in names:
        place = os.path.join(spool, name)
        try:
            try:
                os.unlink(place)
            except IsADirectoryError:
                os.rmdir(place)
        except FileNotFoundError:
            pass
        except OSError:
            stay.append(name)
    return stay
