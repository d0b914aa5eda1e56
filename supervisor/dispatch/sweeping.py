"""Looks over rTorrent, the journal and the trees of the disks for what disagrees, and mends what is safe.

It takes its time, so it is a process of its own, niced: the command `reconcile`, or, now and then, what the supervisor
starts:

python -P -m supervisor.dispatch.sweeping      reads the pickled settings, mends, writes a pickled Report
"""

import heapq
import itertools
import os
import pickle
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING

from supervisor import spool
from supervisor.adapters import clock, session, trees
from supervisor.adapters.resolving import all_resolved
from supervisor.dispatch import reconciling, trash
from supervisor.dispatch.destinations import root_of
from supervisor.dispatch.inquirer import metainfo_path
from supervisor.dispatch.planning import inside
from supervisor.dispatch.reconciling import Finding, Kind, Report
from supervisor.errors import SeedcacheError, TransferError
from supervisor.jobs import Job, Proof, State
from supervisor.journal import Journal, place
from supervisor.messages import Place
from supervisor.settings import Settings
from supervisor.transfer import abandoning, metainfo

if TYPE_CHECKING:
    from supervisor.adapters.rtorrent import RTorrent
    from supervisor.adapters.torrents import Torrent

MOST = 500  # findings of a kind that are kept, the largest
_YOUNG = 3600.0  # seconds: data that was written since may be that of a torrent that is about to be added
_GOES_ON = frozenset({State.SUBMITTED, State.COPYING, State.WAITING, State.FAILED})  # with its partial copy
_BEFORE, _AFTER = b".seedcache-", b".partial"


def places(settings: Settings, journal: Journal) -> tuple[Place, list[Place]]:
    """Return the SSD and the HDDs as the journal knows them."""
    roots = [os.fsencode(root) for root in (settings.download_path_ssd, *settings.final_dest_base_hdd)]
    ssd, *hdds = [Place(root, journal.filesystem(root) or "") for root in roots]
    return ssd, hdds


def sweep(settings: Settings, journal: Journal, rtorrent: "RTorrent", now: float) -> Report:
    """Look everything over; change nothing. Raise RTorrentUnreachable."""
    ssd, hdds = places(settings, journal)
    torrents = all_resolved(rtorrent.torrents())
    look = _Look(settings.state_dir, journal, torrents, cache(rtorrent.session_path))
    notes: list[str] = []
    tally = _Tally()
    tally.add(reconciling.drift(torrents, journal.job, ssd.path, now))
    tally.add(look.copies(hdds))
    for seek, root in ((look.strays, ssd), *((look.partials, hdd) for hdd in hdds)):
        try:
            tally.add(seek(root, now))
        except TransferError as error:
            notes.append(str(error))
    for torrent in all_resolved(rtorrent.torrents()):  # what was added while we looked
        if torrent.hash not in look.listed:
            tally.drop(Kind.STRAY, lambda path, base=torrent.base: inside(base, path) or inside(path, base))  # type: ignore[misc]
    return Report(now, tuple(tally.findings()), dict(tally.count), dict(tally.size), tuple(notes))


class _Tally:
    """Counts all findings, and keeps the largest of each kind."""

    def __init__(self) -> None:
        self.count, self.size = Counter[str](), Counter[str]()
        self._kept: dict[Kind, list[tuple[int, int, Finding]]] = {kind: [] for kind in Kind}
        self._serial = itertools.count()

    def add(self, findings: Iterable[Finding]) -> None:
        for each in findings:
            self.count[each.kind] += 1
            self.size[each.kind] += each.size
            kept = self._kept[each.kind]
            (heapq.heappush if len(kept) < MOST else heapq.heappushpop)(kept, (each.size, next(self._serial), each))

    def drop(self, kind: Kind, path_is: Callable[[bytes], bool]) -> None:
        for entry in [entry for entry in self._kept[kind] if path_is(entry[2].path)]:
            self._kept[kind].remove(entry)
            self.count[kind] -= 1
            self.size[kind] -= entry[2].size

    def findings(self) -> Iterator[Finding]:
        for kept in self._kept.values():
            yield from (each for _, _, each in sorted(kept, reverse=True))


