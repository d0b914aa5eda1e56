"""Ports of 127.0.0.1 for the servers of tests that run side by side."""

import itertools
import os
import random
import socket
from collections.abc import Iterator
from contextlib import suppress

_SHARE = 1000  # ports for each of the processes that run tests side by side


def _ports() -> Iterator[int]:
    """Return the ports of this process's share in an order of its own, time and again."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 10_000 + worker % 10 * _SHARE
    chance = random.SystemRandom()  # not the one that a test may have seeded: beside it another process may have, too
    return itertools.cycle(chance.sample(range(first, first + _SHARE), _SHARE))


_port = _ports()


def free_port() -> int:
    """Return a port that nobody has, and that nobody gets who asks the kernel for any, nor an rTorrent, nor a test.

    So it is still free when a server is started on it, and when that is started again.
    """
    while True:
        port = next(_port)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
