"""Reads and writes ranges of open files, around the page cache where the file system can."""

import errno
import fcntl
import os
from collections.abc import Iterator

from supervisor.adapters import syscalls
from supervisor.transfer.crew import ALIGN, BLOCK

_BEHIND = 2 * BLOCK  # bytes that are on their way to the device while the next are written


class Short(Exception):
    """The file ends before the range does."""


def down(offset: int) -> int:
    """Return the offset rounded down to what O_DIRECT takes."""
    return offset - offset % ALIGN


def up(offset: int) -> int:
    """Return the offset rounded up to what O_DIRECT takes."""
    return -(-offset // ALIGN) * ALIGN


def read(descriptor: int, buffer: memoryview, offset: int, length: int, *, direct: bool) -> memoryview:
    """Fill the buffer with a file's range, in whole pages if direct; return the part that is the range.

    Raise Short if the file ends before, OSError.
    """
    first = down(offset)
    wanted, room, got = offset + length - first, up(offset + length) - first, 0
    while got < wanted:
        try:
            count = os.preadv(descriptor, [buffer[got:room]], first + got)
        except OSError as error:
            if error.errno != errno.EINVAL or not direct or got % ALIGN:
                raise
            _no_longer_direct(descriptor)
            direct = False
            continue
        got += count
        if not count or (direct and count % ALIGN and got < wanted):
            raise Short
    return buffer[offset - first : wanted]


def no_read_ahead(descriptor: int) -> None:
    """Let reads bring in what they ask for and no more, so that read_source sees what was cached before."""
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)


def read_source(descriptor: int, buffer: memoryview, offset: int, length: int, *, direct: bool) -> memoryview:
    """As read, but leave the page cache as it was: pages that were there before stay, others go. Raise as read."""
    if direct:
        return read(descriptor, buffer, offset, length, direct=True)
    first = down(offset)
    cold = syscalls.cached_pages(descriptor, first, up(offset + length) - first) == 0
    data = read(descriptor, buffer, offset, length, direct=False)
    if cold:
        os.posix_fadvise(descriptor, first, up(offset + length) - first, os.POSIX_FADV_DONTNEED)
    return data


def write(direct: int | None, plain: int, data: memoryview, offset: int) -> None:
    """Write to a file's range: whole pages by the O_DIRECT descriptor if there is one, the rest by the other one.

    For the direct part the data must lie in memory as it lies in pages of the file. Raise OSError.
    """
    end = offset + len(data)
    start, stop = up(offset), down(end)
    if direct is None or start >= stop:
        _write_all(plain, data, offset)
        return
    _write_all(plain, data[: start - offset], offset)
    try:
        _write_all(direct, data[start - offset : stop - offset], start)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        _no_longer_direct(direct)
        _write_all(direct, data[start - offset : stop - offset], start)
    _write_all(plain, data[stop - offset :], stop)


def clear(descriptor: int, offset: int, end: int) -> None:
    """See that a range reads as zeros; a hole stays one. Raise OSError."""
    for start, stop, hole in segments(descriptor, offset, end):
        if not hole:
            for at in range(start, stop, BLOCK):
                _write_all(descriptor, memoryview(bytes(min(BLOCK, stop - at))), at)


def write_behind(descriptor: int, offset: int, length: int) -> None:
    """After a buffered write of a range, start it on its way to the device, and drop what has arrived there."""
    syscalls.write_out(descriptor, offset, length, wait=False)
    old = offset - _BEHIND
    if old >= 0:
        syscalls.write_out(descriptor, old, BLOCK, wait=True)
        os.posix_fadvise(descriptor, old, BLOCK, os.POSIX_FADV_DONTNEED)


def segments(descriptor: int, offset: int, end: int) -> Iterator[tuple[int, int, bool]]:
    """Yield a file's range as (from, to, whether it is a hole), by SEEK_DATA and SEEK_HOLE (lseek(2))."""
    while offset < end:
        try:
            data = min(end, os.lseek(descriptor, offset, os.SEEK_DATA))
        except OSError as error:
            if error.errno == errno.EINVAL:  # cannot say: all is data
                yield offset, end, False
                return
            if error.errno != errno.ENXIO:  # nothing but a hole from here on
                raise
            data = end
        if data > offset:
            yield offset, data, True
        if data < end:
            offset = min(end, os.lseek(descriptor, data, os.SEEK_HOLE))
            yield data, offset, False
        else:
            offset = end


def _write_all(descriptor: int, data: memoryview, offset: int) -> None:
    while data:
        count = os.pwrite(descriptor, data, offset)
        data, offset = data[count:], offset + count


def _no_longer_direct(descriptor: int) -> None:
    """Some file systems take O_DIRECT at open and refuse it later: go on through the page cache."""
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags & ~os.O_DIRECT)
