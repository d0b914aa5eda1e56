"""A disk that does not answer, played in this process: who asks what a path on it is (lstat) waits for its mending."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from supervisor.adapters import resolving
from supervisor.adapters.patience import Patience


@contextmanager
def hanging(part: bytes) -> Iterator[None]:
    """For the time of the block let all paths that hold `part` lie on such a disk; nobody waits long for it."""
    mended, real = threading.Event(), os.lstat

    def asked(path: Any, *arguments: Any, **options: Any) -> os.stat_result:
        if isinstance(path, str | bytes) and part in os.fsencode(path):
            mended.wait()
        return real(path, *arguments, **options)

    with mock.patch.object(os, "lstat", asked), mock.patch.object(resolving, "_patience", Patience(1.0)):
        try:
            yield
        finally:
            mended.set()
