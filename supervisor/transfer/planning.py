"""Cuts the pieces that are to be copied into units of work, in the order of the stream, and opens the large files."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from supervisor.adapters import files
from supervisor.transfer import blocks
from supervisor.transfer.crew import ALIGN, BLOCK
from supervisor.transfer.metainfo import Metainfo
from supervisor.transfer.stream import Extent, Run, Stream

SMALL = 512 << 10  # bytes; files up to it are read and written in batches
BATCH = 1 << 20  # bytes of a batch


class Original(NamedTuple):
    """What the source file was when the copy began. A tuple, because a torrent may have 100,000."""

    mode: int
    atime: int  # ns
    mtime: int  # ns
    device: int
    inode: int
    allocated: int  # bytes
    uid: int
    gid: int


class Role(IntEnum):
    """What is done with a file of the torrent."""

    WRITE = 0
    READ = 1  # only hashed: it stands at its place already, or becomes a hard link of another
    ZEROS = 2  # a padding file that does not exist


@dataclass(slots=True)
class Handle:
    """A large file that is being copied, shared by the threads; the last one that writes to it closes it."""

    file: int
    source: int
    direct: bool  # the source is read around the page cache
    target: int | None = None  # written with O_DIRECT
    plain: int | None = None  # written through the page cache: what is no whole page
    pending: int = 0  # units on their way
    complete: bool = False  # no unit will follow

    def close(self) -> None:
        """Close its descriptors."""
        for descriptor in (self.source, self.target, self.plain):
            if descriptor is not None:
                os.close(descriptor)


@dataclass(slots=True)
class Part:
    """A range of one file within a unit."""

    file: int
    offset: int
    length: int
    place: int = 0  # in the buffer, of the page that the part begins in
    handle: Handle | None = None  # of a large file
    hole: bool = False
    data: memoryview | None = None


@dataclass(slots=True)
class Unit:
    """What one thread reads and writes in one go: a block of a large file, or a batch of small files."""

    piece: int | None  # the stream jumps to the start of this piece before it
    parts: list[Part] = field(default_factory=list)
    room: int = 0  # bytes of the buffer that are taken
    number: int = -1  # in the order of the stream
    users: int = 2  # the hashing thread and the writing one
    buffer: memoryview | None = None

    def add(self, extent: Extent, room: int) -> bool:
        """Take a range of a small file into the batch of `room` bytes; return False if it does not fit."""
        end = blocks.up(self.room + extent.offset % ALIGN + extent.length)
        if end > room and self.parts:
            return False
        self.parts.append(Part(extent.file, extent.offset, extent.length, self.room))
        self.room = end
        return True


class Plan:
    """The units, made as they are asked for. Not for two threads at once."""

    def __init__(
        self,
        meta: Metainfo,
        sources: files.Directories,
        targets: files.Directories,
        originals: Sequence[Original | None],
        roles: Sequence[int],
        block: int = BLOCK,
    ) -> None:
        """Given the torrent, both trees, and of each file what the source is and what is to be done.

        A unit reads `block` bytes at most, a multiple of a page.
        """
        self._block = block
        self.open: list[Handle] = []  # all that are not closed yet
        self.complete: list[Handle] = []  # of which the last unit has been made; for the caller to take
        self._meta, self._stream = meta, Stream(meta)
        self._sources, self._targets = sources, targets
        self._originals, self._roles = originals, roles
        self._handle: Handle | None = None

    def units(self, runs: Iterable[Run]) -> Iterator[Unit]:
        """Yield the units that copy these pieces. Raise Retryable or Refused if a large file cannot be opened."""
        for run in runs:
            unit = Unit(run[0])
            for extent in self._stream.extents(*self._stream.span(run)):
                if self._small(extent.file):
                    if not unit.add(extent, min(BATCH, self._block)):
                        yield unit
                        unit = Unit(None)
                        unit.add(extent, BATCH)
                    continue
                if unit.parts:
                    yield unit
                    unit = Unit(None)
                for part in self._large(extent):
                    yield Unit(unit.piece, [part])
                    unit.piece = None
            if unit.parts:
                yield unit
        self._leave()

    def _small(self, number: int) -> bool:
        """Say whether a file goes into a batch. A sparse one does not: its holes would be filled."""
        original, size = self._originals[number], self._meta.files[number].size
        return original is not None and size <= SMALL and original.allocated >= size

    def _large(self, extent: Extent) -> Iterator[Part]:
        original = self._originals[extent.file]
        if original is None:
            yield Part(extent.file, extent.offset, extent.length, hole=True)
            return
        if self._handle is None or self._handle.file != extent.file:
            self._leave()
            self._handle = self._enter(extent.file)
        handle, end = self._handle, extent.offset + extent.length
        segments: Iterable[tuple[int, int, bool]] = ((extent.offset, end, False),)
        if original.allocated < self._meta.files[extent.file].size:
            segments = blocks.segments(handle.source, extent.offset, end)
        for start, stop, hole in segments:
            offset = start
            while offset < stop:
                length = stop - offset if hole else min(stop, offset - offset % self._block + self._block) - offset
                handle.pending += 1
                yield Part(extent.file, offset, length, 0, handle, hole)
                offset += length

    def _enter(self, number: int) -> Handle:
        file = self._meta.files[number]
        with files.explained(self._sources.join(file.path)):
            source, direct = self._sources.open_direct(file.path, os.O_RDONLY)
            handle = Handle(number, source, direct)
            self.open.append(handle)
            if not direct:
                blocks.no_read_ahead(source)
        if self._roles[number] == Role.WRITE:
            with files.explained(self._targets.join(file.path)):
                handle.plain = self._targets.open(file.path, os.O_RDWR | os.O_CREAT, 0o600)
                handle.target, direct = self._targets.open_direct(file.path, os.O_WRONLY)
                if not direct:
                    os.close(handle.target)
                    handle.target = None
                os.ftruncate(handle.plain, file.size)
        return handle

    def _leave(self) -> None:
        if self._handle is not None:
            self._handle.complete = True
            self.complete.append(self._handle)
            self._handle = None
