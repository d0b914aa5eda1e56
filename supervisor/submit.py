"""``seedcache submit`` without the rest: what a hook may run. Imports os, sys and the spool. Nothing else, ever."""

import os
import sys

from supervisor import spool

USAGE = "usage: seedcache submit [-d STATE_DIR] [-e finished|inserted] HASH"


def main(arguments: list[str]) -> int:
    """Given the command line after `submit`, write the entry durably and return the exit code (0, 1 or 2)."""
    state_dir = os.environ.get("SEEDCACHE_STATE_DIR") or "/var/lib/seedcache"
    event = "finished"
    words = list(arguments)
    hashes: list[str] = []
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if name in ("-d", "--state-dir", "-e", "--event"):
            if not equals:
                if not words:
                    return _fail(2, USAGE)
                value = words.pop(0)
            if name in ("-d", "--state-dir"):
                state_dir = value
            else:
                event = value
        else:
            hashes.append(word)
    if event not in spool.EVENTS:
        return _fail(2, f"unknown event '{event}': finished or inserted")
    if len(hashes) != 1:
        return _fail(2, USAGE)
    if not spool.is_hash(hashes[0]):
        return _fail(2, f"not an info-hash (40 hexadecimal digits): {hashes[0]!r}")
    try:
        spool.write(state_dir, hashes[0], event)
    except OSError as error:
        place = spool.directory(state_dir)
        why = f"{error.strerror}. Does it exist, is there space, and may this user write there?"
        return _fail(1, f"cannot create a file in '{place}': {why}")
    return 0


def _fail(code: int, message: str) -> int:
    sys.stderr.write(f"seedcache submit: {message}\n")
    return code
