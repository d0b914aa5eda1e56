"""Files with awkward names, and torrents (BEP 3, version 1) of them."""

import hashlib
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

# rTorrent 0.9.8 takes no torrent without a tracker. Nothing listens there: each announce is refused at once.
ANNOUNCE = b"http://127.0.0.1:9/announce"

Pathlike = str | bytes | os.PathLike[str]

# Relative path -> size. Every name is legal on ext4, xfs and btrfs, and one component has the full 250 bytes.
AWKWARD: dict[bytes, int] = {
    b"plain.bin": 100_000,
    b"with spaces and 'single' and \"double\" quotes.bin": 30_001,
    b"commas, semicolons; and = signs.bin": 7,
    b"dollar $d.name= percent %41 braces {a,b} $(touch x) `id`.bin": 40_000,
    b"back\\slash \\n and \\\\.bin": 1,
    b"-leading-dash": 12_345,
    b" edge whitespace ": 54_321,
    "emoji \N{ROCKET}\N{SNOWMAN} and caf\N{LATIN SMALL LETTER E WITH ACUTE}.bin".encode(): 65_536,
    b"L" * 250: 20_000,
    b"nested/one two/{three}/$four/deep.bin": 90_000,
    b"nested/empty": 0,
    b"zero-byte.nfo": 0,
    b"~tilde": 3,
    b"#hash !bang &and *star ?what [set] <lt> |pipe": 333,
}


def bencode(value: object) -> bytes:
    """Given ints, bytes, str, lists and dicts, return them bencoded (BEP 3)."""
    match value:
        case int():
            return b"i%de" % value
        case str():
            return bencode(os.fsencode(value))
        case bytes():
            return b"%d:%s" % (len(value), value)
        case Mapping():
            items = sorted((os.fsencode(key), item) for key, item in value.items())
            return b"d" + b"".join(bencode(key) + bencode(item) for key, item in items) + b"e"
        case Sequence():
            return b"l" + b"".join(map(bencode, value)) + b"e"
    raise TypeError(f"cannot be bencoded: {value!r}")


def write_tree(root: Pathlike, sizes: Mapping[bytes, int] = AWKWARD, seed: int = 1) -> bytes:
    """Write files of the given sizes with reproducible random content below `root` (made); return `root` as bytes."""
    top = os.fsencode(root)
    os.makedirs(top, exist_ok=True)
    source = random.Random(seed)
    for relative, size in sizes.items():
        path = os.path.join(top, relative)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            left = size
            while left:
                left -= file.write(source.randbytes(min(left, 1 << 20)))
    return top


@dataclass(frozen=True, slots=True)
class Torrent:
    """A torrent that was made."""

    hash: str  # 40 upper-case hex digits
    metafile: bytes  # path of the .torrent
    name: bytes  # of the file, or of the directory
    multi: bool
    files: tuple[tuple[tuple[bytes, ...], int], ...]  # (path components below the root, bytes); single: ((name,), size)
    piece_length: int
    size: int  # bytes


def _walk(top: bytes) -> Iterator[bytes]:
    for directory, folders, names in os.walk(top):
        folders.sort()
        for name in sorted(names):
            yield os.path.relpath(os.path.join(directory, name), top)


def make_torrent(
    data: Pathlike,
    metafile: Pathlike,
    *,
    piece_length: int = 32768,
    private: bool = False,
    name: bytes | None = None,
    order: Sequence[bytes] | None = None,
) -> Torrent:
    """Given a file or a directory, write its .torrent and return what was made.

    A private torrent takes no peers by hand. `name` replaces the base name; `order` gives the files' relative
    paths where the sorted order will not do.
    """
    top, target = os.fsencode(data), os.fsencode(metafile)
    multi = os.path.isdir(top)
    called = os.path.basename(top) if name is None else name
    relatives = (list(order) if order is not None else list(_walk(top))) if multi else [b""]
    pieces, buffer, files = [], b"", []
    for relative in relatives:
        path = os.path.join(top, relative) if multi else top
        size = 0
        with open(path, "rb") as file:
            while chunk := file.read(piece_length - len(buffer)):
                size += len(chunk)
                buffer += chunk
                if len(buffer) == piece_length:
                    pieces.append(hashlib.sha1(buffer).digest())
                    buffer = b""
        files.append((tuple(relative.split(b"/")) if multi else (called,), size))
    if buffer:
        pieces.append(hashlib.sha1(buffer).digest())
    info: dict[str, object] = {"name": called, "piece length": piece_length, "pieces": b"".join(pieces)}
    if private:
        info["private"] = 1
    if multi:
        info["files"] = [{"length": size, "path": list(parts)} for parts, size in files]
    else:
        info["length"] = files[0][1]
    with open(target, "wb") as file:
        file.write(bencode({"announce": ANNOUNCE, "info": info}))
    digest = hashlib.sha1(bencode(info)).hexdigest().upper()
    total = sum(size for _, size in files)
    return Torrent(digest, target, called, multi, tuple(files), piece_length, total)


def contents(top: Pathlike) -> dict[bytes, bytes]:
    """Return relative path -> SHA-1 of every file below a directory, or {b"": SHA-1} of one file."""
    root = os.fsencode(top)
    relatives = list(_walk(root)) if os.path.isdir(root) else [b""]
    found = {}
    for relative in relatives:
        with open(os.path.join(root, relative) if relative else root, "rb") as file:
            found[relative] = hashlib.file_digest(file, "sha1").digest()
    return found
