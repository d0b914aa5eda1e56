"""The block devices that files lie on."""

import os
from contextlib import suppress

from supervisor.adapters import mounts


def number(path: bytes | int) -> int:
    """Return the number of the device behind a path or descriptor (st_dev). Raise OSError."""
    return os.stat(path).st_dev


def spins(descriptor: int) -> bool:
    """Say whether a file or directory lies on a disk that spins.

    Btrfs and others number their files' devices themselves (st_dev); what was mounted is then told by the mount table
    (proc(5): mnt_id in fdinfo, mountinfo).
    """
    device = os.fstat(descriptor).st_dev
    if os.major(device):
        return rotational(device)
    with suppress(OSError):
        return rotational(os.stat(mounts.mounted(descriptor)[1]).st_rdev)
    return False


def rotational(device: int) -> bool:
    """Say whether a device number belongs to a disk that spins. Unknown (network, memory): no.

    A partition has no queue of its own: the disk's, one level up, counts. The device mapper and md pass the flag on
    from what they lie on (Linux, queue/rotational in Documentation/ABI/stable/sysfs-block).
    """
    block = f"/sys/dev/block/{os.major(device)}:{os.minor(device)}"
    for queue in (f"{block}/queue", f"{block}/../queue"):
        try:
            with open(f"{queue}/rotational", encoding="ascii") as file:
                return file.read().strip() == "1"
        except OSError:
            continue
    return False
