"""Switches a torrent to its HDD copy without a re-hash, and to the good copy again if rTorrent does not take it.

The switch is one guarded request: rTorrent closes the torrent, takes the new directory, saves and resumes in one turn
of its main loop, or refuses while it is hashing. (d.stop and d.start would save the torrent as stopped on the way.)
If the supervisor or rTorrent dies in the middle, `switch` is called again and finds its way from where rTorrent says
the data is. Both copies stay until `confirm` has said that the one on the SSD may go.
"""

import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, Self

from supervisor.adapters import clock
from supervisor.adapters.rtorrent import CLOSED, IDLE, RTorrent, set_root
from supervisor.adapters.torrents import Torrent
from supervisor.errors import Refused, Retryable

Pause = Callable[[float], object]  # waits so many seconds, as time.sleep; may raise to leave
Files = Sequence[tuple[tuple[bytes, ...], int]]  # path below the torrent's directory in components, bytes

# What is waited for is looked at when a tenth more time has gone by, within these bounds (seconds). An outage is a few
# milliseconds, and a question costs rTorrent half of one; a check takes minutes, and on a full disk the session hours.
POLL, SELDOM = 0.005, 0.25
DOUBT = 5.0  # seconds that a wrong state must last before it is believed
SAVE_AGAIN = 2.0  # seconds after which rTorrent is asked once more to save

# rTorrent 0.9.8 counts starts and stops per tracker in a leaky bucket of 10 that drains 1 a second, and dies of an
# internal_error when it flows over. A switch counts 2, and what follows if it fails 3 more.
REST = 10.0  # seconds between two switches of one torrent
_switched: dict[str, float] = {}  # hash -> monotonic seconds of its last switch by this process

# A custom key of the torrent in rTorrent, saved with its session: the state it had before its data had to be checked.
NOTE = "seedcache"


class PointedBack(Retryable):
    """RTorrent did not take the HDD copy and has the torrent on the SSD again."""

    rolled_back = True


@dataclass(frozen=True, slots=True)
class Switched:
    """RTorrent has the torrent on the HDD, and its session on disk says so."""

    outage_seconds: float | None  # how long it did not seed; 0: it was not seeding; None: it was switched already


class _State(NamedTuple):
    """What a person has told rTorrent to do with a torrent: seed it, pause, stop or close it."""

    started: bool
    open: bool
    active: bool

    @classmethod
    def of(cls, torrent: Torrent) -> Self:
        return cls(torrent.started, torrent.open, torrent.active)

    @classmethod
    def read(cls, note: str) -> Self:
        return cls(*(digit == "1" for digit in f"{note:0<3.3}"))

    def __str__(self) -> str:
        return "".join("01"[flag] for flag in self)

    @property
    def commands(self) -> list[str]:
        """Return what brings a torrent that has just been checked to this state."""
        commands = ["d.stop="]
        if self.started:
            commands.append("d.start=")
        if self.open and not self.active:
            commands.append("d.pause=" if self.started else "d.open=")
        if not self.open:
            commands.append("d.close=")
        return commands


SEEDING = _State(started=True, open=True, active=True)


def switch(
    rtorrent: RTorrent,
    info_hash: str,
    source: bytes,
    destination: bytes,
    files: Files,
    pause: Pause,
    patience: float = 60.0,
) -> Switched:
    """Given a torrent in `source` and its proven copy in `destination`, have rTorrent seed the copy.

    Both are directories as Torrent.directory. `patience` is how many seconds rTorrent may take to look at the files,
    and to save. After any failure it may be called again, 10 s later, and goes on from there.
    Raise TorrentGone or RTorrentUnreachable; Retryable, of which PointedBack says that rTorrent was put back to the
    SSD; Refused if the copy is not whole or the torrent is elsewhere.
    """
    torrent = rtorrent.torrent(info_hash)
    if torrent.directory not in (source, destination) or source == destination:
        raise Refused(
            f"{_called(torrent)} lies in {_show(torrent.directory)}, neither on the SSD in {_show(source)} "
            f"nor on the HDD in {_show(destination)}: somebody moved it; both copies stay"
        )
    if rtorrent.custom(info_hash, NOTE):  # an earlier call left while the data was being checked
        _restore(rtorrent, torrent, source, pause, patience)
    if torrent.directory == destination:
        seeding = _taken(rtorrent, torrent, destination, None, pause, patience) is not None
        outage = None
        if not seeding or not _whole(destination, files):
            _recheck(rtorrent, torrent, source, destination, files)
            _restore(rtorrent, torrent, source, pause, patience)
    else:
        outage = _switch(rtorrent, torrent, destination, files, pause, patience)
        if outage is None:
            _recheck(rtorrent, torrent, source, destination, files)
            _restore(rtorrent, torrent, source, pause, patience)
    _save(rtorrent, torrent, destination, pause, patience, asked=outage is not None)
    return Switched(outage)


