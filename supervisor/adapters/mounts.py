"""What tells one mounted file system from another, so that an HDD that is not mounted is refused, and not filled.

An identity is a text of facts, such as `uuid=2ddcc46c… fsid=703`: what is remembered in the journal, and compared.
f_fsid alone (statfs(2)) is not enough. XFS, F2FS and FAT make it from the number of the device: another disk that gets
the number looks the same, and the same disk with another number looks like another. Btrfs is the other way round: its
f_fsid is made from its UUID and the subvolume, and the UUID alone would miss a subvolume that is not mounted.
"""

import os
import re

from supervisor.adapters import syscalls

BTRFS = 0x9123683E
_KINDS = ("uuid", "fsid", "source")  # the best first
_ESCAPED = re.compile(rb"\\([0-7]{3})")  # proc(5): space, tab, newline and backslash in mountinfo
_UDEV = "/run/udev/data"  # what udev found on each block device; readable for all, also in a unit with PrivateDevices


def identity(where: bytes | int) -> str:
    """Given a path or the descriptor of an open directory, return the identity of its file system. Raise OSError."""
    if isinstance(where, bytes):
        descriptor = os.open(where, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return identity(descriptor)
        finally:
            os.close(descriptor)
    facts = {}
    if syscalls.filesystem_type(where) != BTRFS:
        facts["uuid"] = syscalls.filesystem_uuid(where).hex() or _udev_uuid(os.fstat(where).st_dev)
    fsid = os.fstatvfs(where).f_fsid
    facts["fsid"] = f"{fsid:x}" if fsid else ""
    if not any(facts.values()):  # network file systems
        facts["source"] = ":".join(mounted(where))
    return " ".join(f"{kind}={value}" for kind, value in facts.items() if value)


def same(known: str, found: str) -> bool:
    """Given the identity that is remembered ("" is any) and the one that is found, say whether they are of one.

    The best fact that both have decides: a newer kernel tells more, and a container less.
    """
    ours, theirs = _facts(known), _facts(found)
    both = next((kind for kind in _KINDS if kind in ours and kind in theirs), "")
    return ours[both] == theirs[both] if both else not known


def tells_more(found: str, known: str) -> bool:
    """Say whether an identity differs from the remembered one, and lacks no fact of it: then it is to be remembered."""
    return found != known and _facts(found).keys() >= _facts(known).keys()


def mounted(descriptor: int) -> tuple[str, str]:
    """Return the kind and the source of the mount behind a descriptor, as proc(5) has them; "" if it does not say."""
    try:
        with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as file:
            mount = next(line.split()[1] for line in file if line.startswith("mnt_id:"))
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            line = next(line for line in file if line.split(maxsplit=1)[0] == mount)
        kind, source = line.partition(" - ")[2].split()[:2]
    except (OSError, StopIteration, ValueError):
        return "", ""
    return kind, source


def is_mounted(path: str) -> bool:
    """Say whether a file system is mounted right there, without asking it. Such a path has no symlink in it."""
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            return any(_ESCAPED.sub(_unescaped, line.split()[4]) == os.fsencode(path) for line in file)
    except OSError:
        return False


def mount_point(path: bytes) -> bytes:
    """Given an absolute path without a symlink in it, return the mount point that it lies on."""
    while not os.path.ismount(path):
        path = os.path.dirname(path)
    return path


def on_anothers(path: bytes, others: list[bytes]) -> bytes:
    """Return the mount point that a root lies on if that looks like a disk that is not mounted; else b"".

    It does if it is the root file system, or if the disk of another root is mounted further down in it.
    """
    under = mount_point(path)
    below = under.rstrip(b"/") + b"/"
    if under == b"/" or any(mount_point(other).startswith(below) for other in others if os.path.exists(other)):
        return under
    return b""


def _facts(identity: str) -> dict[str, str]:
    return dict(fact.split("=", 1) for fact in identity.split())


def _udev_uuid(device: int) -> str:
    """Return the UUID that udev has read from a block device, as the kernel's would be written; "" if it has not.

    For kernels before 6.9. `E:ID_FS_UUID=` is what libblkid found there (udev's `blkid` builtin).
    """
    try:
        with open(f"{_UDEV}/b{os.major(device)}:{os.minor(device)}", encoding="utf-8", errors="replace") as file:
            found = next((line.strip() for line in file if line.startswith("E:ID_FS_UUID=")), "")
    except OSError:
        return ""
    return found.partition("=")[2].replace("-", "").lower()


def _unescaped(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1], 8)])
