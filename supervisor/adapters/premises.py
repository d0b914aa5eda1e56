"""The directories that are only ours: who else may change them could plant what we then believe, or write to."""

import os
import stat
from dataclasses import dataclass

from supervisor.adapters import durable
from supervisor.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Premises:
    """One directory, and what it may be."""

    path: str
    link: bool  # it may be reached by a symbolic link, which only its parent's owner can have made
    shared: bool  # all may write there if it has the sticky bit, as /tmp: nobody can take away what is ours


def places(state_dir: str, lock_dir: str) -> tuple[Premises, ...]:
    """Given the configured directories, return those that a supervisor needs, each after the one it lies in."""
    return (
        Premises(state_dir, link=True, shared=False),
        *(Premises(os.path.join(state_dir, name), link=False, shared=False) for name in ("spool", "metainfo", "run")),
        Premises(lock_dir, link=True, shared=True),
    )


def make(place: Premises) -> None:
    """Make the directory, durably, if it is missing. Raise ConfigurationError if others may change it; OSError."""
    durable.make_directory(place.path)
    problem = fault(place, os.geteuid())
    if problem:
        raise ConfigurationError(f"{place.path} {problem}")


def fault(place: Premises, user: int) -> str:
    """Say why a directory is not safe for a user (id) to work in, and the remedy; empty if it is. Raise OSError."""
    info = os.stat(place.path, follow_symlinks=place.link)
    if not stat.S_ISDIR(info.st_mode):
        return "is no directory of ours but a symbolic link or a file; look who made it, and remove it"
    if info.st_uid not in (0, user):
        return f"belongs to user {info.st_uid}, who could change what is in it; chown it to user {user}"
    if info.st_mode & stat.S_IWOTH and not (place.shared and info.st_mode & stat.S_ISVTX):
        return "can be written by every user of this machine; chmod o-w it, and look what is in it"
    return ""