def confirm(rtorrent: RTorrent, info_hash: str, destination: bytes) -> None:
    """Return if the SSD data of a torrent may go now: rTorrent has it in `destination`, and will after a restart.

    Raise TorrentGone, RTorrentUnreachable, or Retryable that says what stands against it.
    """
    torrent = rtorrent.torrent(info_hash)
    if torrent.directory != destination:
        against = f"rTorrent has it in {_show(torrent.directory)}"
    elif torrent.hashing or not torrent.complete:
        against = "rTorrent is checking it" if torrent.hashing else "for rTorrent it is not complete"
    elif (saved := rtorrent.resume_directory(info_hash)) != destination:
        against = f"after a restart rTorrent would have it in {_show(saved or b'')}"
    else:
        return
    raise Retryable(f"{_called(torrent)} stays on the SSD: {against}, and not for certain in {_show(destination)}")


def check_layout(root: bytes, files: Files) -> None:
    """Raise Refused unless every file is below `root` with its exact size, the empty ones too.

    0.16 gets stuck when an empty file is missing, and both versions take a file that is too long.
    """
    for path, size in files:
        full = b"/".join((root, *path))
        try:
            found = os.lstat(full)
        except (FileNotFoundError, NotADirectoryError):
            raise Refused(f"{_show(full)} is missing: the copy is not whole; copy the torrent again") from None
        except OSError as error:
            raise Retryable(f"{_show(full)} cannot be looked at: {error.strerror}") from error
        if not stat.S_ISREG(found.st_mode) or found.st_size != size:
            raise Refused(f"{_show(full)} is no file of {size} bytes: the copy is not whole; copy the torrent again")


def _switch(
    rtorrent: RTorrent, torrent: Torrent, destination: bytes, files: Files, pause: Pause, patience: float
) -> float | None:
    """Do it; return how many seconds the torrent did not seed, None if rTorrent does not take the copy."""
    if torrent.hashing or not torrent.complete or torrent.meta:
        why = "rTorrent is checking it" if torrent.hashing else "it is not complete"
        raise Retryable(f"{_called(torrent)} cannot be switched now: {why}")
    _hear(destination)
    check_layout(destination, files)
    began = clock.monotonic()
    _rest(torrent, began)
    before = _State.of(torrent)
    steps: list[tuple[str, str | bytes]] = [
        (IDLE, "d.close="), (CLOSED, set_root(destination)), (CLOSED, "d.save_resume="),
    ]  # fmt: skip
    if before.open:
        steps.append((IDLE, "d.resume=" if before.active else "d.open="))
    if not rtorrent.guarded(torrent.hash, *steps):
        raise Retryable(f"{_called(torrent)} was not switched: rTorrent is checking it")
    ended = _taken(rtorrent, torrent, destination, before, pause, patience)
    if ended is None:
        return None
    return ended - began if before.active else 0.0


def _hear(root: bytes) -> None:
    """Return when the disk has answered: if it hangs, let us wait for it, and not rTorrent, which would answer nobody.

    What check_layout asks may be answered from memory: NFS keeps attributes for up to a minute (acregmax in nfs(5)).
    """
    with suppress(OSError):  # check_layout says what is wrong
        os.statvfs(root)


def _rest(torrent: Torrent, now: float) -> None:
    for old in [key for key, then in _switched.items() if now - then >= REST]:
        del _switched[old]
    if torrent.hash in _switched:
        raise Retryable(f"{_called(torrent)} was switched less than {REST:.0f} s ago; its tracker needs a rest")
    _switched[torrent.hash] = now


