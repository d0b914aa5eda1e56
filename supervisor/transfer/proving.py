"""Reads a copy back from the device and compares every piece with the torrent's SHA-1.

Each thread takes some consecutive pieces, reads them and hashes them, so reading and hashing overlap and two cores hash
at once. The page cache is no witness: what it holds of a file is dropped first, and O_DIRECT goes around it.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from supervisor.adapters import devices, files
from supervisor.errors import Retryable
from supervisor.messages import Phase
from supervisor.transfer import blocks
from supervisor.transfer.crew import BLOCK, Crew, buffers
from supervisor.transfer.metainfo import Metainfo
from supervisor.transfer.pacing import Brake
from supervisor.transfer.stream import Extent, PieceHasher, Run, Stream

READERS = 4


class ProofFailed(Retryable):
    """Bytes are wrong: on the SSD, on the HDD, or on the way."""

    proof = True


Tree = tuple[int, bytes]  # a directory's descriptor, and its path for messages


Report = Callable[[Phase, int, int], None]  # what is being done, bytes done, bytes in all
Stopping = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Watch:
    """What goes with a delivery through all its steps."""

    report: Report
    stopping: Stopping
    brake: Brake


def copy_wrong(meta: Metainfo, piece: int) -> ProofFailed:
    """Return the error for a piece that the HDD has wrong."""
    number, offset = Stream(meta).name(piece)
    name = files.show(b"/".join(meta.files[number].path))
    return ProofFailed(
        f"the HDD copy does not match piece {piece} of {name} (offset {offset}); it must be copied again"
    )


def source_wrong(meta: Metainfo, source: Tree, piece: int) -> ProofFailed:
    """Return the error for a piece that the SSD has wrong."""
    number, offset = Stream(meta).name(piece)
    name = files.show(b"/".join((source[1], *meta.files[number].path)))
    return ProofFailed(f"SSD data wrong at piece {piece}, {name} offset {offset}: recheck the torrent in rTorrent")


class Proof:
    """Reads pieces back, from files that may lie in several trees (published, and still in the partial)."""

    def __init__(
        self,
        meta: Metainfo,
        trees: Sequence[Tree],
        where: Sequence[int | None],
        wrong: Callable[[int], None],
    ) -> None:
        """Given of each file the index of its tree, or None for zeros that lie nowhere; and what wrong pieces go to.

        Its threads raise what `wrong` raises, Retryable or Refused.
        """
        self.done = 0  # bytes read back so far
        self._stream = Stream(meta)
        self._trees = trees
        self._where = where
        self._wrong = wrong

    def threads(self, crew: Crew, runs: Iterable[Run], *, spins: bool = False) -> list[Callable[[], None]]:
        """Return what proves the pieces, for the crew to run. A disk that spins is read in order."""
        self._groups = enumerate(self._stream.groups(runs, BLOCK))
        self._turn = 0 if spins else None  # whose reads the head follows: an unfair lock would make it jump
        memory = buffers(2 if spins else READERS)
        return [partial(self._work, crew, buffer) for buffer in memory]

    def _work(self, crew: Crew, buffer: memoryview) -> None:
        with ExitStack() as stack:
            directories = [stack.enter_context(files.Directories(*tree)) for tree in self._trees]
            reader = _Reader(self._stream.meta, directories, self._where, buffer, crew)
            stack.callback(reader.close)
            while True:
                with crew.changed:
                    crew.check()
                    number, run = next(self._groups, (0, None))
                if run is None:
                    return
                hasher = PieceHasher(self._stream.meta, run[0], self._wrong)
                start, end = self._stream.span(run)
                self._wait_for_turn(number, crew)
                left = end - start
                for extent in self._stream.extents(start, end):
                    for data in reader.read(extent):
                        left -= data if isinstance(data, int) else len(data)
                        if not left:
                            self._pass_turn(crew)  # the next reads while the last of this is hashed
                        if isinstance(data, int):
                            hasher.zeros(data)
                        else:
                            hasher.feed(data)
                with crew.changed:
                    self.done += end - start

    def _wait_for_turn(self, number: int, crew: Crew) -> None:
        if self._turn is not None:
            with crew.changed:
                crew.wait_for(lambda: self._turn == number)

    def _pass_turn(self, crew: Crew) -> None:
        if self._turn is not None:
            with crew.changed:
                self._turn += 1
                crew.changed.notify_all()


class _Reader:
    """One thread's reading of one file after the other."""

    def __init__(
        self,
        meta: Metainfo,
        directories: Sequence[files.Directories],
        where: Sequence[int | None],
        buffer: memoryview,
        crew: Crew,
    ) -> None:
        self._crew = crew
        self._meta = meta
        self._directories = directories
        self._where = where
        self._buffer = buffer
        self._file = self._descriptor = -1

    def read(self, extent: Extent) -> Iterator[memoryview | int]:
        """Yield what the range holds, block by block, each valid until the next; of a hole, how many zeros it is."""
        tree = self._where[extent.file]
        if tree is None:
            yield extent.length
            return
        file, directories = self._meta.files[extent.file], self._directories[tree]
        try:
            if extent.file != self._file:
                self._open(extent.file, directories)
            end = extent.offset + extent.length
            segments: Iterable[tuple[int, int, bool]] = ((extent.offset, end, False),)
            if self._sparse:
                segments = blocks.segments(self._descriptor, extent.offset, end)
            for start, stop, hole in segments:
                if hole:
                    yield stop - start
                    continue
                for offset in range(start, stop, self._crew.block):
                    length = min(self._crew.block, stop - offset)
                    self._crew.pace(length)
                    yield blocks.read(self._descriptor, self._buffer, offset, length, direct=self._direct)
                    if self._lingers:
                        os.posix_fadvise(self._descriptor, offset, length, os.POSIX_FADV_DONTNEED)
        except (blocks.Short, FileNotFoundError) as error:
            raise ProofFailed(
                f"the HDD copy lacks {files.show(directories.join(file.path))} or a part of it; it must be copied again"
            ) from error
        except OSError as error:
            raise files.failure(error, directories.join(file.path)) from error

    def _open(self, number: int, directories: files.Directories) -> None:
        self.close()
        directories.direct = directories.direct or directories.through_cache
        self._descriptor, self._direct = directories.open_direct(self._meta.files[number].path, os.O_RDONLY)
        self._file, self._lingers = number, directories.through_cache or not self._direct
        info = os.fstat(self._descriptor)
        size = self._meta.files[number].size
        if not files.regular(info) or info.st_size != size:
            raise blocks.Short
        self._sparse = files.allocated(info) < size
        os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = self._file = -1


def read_back(
    meta: Metainfo,
    trees: Sequence[Tree],
    where: Sequence[int | None],
    runs: Sequence[Run],
    watch: Watch,
    phase: Phase,
    wrong: Callable[[int], None],
) -> None:
    """Prove pieces as Proof does, with a crew of its own. Raise what `wrong` raises, Retryable, Refused or Stopped."""
    stream = Stream(meta)
    total = sum(end - start for start, end in map(stream.span, runs))
    watch.report(phase, 0, total)
    proof = Proof(meta, trees, where, wrong)
    crew = Crew(watch.stopping, lambda: watch.report(phase, proof.done, total), watch.brake)
    spins = devices.spins(trees[-1][0])
    crew.run(proof.threads(crew, runs, spins=spins))
