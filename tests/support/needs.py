"""What a test needs of the machine: it skips with the reason, or fails where skipping is not allowed."""

import os
import shutil
from typing import NoReturn

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MUST_NOT_SKIP = bool(os.environ.get("CI")) or os.environ.get("SEEDCACHE_TESTS_MUST_NOT_SKIP") == "1"


def lacking(reason: str) -> NoReturn:
    """Skip the test for the reason, or fail it when the environment says that nothing may be skipped."""
    if MUST_NOT_SKIP:
        pytest.fail(f"{reason}; script/bootstrap installs what is needed", pytrace=False)
    pytest.skip(reason)


def need_root() -> None:
    """Skip unless run by root: mounts, other users' files, freezing other processes."""
    if os.geteuid() != 0:
        lacking("needs root")


def need_program(name: str) -> str:
    """Given a program, return its path; skip if the machine has none."""
    return shutil.which(name) or lacking(f"needs the program {name}")
