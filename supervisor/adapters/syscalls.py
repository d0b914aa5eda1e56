"""Linux system calls that Python's os module lacks, by ctypes and ioctl. They raise OSError as os does."""

import ctypes
import fcntl
import os

_libc = ctypes.CDLL(None, use_errno=True)

RENAME_NOREPLACE = 1  # renameat2(2)
FICLONE = 0x40049409  # ioctl_ficlone(2)
_GETFSUUID = 0x80111500  # FS_IOC_GETFSUUID of linux/fs.h: a length and 16 bytes, Linux 6.9
_CACHESTAT = 451  # cachestat(2), Linux 6.5; one number on every architecture
_WRITE = 2  # SYNC_FILE_RANGE_WRITE
_WRITE_AND_WAIT = 7  # … with WAIT_BEFORE and WAIT_AFTER


class _Range(ctypes.Structure):
    _fields_ = (("offset", ctypes.c_uint64), ("length", ctypes.c_uint64))


class _Cached(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint64) for name in ("cache", "dirty", "writeback", "evicted", "recently_evicted"))


def _check(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def rename_new(source: int, name: bytes, target: int, new_name: bytes) -> None:
    """Rename `name` in the directory `source` to `new_name` in `target`; FileExistsError if that is there.

    Raise OSError(EINVAL or ENOSYS) where the file system or the kernel has no RENAME_NOREPLACE.
    """
    _check(_libc.renameat2(source, name, target, new_name, RENAME_NOREPLACE))


def filesystem_type(descriptor: int) -> int:
    """Return the magic number of a descriptor's file system (statfs(2) f_type, the first field of the structure)."""
    found = ctypes.create_string_buffer(512)
    _check(_libc.fstatfs(descriptor, found))
    return ctypes.c_long.from_buffer(found).value


def filesystem_uuid(descriptor: int) -> bytes:
    """Return the UUID of a descriptor's file system; b"" if it has none, or the kernel does not tell."""
    try:
        found = fcntl.ioctl(descriptor, _GETFSUUID, bytes(17))
    except OSError:
        return b""
    uuid = found[1 : 1 + found[0]]
    return uuid if any(uuid) else b""


def syncfs(descriptor: int) -> None:
    """Write the descriptor's whole file system to the device; errors are reported since Linux 5.8."""
    _check(_libc.syncfs(descriptor))


def clone(source: int, target: int) -> None:
    """Make the file `target` share the blocks of `source`; OSError where the file system cannot."""
    fcntl.ioctl(target, FICLONE, source)


def write_out(descriptor: int, offset: int, length: int, *, wait: bool) -> None:
    """Begin to write the dirty pages of a range to the device, or see them written (sync_file_range(2))."""
    flags = _WRITE_AND_WAIT if wait else _WRITE
    _check(_libc.sync_file_range(descriptor, ctypes.c_int64(offset), ctypes.c_int64(length), flags))


def cached_pages(descriptor: int, offset: int, length: int) -> int | None:
    """Return how many pages of a range are in the page cache; None where the kernel cannot say."""
    found = _Cached()
    span = _Range(offset, length)
    result = _libc.syscall(_CACHESTAT, descriptor, ctypes.byref(span), ctypes.byref(found), 0)
    return int(found.cache) if result == 0 else None


def io_priority(kind: int, level: int) -> None:
    """Set this process's IO class (2: best effort, 3: idle) and level (0 to 7, the lowest) (ioprio_set(2))."""
    number = {"x86_64": 251, "aarch64": 30}.get(os.uname().machine)
    if number is not None:  # elsewhere it stays as it is
        _check(_libc.syscall(number, 1, 0, kind << 13 | level))
