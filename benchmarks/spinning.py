"""A disk that spins, simulated: one file in a FUSE file system, served by one thread as one head would.

    python spinning.py DIRECTORY GIB      serves DIRECTORY/disk until it is unmounted

A request takes its bytes at 160 MB/s; one that does not follow the last takes a seek (1 ms, and up to 8 ms more with
the square root of the distance) and half a rotation at 7200/min. Its cache holds 16 MB. The bytes lie in memory. Put a
loop device with direct IO on the file: its block layer merges and sorts as it does for a real disk. The protocol is
that of linux/fuse.h.
"""

import ctypes
import errno
import math
import mmap
import os
import stat
import struct
import sys
import time

RATE = 160e6  # bytes per second
SEEK = 0.001, 0.008  # seconds: the shortest, and what the longest takes more
HALF_ROTATION = 0.5 * 60 / 7200
SKIPPED = 1 << 20  # bytes; a gap up to it just passes under the head

CACHE = 0.1  # seconds of the head's work that the disk's own cache holds: 16 MB

FORGET, INTERRUPT, BATCH_FORGET = 2, 36, 42  # get no answer
LARGEST = 1 << 20  # bytes of one request
DIRECT_IO = 1  # FOPEN_DIRECT_IO
ASYNC_READ, BIG_WRITES, ASYNC_DIO, MAX_PAGES = 1, 1 << 5, 1 << 15, 1 << 22


class Disk:
    """The bytes, and the time that it takes to get at them."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.memory = mmap.mmap(-1, size)
        self.head = 0
        self.free_at = 0.0

    def read(self, offset: int, length: int) -> memoryview:
        """Return a range when the head has passed over it. What follows was read ahead while nobody asked."""
        lead = CACHE if offset == self.head else 0.0
        self._move(offset, length, time.monotonic() - lead)
        self.flush()
        return memoryview(self.memory)[offset : offset + length]

    def write(self, offset: int, data: memoryview) -> None:
        """Take a range; its cache hides the head's way until it is full."""
        self._move(offset, len(data), time.monotonic())
        self.memory[offset : offset + len(data)] = bytes(data)
        self.flush(CACHE)

    def flush(self, ahead: float = 0.0) -> None:
        """Wait until the head has done all but so many seconds of its work."""
        time.sleep(max(0.0, self.free_at - ahead - time.monotonic()))

    def _move(self, offset: int, length: int, earliest: float) -> None:
        took = length / RATE
        gap = offset - self.head
        if 0 < gap <= SKIPPED:
            took += gap / RATE
        elif gap:
            took += SEEK[0] + SEEK[1] * math.sqrt(abs(gap) / self.size) + HALF_ROTATION
        self.head = offset + length
        self.free_at = max(self.free_at, earliest) + took


class Server:
    """Answers the kernel, one request after the other."""

    def __init__(self, device: int, disk: Disk) -> None:
        self.device, self.disk = device, disk

    def serve(self) -> None:
        """Serve until it is unmounted."""
        while True:
            try:
                request = memoryview(os.read(self.device, LARGEST + 4096))
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return
                if error.errno in (errno.ENOENT, errno.EINTR):
                    continue
                raise
            _, opcode, unique, node = struct.unpack_from("IIQQ", request)
            if opcode in (FORGET, BATCH_FORGET, INTERRUPT):
                continue
            answer = self.answer(opcode, node, request[40:])
            error, data = (-answer, b"") if isinstance(answer, int) else (0, answer)
            os.writev(self.device, [struct.pack("IiQ", 16 + len(data), error, unique), data])

    def answer(self, opcode: int, node: int, body: memoryview) -> bytes | memoryview | int:
        """Return the answer to one request, or an error number."""
        match opcode:
            case 26:  # INIT
                flags = struct.unpack_from("IIII", body)[3] & (ASYNC_READ | BIG_WRITES | ASYNC_DIO | MAX_PAGES)
                pages = LARGEST // mmap.PAGESIZE
                return struct.pack("IIIIHHIIHHII24x", 7, 31, LARGEST, flags, 64, 48, LARGEST, 1, pages, 0, 0, 0)
            case 1:  # LOOKUP
                if bytes(body).rstrip(b"\0") != b"disk":
                    return errno.ENOENT
                return struct.pack("QQQQII", 2, 0, 3600, 3600, 0, 0) + self.attributes(2)
            case 3 | 4:  # GETATTR, SETATTR
                return struct.pack("QII", 3600, 0, 0) + self.attributes(node)
            case 14 | 27:  # OPEN, OPENDIR
                return struct.pack("QII", 1, DIRECT_IO, 0)
            case 15:  # READ
                _, offset, size = struct.unpack_from("QQI", body)
                size = max(0, min(size, self.disk.size - offset))
                return self.disk.read(offset, size)
            case 16:  # WRITE
                _, offset, size = struct.unpack_from("QQI", body)
                self.disk.write(offset, body[40 : 40 + size])
                return struct.pack("II", size, 0)
            case 17:  # STATFS
                return struct.pack("QQQQQIIII24x", self.disk.size >> 12, 0, 0, 2, 0, 4096, 255, 4096, 0)
            case 20:  # FSYNC
                self.disk.flush()
                return b""
            case 18 | 25 | 29 | 34 | 38:  # RELEASE, FLUSH, RELEASEDIR, ACCESS, DESTROY
                return b""
        return errno.ENOSYS

    def attributes(self, node: int) -> bytes:
        """Return struct fuse_attr of the root (1) or the disk (2)."""
        size, mode = (0, stat.S_IFDIR | 0o755) if node == 1 else (self.disk.size, stat.S_IFREG | 0o600)
        return struct.pack("QQQQQQIIIIIIIIII", node, size, size >> 9, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def main() -> None:
    """Mount and serve."""
    where, gib = os.fsencode(sys.argv[1]), float(sys.argv[2])
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other,max_read={LARGEST}".encode()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"spinning", where, b"fuse", 0, options) != 0:
        raise OSError(ctypes.get_errno(), "cannot mount")
    print("mounted", flush=True)
    Server(device, Disk(int(gib * 2**30))).serve()


if __name__ == "__main__":
    main()
