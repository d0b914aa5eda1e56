"""RTorrent's session directory, read from disk: what rTorrent will believe of its torrents after a restart.

Per torrent it holds HASH.torrent (the metafile), HASH.torrent.rtorrent (bencoded, with `directory`) and
HASH.torrent.libtorrent_resume (the files' mtimes). rTorrent replaces each by a rename, without fsync.
"""

import os
from typing import Any

from supervisor.adapters import bencode, clock
from supervisor.errors import ConfigurationError

_SETTLING = 60.0  # seconds after its start in which rTorrent may not have loaded all of it yet


def metafile(session: bytes, info_hash: str) -> bytes:
    """Return the path of rTorrent's own copy of a torrent's metafile."""
    return os.path.join(session, b"%s.torrent" % info_hash.encode())


def hashes(session: bytes) -> frozenset[str]:
    """Return the torrents that the session has. Raise ConfigurationError if it may not be read."""
    try:
        names = os.listdir(session)
    except OSError as error:
        raise _unreadable(session, error) from error
    return frozenset(os.fsdecode(name.removesuffix(b".torrent")) for name in names if name.endswith(b".torrent"))


def directory(session: bytes, info_hash: str) -> bytes | None:
    """Return the directory, no trailing slash, that a torrent's data has after a restart of rTorrent.

    None if the session does not have the torrent (yet). Raise ConfigurationError if it may not be read.
    """
    found = _load(metafile(session, info_hash) + b".rtorrent", b"directory")
    return found.rstrip(b"/") or b"/" if isinstance(found, bytes) else None


def name(session: bytes, info_hash: str) -> bytes | None:
    """Return the name in a torrent's metafile, None if it has none. Raise ConfigurationError if it may not be read."""
    found = _load(metafile(session, info_hash), b"info", b"name")
    return found if isinstance(found, bytes) else None


def _load(path: bytes, *keys: bytes) -> Any:  # noqa: ANN401 - whatever stands there
    """Return what a bencoded file has below the keys, None if there is no such file or it is cut off: a full disk."""
    try:
        with open(path, "rb") as file:
            found: Any = bencode.value(file.read(bencode.LARGEST + 1), 0)[0]
        for key in keys:
            found = found[key]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from error
    except (LookupError, TypeError, bencode.Malformed):
        return None
    return found


def sync(session: bytes, info_hash: str) -> None:
    """Make what the session says of a torrent survive a power failure. Raise ConfigurationError if it is not there."""
    base = metafile(session, info_hash)
    for path in (base + b".rtorrent", base + b".libtorrent_resume", session):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)  # Linux takes it of a descriptor that only reads
            finally:
                os.close(descriptor)
        except OSError as error:
            raise _unreadable(path, error) from error


def loading(session: bytes, listed: int) -> bool:
    """Say whether rTorrent, which lists so many torrents, has just started and is still loading the others.

    0.16 answers with no torrents for its first 50 ms. rTorrent writes its lock file when it starts.
    """
    try:
        if clock.now() - os.stat(os.path.join(session, b"rtorrent.lock")).st_mtime > _SETTLING:
            return False
        return listed < sum(name.endswith(b".torrent") for name in os.listdir(session))
    except OSError:
        return False


def _unreadable(path: bytes, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"cannot read {os.fsdecode(path)} of rTorrent's session: {error.strerror}; "
        "the supervisor must see the directory under the same path, and its user be in rTorrent's group"
    )
