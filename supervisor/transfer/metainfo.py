"""Reads a torrent's metafile (BEP 3, v1 and the v1 part of hybrids). Strict, bounded, standard library only."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from supervisor.adapters import bencode
from supervisor.adapters.bencode import Value
from supervisor.errors import Refused, Retryable

MAX_SIZE = 1 << 60  # bytes of payload; above it off_t arithmetic is near its end
MAX_COMPONENT = 255  # NAME_MAX of every Linux file system a torrent can lie on
MAX_PATH = 3800  # of PATH_MAX (4096), so that a root fits in front
MAX_COMPONENTS = 64  # of one path: what walks along it has as many directories open, or calls
MAX_NAMES = 1_000_000  # of all paths together; the memory for the directories above the files grows with them
DIGEST = 20  # bytes of a SHA-1


@dataclass(frozen=True, slots=True)
class File:
    """One file of a torrent; `path` is relative to d.directory, in components as rTorrent names them on disk."""

    path: tuple[bytes, ...]
    size: int  # bytes
    padding: bool = False  # BEP 47 attr "p": zeros; rTorrent 0.9 writes it as a file, newer ones need not


@dataclass(frozen=True, slots=True)
class Metainfo:
    """What a torrent says about its data."""

    hash: str
    name: bytes
    multi: bool  # a directory of files; else one file called `name`
    files: tuple[File, ...]
    piece_length: int  # bytes
    pieces: bytes  # the SHA-1 digests, one after the other
    size: int  # bytes of all files

    @property
    def count(self) -> int:
        """Return the number of pieces."""
        return len(self.pieces) // DIGEST


def read(path: bytes, expected_hash: str) -> Metainfo:
    """Given the path of a metafile and the torrent's info-hash (40 upper-case hex digits), return what it says.

    Raise Refused if it is not that torrent's, is hostile or malformed, or has no v1 pieces; Retryable if unreadable.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(bencode.LARGEST + 1)
    except OSError as error:
        raise Retryable(f"cannot read the metafile {_show(path)}: {error.strerror}") from error
    try:
        return parse(data, expected_hash)
    except Refused as error:
        raise Refused(f"the metafile {_show(path)} cannot be used: {error}") from None


def parse(data: bytes, expected_hash: str) -> Metainfo:
    """Given the bytes of a metafile and the info-hash it must have, return what it says. Raise Refused."""
    try:
        info, raw = _info(data)
    except bencode.Malformed as error:
        raise Refused(str(error)) from None
    found = hashlib.sha1(raw, usedforsecurity=False).hexdigest().upper()
    if found != expected_hash:
        raise Refused(f"it is of torrent {found}, not of {expected_hash}")
    name = _component(info.get(b"name"))
    files = tuple(_files(info, name))
    size = sum(file.size for file in files)
    pieces, length = info.get(b"pieces"), info.get(b"piece length")
    if pieces is None and info.get(b"meta version") == 2:  # noqa: PLR2004 - BEP 52 calls it 2
        raise Refused("it is a pure v2 torrent (BEP 52): it has no SHA-1 pieces, and rTorrent cannot load it")
    if not isinstance(length, int) or not 0 < length <= 1 << 32:
        raise Refused("its piece length is missing or senseless")
    if not isinstance(pieces, bytes) or len(pieces) % DIGEST:
        raise Refused("its pieces are missing or no multiple of 20 bytes")
    if size == 0 or size > MAX_SIZE or len(pieces) // DIGEST != -(-size // length):
        raise Refused("its pieces do not fit the size of its files")
    _no_name_twice(files)
    return Metainfo(expected_hash, name, b"files" in info, files, length, pieces, size)


def _files(info: dict[bytes, Value], name: bytes) -> Iterator[File]:
    listed = info.get(b"files")
    if listed is None:
        yield File((name,), _size(info.get(b"length")))
        return
    if b"length" in info or not isinstance(listed, list) or not listed:
        raise Refused("it has both one and many files, or no list of them")
    names = 0
    for entry in listed:
        if not isinstance(entry, dict):
            raise Refused("an entry of its file list is not a dictionary")
        path = entry.get(b"path")
        if not isinstance(path, list) or not path:
            raise Refused("a file has no path")
        components = tuple(_component(component) for component in path)
        names += len(components)
        if len(components) > MAX_COMPONENTS or names > MAX_NAMES:
            raise Refused(f"a path has more than {MAX_COMPONENTS} parts, or all paths have more than {MAX_NAMES}")
        if sum(map(len, components)) + len(components) > MAX_PATH:
            raise Refused(f"a path is longer than {MAX_PATH} bytes")
        attributes = entry.get(b"attr", b"")
        padding = isinstance(attributes, bytes) and b"p" in attributes
        yield File(components, _size(entry.get(b"length")), padding)


def _component(value: Value | None) -> bytes:
    if not isinstance(value, bytes):
        raise Refused("a name is missing or no string")
    if value in (b"", b".", b"..") or b"/" in value or b"\0" in value:
        raise Refused(f"a name leads out of its directory or is none: {value[:80]!r}")
    if len(value) > MAX_COMPONENT:
        raise Refused(f"a name is longer than {MAX_COMPONENT} bytes: {value[:80]!r}…")
    return value


def _size(value: Value | None) -> int:
    if not isinstance(value, int) or not 0 <= value <= MAX_SIZE:
        raise Refused(f"the size of a file is missing or senseless: {value!r:.40}")
    return value


def _no_name_twice(files: tuple[File, ...]) -> None:
    """Raise Refused if two files have one name, or if one is a directory of another."""
    # Sorted, what lies below a name comes right after it.
    names = sorted(file.path for file in files)
    for name, following in pairwise(names):
        if name == following:
            raise Refused("two of its files have the same name")
        if following[: len(name)] == name:
            raise Refused(f"{_show(b'/'.join(name))} is both a file and a directory")


def _info(data: bytes) -> tuple[dict[bytes, Value], bytes]:
    """Return the info dictionary and its raw bytes: the info-hash is of what is written, not of what it means."""
    if data[:1] != b"d":
        raise Refused("it is no bencoded dictionary")
    position, info, raw = 1, None, b""
    while data[position : position + 1] != b"e":
        key, start = bencode.value(data, position)
        found, position = bencode.value(data, start)
        if key == b"info":
            if info is not None:
                raise Refused("it has two info dictionaries")
            info, raw = found, data[start:position]
    if position + 1 != len(data):
        raise Refused("bytes follow its end")
    if not isinstance(info, dict):
        raise Refused("it has no info dictionary")
    return info, raw


def _show(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")