class _Look:
    """One look at the disks, with what rTorrent and the journal say."""

    def __init__(
        self, state_dir: str, journal: Journal, torrents: Sequence["Torrent"], home: Callable[[], bytes]
    ) -> None:
        self._state_dir, self._journal, self._torrents, self._home = state_dir, journal, torrents, home
        self.listed = {torrent.hash for torrent in torrents}

    def strays(self, ssd: Place, now: float) -> Iterator[Finding]:
        """Yield the data on the SSD that no torrent lists, the largest of it if it is much."""
        claims: dict[bytes, list[Callable[[], set[tuple[bytes, ...]] | None]]] = {}
        single: set[bytes] = set()
        for torrent in self._torrents:
            if torrent.meta:
                continue
            if torrent.multi:
                claims.setdefault(torrent.directory, []).append(partial(self._names, torrent))
            else:
                single.add(self._file(torrent))
        found = (each for each in trees.strays(ssd, claims, single) if each.changed < now - _YOUNG)
        for each in found:
            what = "1 file" if each.files == 1 else f"{each.files} files"
            yield Finding(Kind.STRAY, f"{what} that no torrent lists", path=each.path, size=each.size)

    def _names(self, torrent: "Torrent") -> set[tuple[bytes, ...]] | None:
        for path in (metainfo_path(self._state_dir, torrent.hash), session.metafile(self._home(), torrent.hash)):
            if os.path.exists(path):
                try:
                    return {file.path for file in metainfo.read(path, torrent.hash).files}
                except TransferError:
                    continue
        return None

    def _file(self, torrent: "Torrent") -> bytes:
        """Return the path of a torrent of one file; where its name was not told, the metafile has it."""
        names = self._names(torrent) if "\N{REPLACEMENT CHARACTER}" in torrent.name else None
        return b"/".join((torrent.directory, *min(names))) if names else torrent.base

    def copies(self, hdds: Sequence[Place]) -> Iterator[Finding]:
        """Yield the copies that we made and whose torrents rTorrent no longer has."""
        used = {torrent.base for torrent in self._torrents}
        for job in self._journal.jobs([State.RELOCATED, State.GONE]):
            if job.hash in self.listed or job.proof is Proof.NONE or not job.destination:
                continue
            path = job.destination if job.multi else b"/".join((job.destination, os.fsencode(job.name)))
            root = root_of(path, [hdd.path for hdd in hdds])
            if root is not None and path not in used and os.path.lexists(path):
                text = "a copy whose torrent was erased in rTorrent"
                yield Finding(Kind.COPY, text, job.hash, job.name, path, job.size)

    def partials(self, hdd: Place, _now: float) -> Iterator[Finding]:
        """Yield the copies in the making that nobody will go on with: found where copies go, and by their names."""
        parents = {_parent(job) for job in self._journal.jobs(State) if inside(job.destination, hdd.path)}
        for parent in sorted(parents):
            for name in trees.entries(hdd, parent):
                job_hash = name.removeprefix(_BEFORE).removesuffix(_AFTER).decode(errors="replace")
                if name != _BEFORE + job_hash.encode(errors="replace") + _AFTER or not spool.is_hash(job_hash):
                    continue
                job = self._journal.job(job_hash)
                if job is None or job.state not in _GOES_ON:
                    text = f"left of a copy of a torrent that is {job.state if job else 'not in the journal'}"
                    where = b"/".join((parent, name))
                    named = job.name if job else ""
                    yield Finding(Kind.PARTIAL, text, job_hash, named, where, mends=job is not None)


def _parent(job: Job) -> bytes:
    return job.destination.rpartition(b"/")[0] if job.multi else job.destination


def mend(report: Report, settings: Settings, journal: Journal, now: float) -> Report:
    """Put right what may be: hand in what was missed, remove what is left of copies, empty the trash of what is old.

    Return the report without what was mended now.
    """
    ssd, hdds = places(settings, journal)
    notes: list[str] = []
    left: list[Finding] = []
    for each in report.findings:
        try:
            if not each.mends or not _mended(each, settings.state_dir, hdds):
                left.append(each)
        except (OSError, SeedcacheError) as error:
            notes.append(str(error))
            left.append(each)
    for root in (ssd, *hdds):
        try:
            trees.empty_trash(root, partial(trash.old, now=now, days=settings.trash_retention))
        except (OSError, SeedcacheError) as error:
            notes.append(str(error))
    count = Counter(report.count) - Counter(each.kind.value for each in report.findings if each not in left)
    return replace(report, findings=tuple(left), count=dict(count), notes=(*report.notes, *notes))


def _mended(finding: Finding, state_dir: str, hdds: Iterable[Place]) -> bool:
    if finding.kind is Kind.MISSED:
        spool.write(state_dir, finding.hash, "finished")
        return True
    hdd = next((hdd for hdd in hdds if inside(finding.path, hdd.path)), None)
    if finding.kind is not Kind.PARTIAL or hdd is None:
        return False
    parent, _, name = finding.path.rpartition(b"/")
    abandoning.abandon(hdd, parent, name, metainfo_path(state_dir, finding.hash), finding.hash)
    return True


def _main() -> None:
    from supervisor.adapters.rtorrent import RTorrent  # noqa: PLC0415  (after the niceness)

    os.nice(10)
    settings: Settings = pickle.load(sys.stdin.buffer)  # noqa: S301  (our own parent wrote it)
    try:
        journal = Journal(place(settings.state_dir), read_only=True)
        rtorrent = RTorrent(settings.scgi_url, settings.rpc_timeout)
        found = sweep(settings, journal, rtorrent, clock.now())
        answer: Report | str = mend(found, settings, journal, clock.now())
    except SeedcacheError as error:
        answer = str(error)
    sys.stdout.buffer.write(pickle.dumps(answer))


if __name__ == "__main__":
    _main()
