"""A torrent is one stream of bytes, cut into files and, independently, into pieces. The arithmetic of that. Pure."""

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from supervisor.transfer.metainfo import DIGEST, Metainfo

_ZEROS = memoryview(bytes(1 << 20))

Run = tuple[int, int]  # consecutive pieces: the first, and the one after the last


@dataclass(frozen=True, slots=True)
class Extent:
    """A range of one file, in bytes; `file` is its index in the torrent."""

    file: int
    offset: int
    length: int


class Stream:
    """Finds files and pieces in a torrent's stream."""

    def __init__(self, meta: Metainfo) -> None:
        self.meta = meta
        self.starts = [0, *accumulate(file.size for file in meta.files)]

    def span(self, run: Run) -> tuple[int, int]:
        """Return the bytes of the stream that a run of pieces covers: from, to."""
        length = self.meta.piece_length
        return run[0] * length, min(run[1] * length, self.meta.size)

    def extents(self, start: int, end: int) -> Iterator[Extent]:
        """Yield the ranges of files that make up the stream's bytes from `start` to `end`; empty files have none."""
        file = bisect_right(self.starts, start, hi=len(self.meta.files)) - 1
        while start < end:
            stop = min(end, self.starts[file + 1])
            if stop > start:
                yield Extent(file, start - self.starts[file], stop - start)
                start = stop
            file += 1

    def pieces_of(self, file: int, offset: int, end: int) -> Run:
        """Return the run of pieces that a file's bytes from `offset` to `end` have a part in; empty for no bytes."""
        length, start = self.meta.piece_length, self.starts[file]
        first = (start + offset) // length
        return first, max(first, -(-(start + end) // length)) if end > offset else first

    def groups(self, runs: Iterable[Run], size: int) -> Iterator[Run]:
        """Cut runs into shorter ones of about `size` bytes, of one piece at least."""
        step = max(1, size // self.meta.piece_length)
        for first, last in runs:
            for start in range(first, last, step):
                yield start, min(last, start + step)

    def name(self, piece: int) -> tuple[int, int]:
        """Return the file a piece begins in, and the offset there."""
        first = next(self.extents(*self.span((piece, piece + 1))))
        return first.file, first.offset


def runs_of(pieces: Iterable[int]) -> list[Run]:
    """Given rising piece numbers, return them as runs."""
    found: list[Run] = []
    for piece in pieces:
        if found and found[-1][1] == piece:
            found[-1] = (found[-1][0], piece + 1)
        else:
            found.append((piece, piece + 1))
    return found


@lru_cache(maxsize=4)
def _digest_of_zeros(length: int) -> bytes:
    found = hashlib.sha1(usedforsecurity=False)
    for start in range(0, length, len(_ZEROS)):
        found.update(_ZEROS[: length - start])
    return found.digest()


class PieceHasher:
    """Is fed the stream from the start of a piece on, and compares each piece with the torrent when it is full."""

    def __init__(self, meta: Metainfo, piece: int, wrong: Callable[[int], None]) -> None:
        """Given the first piece to come; `wrong` is called with each piece that does not match."""
        self._meta = meta
        self._wrong = wrong
        self._begin(piece)

    def _begin(self, piece: int) -> None:
        self._piece = piece
        self._hash = hashlib.sha1(usedforsecurity=False)
        self._left = self._size = min(self._meta.piece_length, self._meta.size - piece * self._meta.piece_length)

    def feed(self, data: memoryview) -> None:
        """Take the next bytes of the stream."""
        while data:
            part = data[: self._left]
            self._hash.update(part)
            self._left -= len(part)
            data = data[len(part) :]
            if not self._left:
                self._compare(self._hash.digest())

    def zeros(self, length: int) -> None:
        """Take so many zero bytes; whole pieces of them cost nothing after the first of their length."""
        while length:
            todo = min(length, self._left)
            length -= todo
            if todo == self._size:
                self._compare(_digest_of_zeros(todo))
                continue
            while todo:
                part = _ZEROS[:todo]
                todo -= len(part)
                self.feed(part)

    def _compare(self, digest: bytes) -> None:
        at = self._piece * DIGEST
        if digest != self._meta.pieces[at : at + DIGEST]:
            self._wrong(self._piece)
        self._begin(self._piece + 1)
