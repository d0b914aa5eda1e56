"""What the service's user may do: `check` is often run by root, who may do everything and would find nothing."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class User:
    """Somebody whose rights are looked at."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    ours: bool  # it is us

    @property
    def name(self) -> str:
        """Return its name, or its number if it has none, as users in containers."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return str(self.uid)

    def may(self, path: str | bytes, mode: int) -> bool:
        """Given a path and os.R_OK, W_OK, X_OK, say whether the user may do that there."""
        with self.acting():
            return os.access(path, mode, effective_ids=True)

    @contextmanager
    def acting(self) -> Iterator[None]:
        """Be the user for a moment. Nothing may be imported in it: where Python lies may be out of the user's reach."""
        if self.ours:
            yield
            return
        before = os.getegid(), os.getgroups()
        os.setgroups(self.groups)
        os.setegid(self.gid)
        os.seteuid(self.uid)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(before[0])
            os.setgroups(before[1])


def ourselves() -> User:
    """Return who we are."""
    return User(os.geteuid(), os.getegid(), tuple(os.getgroups()), ours=True)


def owner_of(path: str) -> User:
    """Return to whom a file or directory belongs. Raise OSError."""
    status = os.stat(path)
    try:
        groups = os.getgrouplist(pwd.getpwuid(status.st_uid).pw_name, status.st_gid)
    except KeyError:
        groups = [status.st_gid]
    return User(status.st_uid, status.st_gid, tuple(groups), ours=status.st_uid == os.geteuid())
