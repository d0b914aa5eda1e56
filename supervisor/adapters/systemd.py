"""What the service manager is told: sd_notify(3), one datagram of `NAME=value` lines to the socket it named.

Without NOTIFY_SOCKET nothing is sent. A service manager that does not listen is no reason to stop: errors of the socket
are passed over. NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID are the protocol's, not settings: they are read here.
"""

import os
import socket
from contextlib import suppress

from supervisor.adapters import clock


def ready() -> None:
    """Say that the start, or a reload, is complete."""
    _send("READY=1")


def reloading() -> None:
    """Say that a reload has begun, and when (Type=notify-reload of systemd 253 wants it); `ready` ends it."""
    # Python's monotonic clock is CLOCK_MONOTONIC on Linux, the one systemd compares with.
    _send(f"RELOADING=1\nMONOTONIC_USEC={int(clock.monotonic() * 1_000_000)}")


def stopping() -> None:
    """Say that the drain has begun."""
    _send("STOPPING=1")


def watchdog() -> None:
    """Give a sign of life; to be called every `watchdog_interval` seconds."""
    _send("WATCHDOG=1")


def status(text: str) -> None:
    """Give the line that `systemctl status` shows."""
    _send("STATUS=" + " ".join(text.split()))  # a line break would begin another variable


def watchdog_interval() -> float | None:
    """Return the seconds between two signs of life: half of what systemd waits for. None: it does not wait for us.

    See sd_watchdog_enabled(3).
    """
    try:
        microseconds = int(os.environ.get("WATCHDOG_USEC", ""))
        meant = int(os.environ.get("WATCHDOG_PID", os.getpid()))
    except ValueError:
        return None
    return microseconds / 2_000_000 if microseconds > 0 and meant == os.getpid() else None


def _send(message: str) -> None:
    name = os.environ.get("NOTIFY_SOCKET", "")
    if not name.startswith(("/", "@")):
        return
    # A leading @ stands for the NUL byte of the abstract namespace (unix(7)).
    address = name.replace("@", "\0", 1) if name.startswith("@") else name
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as client:
        client.setblocking(False)  # a full queue must not hold the supervisor
        client.sendto(message.encode("utf-8", "replace"), address)
