"""The one pass over the source: read, SHA-1 of every piece in torrent order, write. The hot loop.

Some threads each take the next unit of work (a block of a large file, or a batch of small files), read it, hand it to
the thread that hashes, and write it. So reads, hashing and writes overlap, and many small files are made in parallel.
"""

import os
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from supervisor.adapters import devices, files, syscalls
from supervisor.errors import Retryable
from supervisor.transfer import blocks
from supervisor.transfer.crew import Crew, buffers
from supervisor.transfer.metainfo import Metainfo
from supervisor.transfer.planning import Handle, Original, Part, Plan, Role, Unit
from supervisor.transfer.proving import Tree, source_wrong
from supervisor.transfer.stream import PieceHasher, Run

WORKERS = 4
RING = 8  # buffers
FLUSH = 64 << 20  # bytes

PERMISSIONS = 0o777  # what is taken over of a mode: no set-id bits


class Copying:
    """Copies pieces of a torrent from one tree to another."""

    def __init__(
        self,
        meta: Metainfo,
        source: Tree,
        target: Tree,
        originals: Sequence[Original | None],
        roles: Sequence[int],
        crew: Crew,
        *,
        fresh: bool,
        sync_each: bool,
    ) -> None:
        """Given both trees, and of each file what the source is and what is to be done (Role).

        `fresh`: the target was empty. `sync_each`: each file is fsynced when it is complete; else the file system is
        synced now and then, and in the end by the caller.
        """
        self.done = 0  # bytes read, hashed and written so far
        self.written = 0  # of these, bytes that were written
        self._meta = meta
        self._source, self._target = source, target
        self._originals, self._roles = originals, roles
        self._crew = crew
        self._sync_each = sync_each
        self._spins = devices.spins(target[0])  # one head: one write after the other
        self._turn = 0  # the unit that may be written now, where the target spins
        self._umask = _umask() if fresh else PERMISSIONS
        self._ready: dict[int, Unit] = {}
        self._issued = 0
        self._exhausted = False

    def run(self, runs: Sequence[Run], beside: Sequence[Callable[[], None]] = ()) -> None:
        """Copy the pieces, and let the crew do what is to be done beside that.

        Raise ProofFailed if the source has a wrong piece, Retryable, Refused or Stopped.
        """
        self._ring = deque(buffers(RING))
        with files.Directories(*self._source) as sources, files.Directories(*self._target, make=True) as targets:
            self._plan = Plan(self._meta, sources, targets, self._originals, self._roles, self._crew.block)
            self._units = self._plan.units(runs)
            try:
                flushing = [] if self._sync_each else [self._flush]
                self._crew.run([self._hash, *flushing, *[self._work] * WORKERS, *beside])
            finally:
                self._ring.clear()  # the read-back brings its own buffers
                for handle in self._plan.open:  # after an error or a stop
                    with suppress(OSError):
                        if handle.plain is not None:
                            os.fsync(handle.plain)
                    handle.close()

    def _work(self) -> None:
        with files.Directories(*self._source) as sources, files.Directories(*self._target, make=True) as targets:
            while (unit := self._next()) is not None:
                self._crew.pace(sum([part.length for part in unit.parts if not part.hole]))
                for part in unit.parts:
                    self._read(part, unit, sources)
                with self._crew.changed:
                    self._ready[unit.number] = unit
                    self._crew.changed.notify_all()
                self._release(unit, self._write_unit(unit, targets))
                self._finish()
            self._finish()  # the last file is known to be complete only when there is no next unit

    def _next(self) -> Unit | None:
        """Return the next unit with a buffer, when there is one; None if all are given out.

        Units are numbered by those who have a buffer: so the one that the hashing thread waits for always has one.
        """
        crew = self._crew
        with crew.changed:
            crew.wait_for(lambda: self._ring)
            unit = next(self._units, None)
            if unit is None:
                self._exhausted = True
                crew.changed.notify_all()
                return None
            unit.number, unit.buffer = self._issued, self._ring.popleft()
            self._issued += 1
            return unit

    def _hash(self) -> None:
        """Take the units in the order of the stream, whoever read them."""
        crew, number = self._crew, 0
        hasher = PieceHasher(self._meta, 0, self._wrong)
        while True:
            with crew.changed:
                crew.wait_for(partial(self._hashable, number))
                unit = self._ready.pop(number, None)
            if unit is None:
                return
            if unit.piece is not None:
                hasher = PieceHasher(self._meta, unit.piece, self._wrong)
            for part in unit.parts:
                if part.data is None:
                    hasher.zeros(part.length)
                else:
                    hasher.feed(part.data)
            number += 1
            self._release(unit)

    def _hashable(self, number: int) -> bool:
        return number in self._ready or (self._exhausted and number == self._issued)

    def _release(self, unit: Unit, written: int = 0) -> None:
        with self._crew.changed:
            self.written += written
            unit.users -= 1
            if not unit.users and unit.buffer is not None:
                self._ring.append(unit.buffer)
                self.done += sum([part.length for part in unit.parts])
            self._crew.changed.notify_all()

    def _wrong(self, piece: int) -> None:
        raise source_wrong(self._meta, self._source, piece)

    def _path(self, tree: Tree, number: int) -> bytes:
        return b"/".join((tree[1], *self._meta.files[number].path))

    def _read(self, part: Part, unit: Unit, sources: files.Directories) -> None:
        handle, path, buffer = part.handle, self._meta.files[part.file].path, unit.buffer
        if part.hole or buffer is None:
            return
        try:
            if handle is not None:
                part.data = blocks.read_source(handle.source, buffer, part.offset, part.length, direct=handle.direct)
                return
            descriptor, direct = sources.open_direct(path, os.O_RDONLY)
            try:
                if not direct:
                    blocks.no_read_ahead(descriptor)
                room = buffer[part.place :]
                part.data = blocks.read_source(descriptor, room, part.offset, part.length, direct=direct)
                self._unchanged(part.file, descriptor)
            finally:
                os.close(descriptor)
        except (blocks.Short, FileNotFoundError) as error:
            raise Retryable(
                f"{files.show(sources.join(path))} became shorter or vanished while it was copied"
            ) from error
        except OSError as error:
            raise files.failure(error, sources.join(path)) from error

    def _unchanged(self, number: int, descriptor: int) -> None:
        """Raise Retryable if the source file is not what it was when the copy began."""
        was, info = self._originals[number], os.fstat(descriptor)
        now = (info.st_dev, info.st_ino, info.st_mtime_ns, info.st_size)
        if was is None or now != (was.device, was.inode, was.mtime, self._meta.files[number].size):
            name = files.show(self._path(self._source, number))
            raise Retryable(f"{name} was changed while it was copied; something else writes to it")

    def _write_unit(self, unit: Unit, targets: files.Directories) -> int:
        if self._spins:
            with self._crew.changed:
                self._crew.wait_for(lambda: self._turn == unit.number)
        written = sum([self._write(part, targets) for part in unit.parts])
        if self._spins:
            with self._crew.changed:
                self._turn += 1
                self._crew.changed.notify_all()
        return written

    def _flush(self) -> None:
        """Sync the file system every so many bytes: the device shall work while we do, not after us."""
        flushed, ended = 0, False
        while not ended:
            with self._crew.changed:
                self._crew.wait_for(lambda: self.written - flushed >= FLUSH or self._ended())  # noqa: B023
                flushed, ended = self.written, self._ended()
            if not ended:
                with files.explained(self._target[1]):
                    syscalls.syncfs(self._target[0])

    def _ended(self) -> bool:
        return self._exhausted and len(self._ring) == RING

    def _write(self, part: Part, targets: files.Directories) -> int:
        """Write one part; return the bytes written."""
        if self._roles[part.file] != Role.WRITE:
            written = 0
        elif part.handle is None:
            written = self._write_small(part, targets)
        else:
            with files.explained(self._path(self._target, part.file)):
                written = self._write_block(part, part.handle)
        if part.handle is not None:
            with self._crew.changed:
                part.handle.pending -= 1
        return written

    def _write_block(self, part: Part, handle: Handle) -> int:
        if handle.plain is None:
            return 0
        if part.data is None:
            blocks.clear(handle.plain, part.offset, part.offset + part.length)
            return 0
        blocks.write(handle.target, handle.plain, part.data, part.offset)
        if handle.target is None:
            blocks.write_behind(handle.plain, part.offset, part.length)
        return part.length

    def _write_small(self, part: Part, targets: files.Directories) -> int:
        path, original = self._meta.files[part.file].path, self._originals[part.file]
        if part.data is None or original is None:
            return 0
        mode = original.mode & PERMISSIONS
        try:
            descriptor = targets.open(path, os.O_WRONLY | os.O_CREAT, mode | 0o200)
            try:
                blocks.write(None, descriptor, part.data, part.offset)
                dress(descriptor, original, mode=mode & ~self._umask != mode | 0o200)
                if self._sync_each:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise files.failure(error, targets.join(path)) from error
        return part.length

    def _finish(self) -> None:
        """Give the large files that are complete their times and modes, and let go of them."""
        with self._crew.changed:
            complete = [handle for handle in self._plan.complete if not handle.pending]
            for handle in complete:
                self._plan.complete.remove(handle)
        for handle in complete:
            original = self._originals[handle.file]
            with files.explained(self._path(self._source, handle.file)):
                self._unchanged(handle.file, handle.source)
            if handle.plain is not None and original is not None:
                with files.explained(self._path(self._target, handle.file)):
                    dress(handle.plain, original)
                    if self._sync_each:
                        os.fsync(handle.plain)
            with self._crew.changed:
                self._plan.open.remove(handle)
            handle.close()


def dress(descriptor: int, original: Original, *, mode: bool = True) -> None:
    """Give a file the owner (where we may), the mode and the times (in ns) of its original. Raise OSError."""
    if (original.uid, original.gid) != (os.geteuid(), os.getegid()):
        with suppress(PermissionError):
            os.fchown(descriptor, original.uid, original.gid)
    if mode:
        os.fchmod(descriptor, original.mode & PERMISSIONS)
    os.utime(descriptor, ns=(original.atime, original.mtime))


def _umask() -> int:
    """Return this process's umask; os.umask would have to change it to tell (proc(5))."""
    with suppress(OSError), open("/proc/self/status", "rb") as file:
        for line in file:
            if line.startswith(b"Umask:"):
                return int(line.split()[1], 8)
    return PERMISSIONS