def _taken(
    rtorrent: RTorrent, torrent: Torrent, root: bytes, state: _State | None, pause: Pause, patience: float
) -> float | None:
    """Wait until rTorrent has the torrent complete in `root`, and in the state if one is given.

    Return when it had (monotonic seconds), or None if it will not: what it says has been wrong for some seconds.
    """
    began = right = clock.monotonic()
    while True:
        found = rtorrent.torrent(torrent.hash)
        now = clock.monotonic()
        if found.hashing:
            right = now
        elif found.directory == root and found.complete and state in (None, _State.of(found)):
            return now
        if now - right > DOUBT:
            return None
        if now - began > patience:
            raise Retryable(f"{_called(torrent)}: rTorrent is still checking it in {_show(root)}; both copies stay")
        pause(_interval(now - began))


def _interval(waited: float) -> float:
    return min(max(POLL, waited / 10), SELDOM)


def _whole(root: bytes, files: Files) -> bool:
    try:
        check_layout(root, files)
    except Refused:
        return False
    return True


def _recheck(rtorrent: RTorrent, torrent: Torrent, source: bytes, destination: bytes, files: Files) -> None:
    """Have rTorrent hash the good copy: without that it would want to download into it. It stays stopped meanwhile."""
    good = source if _whole(source, files) else destination
    check_layout(good, files)
    state = _State.of(torrent) if torrent.directory == source else SEEDING  # rTorrent stopped it when it found no data
    done = rtorrent.guarded(
        torrent.hash,
        (IDLE, "d.stop="),
        (IDLE, "d.close="),
        (IDLE, f"d.custom.set={NOTE},{state}"),
        (CLOSED, set_root(good)),
        (CLOSED, "d.save_resume="),
        (IDLE, "d.check_hash="),
    )
    if not done:
        raise Retryable(f"{_called(torrent)}: rTorrent does not have it right, and is checking it; both copies stay")


def _restore(rtorrent: RTorrent, torrent: Torrent, source: bytes, pause: Pause, patience: float) -> None:
    """Wait until the good copy has been hashed and bring the torrent to its noted state.

    Raise PointedBack if the good copy is the SSD's; Refused if it is not good.
    """
    began = clock.monotonic()
    while (found := rtorrent.torrent(torrent.hash)).hashing:
        waited = clock.monotonic() - began
        if waited > patience:
            raise PointedBack(f"{_called(torrent)}: rTorrent is still checking it in {_show(found.directory)}")
        pause(_interval(waited))
    if not found.complete:
        raise Refused(
            f"{_called(torrent)} was checked by rTorrent in {_show(found.directory)} and is not complete there; "
            "it is left stopped, nothing is removed: look at both copies, then start it"
        )
    commands = _State.read(rtorrent.custom(torrent.hash, NOTE)).commands
    done = rtorrent.guarded(torrent.hash, *((IDLE, command) for command in [*commands, f"d.custom.set={NOTE},"]))
    if not done or found.directory == source:
        raise PointedBack(f"{_called(torrent)}: rTorrent did not take the HDD copy, and has it on the SSD again")


def _save(
    rtorrent: RTorrent, torrent: Torrent, destination: bytes, pause: Pause, patience: float, *, asked: bool
) -> None:
    """Wait until the session on disk, which 0.16 writes some time later, has the destination; make it durable."""
    began = clock.monotonic()
    again = began + SAVE_AGAIN if asked else began
    while rtorrent.resume_directory(torrent.hash) != destination:
        now = clock.monotonic()
        if now >= again:
            rtorrent.guarded(torrent.hash, (IDLE, "d.save_resume="))
            again = now + SAVE_AGAIN
        if now - began > patience:
            raise Retryable(
                f"{_called(torrent)}: rTorrent seeds it from the HDD but does not save that; "
                f"is there space for its session in {_show(rtorrent.session_path())}? Both copies stay"
            )
        pause(_interval(now - began))
    rtorrent.sync_session(torrent.hash)


def _called(torrent: Torrent) -> str:
    return f"{torrent.name} ({torrent.hash})"


def _show(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")
