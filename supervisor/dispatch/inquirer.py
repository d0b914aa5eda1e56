"""Asks rTorrent, in a thread of the parent, so that a slow answer holds up nothing else. Only reads.

One question at a time, and none while rTorrent is known to be away: then it is tried again after 1, 2, 4 … 60 seconds.
"""

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import TYPE_CHECKING, TypeVar

from supervisor.adapters import clock, durable, session
from supervisor.adapters.bencode import LARGEST
from supervisor.adapters.resolving import all_resolved, resolved
from supervisor.dispatch.downloads import Download, Downloads
from supervisor.dispatch.kinship import Kinship, Ties
from supervisor.errors import ConfigurationError, RTorrentUnreachable, SeedcacheError, TorrentGone

if TYPE_CHECKING:
    from supervisor.adapters.torrents import Torrent

log = logging.getLogger(__name__)

_T = TypeVar("_T")
_MANY = (
    20  # look-ups that wait: from here on one call for all torrents is less work for rTorrent than one call for each
)
_LONGEST_BACK_OFF = 60.0  # seconds
_PULSE = 30.0  # seconds between two calls when nobody asks


@dataclass(frozen=True, slots=True)
class Located:
    """RTorrent has the torrent, and its metafile is kept."""

    hash: str
    torrent: "Torrent"
    kin: tuple[str, ...] = ()  # hashes of others with some of the same files, by device and inode


@dataclass(frozen=True, slots=True)
class Unlisted:
    """RTorrent answered, and does not have the torrent."""

    hash: str


@dataclass(frozen=True, slots=True)
class Unusable:
    """RTorrent has the torrent, but its metafile cannot be used."""

    hash: str
    reason: str


@dataclass(frozen=True, slots=True)
class Surveyed:
    """All torrents."""

    torrents: tuple["Torrent", ...]
    ties: Ties = field(default_factory=Ties)
    saved: frozenset[str] | None = None  # the hashes that its session on disk has; None: it cannot be read


@dataclass(frozen=True, slots=True)
class Call:
    """One call ended: well (no error) or not."""

    seconds: float
    error: str


@dataclass(frozen=True, slots=True)
class Downloading:
    """All torrents that are not finished, measured on their disk."""

    downloads: tuple[Download, ...]
    round: int  # of the last question that was asked before they were looked at: see Inquirer.downloads


Answer = Located | Unlisted | Unusable | Surveyed | Downloading | Call


def metainfo_path(state_dir: str, job_hash: str) -> bytes:
    """Given the state directory and a hash, return where our copy of the torrent's metafile is kept."""
    return os.fsencode(os.path.join(state_dir, "metainfo", f"{job_hash}.torrent"))


def _metafile(state_dir: str, home: Callable[[], bytes], job_hash: str) -> bytes:
    """Return where a metafile is: kept here, or in rTorrent's session."""
    kept = metainfo_path(state_dir, job_hash)
    return kept if os.path.exists(kept) else session.metafile(home(), job_hash)


def _saved(home: Callable[[], bytes]) -> frozenset[str] | None:
    try:
        return session.hashes(home())
    except ConfigurationError:
        return None


