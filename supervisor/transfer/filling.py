"""Fills the partial tree: by sharing blocks, from what an earlier attempt left there, and by copying the rest."""

import os
from collections.abc import Sequence

from supervisor.adapters import devices, files, syscalls
from supervisor.errors import Refused
from supervisor.messages import Phase
from supervisor.transfer import surveying
from supervisor.transfer.copying import Copying, dress
from supervisor.transfer.crew import ALIGN, Crew
from supervisor.transfer.metainfo import Metainfo
from supervisor.transfer.planning import Role
from supervisor.transfer.proving import Proof, Tree, Watch, read_back
from supervisor.transfer.stream import Run, Stream, runs_of
from supervisor.transfer.surveying import Survey


def foreign_in(meta: Metainfo, survey: Survey, piece: int, final: Tree) -> Refused | None:
    """Return the error for a wrong piece that has a part in a file that stands at its final name, if it has one."""
    stream = Stream(meta)
    for extent in stream.extents(*stream.span((piece, piece + 1))):
        if survey.where[extent.file] == 0:
            return surveying.foreign(b"/".join((final[1], *meta.files[extent.file].path)))
    return None


class Filling:
    """Makes the partial hold what the final place lacks."""

    def __init__(
        self,
        meta: Metainfo,
        survey: Survey,
        source: Tree,
        partial: Tree,
        final: Tree,
        *,
        fresh: bool,
        sync_each: bool,
        reserve: int = 0,
    ) -> None:
        """Given the trees (`final` may be `partial` if nothing stands there) and whether the partial is new.

        `reserve` bytes are to stay free on the HDD.
        """
        self._reserve = reserve
        self.trees = (final, partial)
        self.filled: list[Run] = []  # the pieces that were written
        self.written = 0  # bytes copied
        self._meta, self._stream, self._survey = meta, Stream(meta), survey
        self._source, self._partial = source, partial
        self._fresh, self._sync_each = fresh, sync_each

    def clone(self) -> bool:
        """Let the copy share the source's blocks where one file system holds both and can; return whether it does."""
        with files.Directories(*self._source) as sources, files.Directories(*self._partial, make=True) as targets:
            for number, file in enumerate(self._meta.files):
                if self._survey.roles[number] == Role.WRITE and file.size and not self._clone(number, sources, targets):
                    return False
        self.filled = [(0, self._meta.count)]
        return True

    def _clone(self, number: int, sources: files.Directories, targets: files.Directories) -> bool:
        path, original = self._meta.files[number].path, self._survey.originals[number]
        with files.explained(targets.join(path)):
            source = sources.open(path, os.O_RDONLY)
            try:
                target = targets.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
                try:
                    syscalls.clone(source, target)
                    if original is not None:
                        dress(target, original)
                    if self._sync_each:
                        os.fsync(target)
                except OSError:
                    os.unlink(path[-1], dir_fd=targets.parent(path))
                    return False
                finally:
                    os.close(target)
            finally:
                os.close(source)
        return True

    def copy(self, watch: Watch) -> None:
        """Copy what is lacking while what is there is read back; then copy what was there and is wrong.

        A disk that spins does the one after the other. Raise ProofFailed if the source has a wrong piece, Refused for
        a foreign file, Retryable or Stopped.
        """
        lacking, allocated = self._lacking()
        surveying.check_space(
            self._meta, self._survey, allocated, self._partial, reserve=self._reserve, fresh=self._fresh
        )
        there = self._others(lacking)
        wrong: list[int] = []
        spins = devices.spins(self._partial[0])
        if lacking and not spins:
            self._copy(lacking, there, wrong, watch)
        elif there:
            read_back(self._meta, self.trees, self._survey.where, there, watch, Phase.RESUME, wrong.append)
        for piece in wrong:
            extents = self._stream.extents(*self._stream.span((piece, piece + 1)))
            if all(self._survey.where[extent.file] != 1 for extent in extents):
                raise foreign_in(self._meta, self._survey, piece, self.trees[0]) or _no_padding(piece)
        self.filled = _union(lacking, wrong)
        rest = self.filled if spins else runs_of(sorted(wrong))
        if rest:
            self._copy(rest, [], wrong, watch)

    def _lacking(self) -> tuple[list[Run], int]:
        if self._fresh and Role.READ not in self._survey.roles:
            return [(0, self._meta.count)], 0
        with files.Directories(*self._partial) as directories:
            extents, allocated = surveying.left(self._meta, directories, self._survey)
        pieces = set[int]()
        for extent in extents:
            pieces.update(range(*self._stream.pieces_of(extent.file, extent.offset, extent.offset + extent.length)))
        return runs_of(sorted(pieces)), allocated

    def _others(self, runs: Sequence[Run]) -> list[Run]:
        ends = [0, *(end for run in runs for end in run), self._meta.count]
        return [(first, last) for first, last in zip(ends[::2], ends[1::2], strict=True) if first < last]

    def _copy(self, runs: Sequence[Run], beside: Sequence[Run], wrong: list[int], watch: Watch) -> None:
        """Copy pieces, and read others back beside that; those that are wrong are appended."""
        total = self._bytes(runs) + self._bytes(beside)
        proof = Proof(self._meta, self.trees, self._survey.where, wrong.append)
        crew = Crew(watch.stopping, lambda: watch.report(Phase.COPY, copying.done + proof.done, total), watch.brake)
        copying = Copying(
            self._meta,
            self._source,
            self._partial,
            self._survey.originals,
            self._survey.roles,
            crew,
            fresh=self._fresh,
            sync_each=self._sync_each,
        )
        copying.run(runs, proof.threads(crew, beside) if beside else ())
        self.written += copying.written

    def touched(self) -> list[Run]:
        """Return the pieces that share a page of a file with those that were written: they must be proven."""
        around = -(-ALIGN // self._meta.piece_length)
        pieces = set[int]()
        for first, last in self.filled:
            pieces.update(range(max(0, first - around), min(self._meta.count, last + around)))
        return runs_of(sorted(pieces))

    def kept(self) -> int:
        """Return how many bytes an earlier attempt had left that were right."""
        runs = self._others(self.filled)
        extents = [extent for run in runs for extent in self._stream.extents(*self._stream.span(run))]
        return sum(extent.length for extent in extents if self._survey.roles[extent.file] == Role.WRITE)

    def _bytes(self, runs: Sequence[Run]) -> int:
        return sum(end - start for start, end in map(self._stream.span, runs))


def _union(runs: Sequence[Run], pieces: Sequence[int]) -> list[Run]:
    return runs_of(sorted({piece for first, last in runs for piece in range(first, last)}.union(pieces)))


def _no_padding(piece: int) -> Refused:
    return Refused(f"piece {piece} is no zeros although the torrent calls it padding; the torrent is broken")
