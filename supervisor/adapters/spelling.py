"""The real bytes of a name or path that rTorrent tells.

It does not always tell them (measured on both versions): 0.9.8 answers "?" and 0.16 "%E9" for each byte that is not
UTF-8 of the Basic Multilingual Plane, which an emoji is not; a carriage return becomes a newline; other control
characters come raw, which is not XML at all, and are replaced by "?". What may have been changed on the way is read
from rTorrent's session on disk.
"""

import re
from collections.abc import Callable, Iterator

from supervisor.errors import ConfigurationError

_CHANGED = re.compile(rb"\?|%[0-9A-F]{2}|\n|\xef\xbf\xbd")  # what rTorrent or we may have put in place of other bytes
_LONGEST = 4096  # bytes, PATH_MAX: what is longer is no path, and takes long to compare


def spelled(told: bytes, find: Callable[[bytes, str], bytes | None], saved_in: bytes, info_hash: str) -> bytes:
    """Return the real bytes of what rTorrent told: those found in its session, if they are what it may have meant."""
    if len(told) > _LONGEST or not _CHANGED.search(told):
        return told
    try:
        real = find(saved_in, info_hash)
    except ConfigurationError:  # the session may not be read: the other torrents can still be told right
        return told
    return real if real is not None and _may_mean(told, real) else told


def _may_mean(told: bytes, real: bytes) -> bool:
    """Say whether rTorrent tells the one as the other.

    All positions in `real` that what was told so far may end at are followed at once: a stranger made the name, and one
    expression for all of it can take hours to fail.
    """
    ends, position = {0}, 0
    for match in _CHANGED.finditer(told):
        same, position = told[position : match.start()], match.end()
        ends = {end + len(same) for end in ends if real.startswith(same, end)}
        ends = {end for start in ends for end in _ends(match[0], real, start)}
    return any(real[end:] == told[position:] for end in ends)


def _ends(found: bytes, real: bytes, start: int) -> Iterator[int]:
    """Yield where in `real` what rTorrent tells as `found` may end that starts there."""
    if found in (b"?", b"\xef\xbf\xbd"):
        yield from range(start + 1, min(start + (1 if found == b"?" else 3), len(real)) + 1)
        return
    meant = (b"\r\n", b"\r", b"\n") if found == b"\n" else (found, bytes([int(found[1:], 16)]))
    for bytes_ in meant:
        if real.startswith(bytes_, start):
            yield start + len(bytes_)