class Inquirer(threading.Thread):
    """The thread."""

    def __init__(self, state_dir: str, ssd: str, url: str, timeout: float, answer: Callable[[Answer], None]) -> None:
        super().__init__(name="inquirer", daemon=True)
        self._state_dir = state_dir
        self._answer = answer
        self._where = (url, timeout)
        self._ssd = ssd
        self._kinship: Kinship | None = None
        self._wanted: dict[str, None] = {}  # hashes, in order of asking
        self._survey = False
        self._measure = False
        self._round = 0
        self._downloads = Downloads()
        self._leave = False
        self.back_off = 0.0  # seconds until rTorrent is asked again; 0: it answers
        self._changed = threading.Condition()

    def look_up(self, job_hash: str) -> None:
        """Given a hash, have Located, Unlisted or Unusable answered for it some time."""
        with self._changed:
            self._wanted[job_hash] = None
            self._changed.notify()

    def survey(self) -> None:
        """Have Surveyed answered some time."""
        with self._changed:
            self._survey = True
            self._changed.notify()

    def downloads(self) -> int:
        """Have Downloading answered some time; return the round that the answer will have, or a later one.

        It is answered unasked, too: that is what rTorrent is asked for when there is nothing else.
        """
        with self._changed:
            self._measure = True
            self._round += 1
            self._changed.notify()
            return self._round

    def reach(self, ssd: str, url: str, timeout: float) -> None:
        """Given new settings, use them from the next call on."""
        with self._changed:
            self._where = (url, timeout)
            if ssd != self._ssd:
                self._ssd, self._kinship = ssd, None
            self._changed.notify()

    def leave(self) -> None:
        """End the thread after the call at hand."""
        with self._changed:
            self._leave = True
            self._changed.notify()

    def run(self) -> None:
        """Ask and answer until told to leave."""
        asked = False
        while True:
            with self._changed:
                if self.back_off:
                    self._changed.wait_for(lambda: self._leave, timeout=self.back_off)
                elif asked:
                    self._changed.wait_for(self._asked, timeout=_PULSE)
                if self._leave:
                    return
                hashes, survey, where = list(self._wanted), self._survey, self._where
                measure, number = self._measure or not (hashes or survey), self._round
            try:
                if measure:
                    self._look_at_downloads(where, number)
                if hashes or survey:
                    self._ask(where, hashes, survey=survey)
                self.back_off, asked = 0.0, True
            except RTorrentUnreachable:
                self.back_off = min(max(self.back_off * 2, 1.0), _LONGEST_BACK_OFF)
            except Exception as error:  # a defect; without this thread no torrent would ever be looked up again
                log.exception("while rTorrent was asked", extra={"action": "unexpected"})
                self._answer(Call(0.0, f"unexpected {type(error).__name__}: {error}; please report this"))
                self.back_off = min(max(self.back_off * 2, 1.0), _LONGEST_BACK_OFF)

    def _asked(self) -> bool:
        return bool(self._leave or self._survey or self._wanted or self._measure)

    def _look_at_downloads(self, where: tuple[str, float], number: int) -> None:
        from supervisor.adapters.rtorrent import RTorrent  # noqa: PLC0415  (87 ms and 10 MB: only once it is needed)

        found = self._timed(partial(self._downloads.ask, RTorrent(*where)))
        with self._changed:
            self._measure = self._measure and self._round > number
        torrents = all_resolved(each.torrent for each in found)
        resolved_ones = (replace(each, torrent=torrent) for each, torrent in zip(found, torrents, strict=True))
        self._answer(Downloading(tuple(resolved_ones), number))

    def _ask(self, where: tuple[str, float], hashes: list[str], *, survey: bool) -> None:
        from supervisor.adapters.rtorrent import RTorrent  # noqa: PLC0415  (as above)

        rtorrent = RTorrent(*where)
        home = cache(lambda: rtorrent.session or rtorrent.session_path())  # one call, however many are looked up
        metafile = partial(_metafile, self._state_dir, home)
        with self._changed:
            kinship = self._kinship = self._kinship or Kinship(os.fsencode(self._ssd))
        if survey or len(hashes) >= _MANY or (hashes and not kinship.whole):
            torrents = all_resolved(self._timed(rtorrent.torrents))
            ties = kinship.look(torrents, metafile)
            if survey:
                with self._changed:
                    self._survey = False
                self._answer(Surveyed(tuple(torrents), ties, _saved(home)))
            known = {torrent.hash: torrent for torrent in torrents}
        else:
            known = {}
        for job_hash in hashes:
            torrent = known.get(job_hash)
            try:
                # One that the list lacks is asked for by name: the list may be younger than the torrent.
                torrent = torrent or resolved(self._timed(partial(rtorrent.torrent, job_hash)))
                answer = self._keep_metainfo(home, torrent)
                if isinstance(answer, Located):
                    answer = replace(answer, kin=kinship.of(torrent, metafile))
            except TorrentGone:
                answer = Unlisted(job_hash)
            with self._changed:
                self._wanted.pop(job_hash, None)
            self._answer(answer)

    def _keep_metainfo(self, home: Callable[[], bytes], torrent: "Torrent") -> Answer:
        """Keep our own copy of the metafile: it proves the HDD copy even after rTorrent has forgotten the torrent."""
        from supervisor.transfer import metainfo  # noqa: PLC0415  (as above)

        kept = metainfo_path(self._state_dir, torrent.hash)
        if torrent.meta or os.path.exists(kept):
            return Located(torrent.hash, torrent)
        try:
            with open(session.metafile(home(), torrent.hash), "rb") as file:
                data = file.read(LARGEST + 1)
            metainfo.parse(data, torrent.hash)
            durable.replace(os.fsdecode(kept), data, durable=True)
        except RTorrentUnreachable:
            raise
        except (OSError, SeedcacheError) as error:
            return Unusable(torrent.hash, f"its metafile in rTorrent's session cannot be used: {error}")
        return Located(torrent.hash, torrent)

    def _timed(self, call: Callable[[], _T]) -> _T:
        started = clock.monotonic()
        try:
            result = call()
        except RTorrentUnreachable as error:
            self._answer(Call(clock.monotonic() - started, str(error)))
            raise
        except TorrentGone:
            self._answer(Call(clock.monotonic() - started, ""))
            raise
        except SeedcacheError as error:  # it answers, but cannot be worked with: it keeps no session, say
            self._answer(Call(clock.monotonic() - started, str(error)))
            raise RTorrentUnreachable(str(error)) from error
        self._answer(Call(clock.monotonic() - started, ""))
        return result
