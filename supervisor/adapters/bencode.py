"""Reads bencoding (BEP 3) that strangers or a dying disk may have made. Strict, bounded, standard library only."""

import re

LARGEST = 32 << 20  # bytes; the metafile of a torrent of 200,000 files or of 16 TiB stays far below
MAX_DEPTH = 24
MAX_VALUES = 4_000_000

# A string's length, a canonical integer, or the beginning or end of a list or dictionary.
_TOKEN = re.compile(rb"(0|[1-9][0-9]{0,9}):|i(0|-?[1-9][0-9]{0,18})e|([lde])")

Value = int | bytes | list["Value"] | dict[bytes, "Value"]


class Malformed(ValueError):
    """It is no bencoding, or more of it than is good."""


def value(data: bytes, position: int) -> tuple[Value, int]:
    """Given bencoding and where a value begins, return the value and where it ends. Raise Malformed."""
    if len(data) > LARGEST:
        raise Malformed(f"it is larger than {LARGEST >> 20} MiB")
    # Without recursion: a hostile file decides how deeply it is nested. A dictionary is gathered as a list of keys and
    # values in turn, and made when it ends.
    root: list[Value] = []
    items, stack, count = root, list[tuple[list[Value], bool]](), 0
    token = _TOKEN.match
    while not root or stack:
        count += 1
        if count > MAX_VALUES or len(stack) > MAX_DEPTH:
            raise Malformed("it is nested too deeply or has too many values")
        match = token(data, position)
        if match is None:
            raise Malformed(f"broken bencoding or too large an integer at byte {position}")
        length, integer, kind = match.groups()
        position = match.end()
        if length is not None:
            start = position
            position += int(length)
            items.append(data[start:position])
        elif integer is not None:
            items.append(int(integer))
        elif kind != b"e":
            stack.append((items, kind == b"d"))
            items = []
        elif stack:
            above, dictionary = stack.pop()
            above.append(_dictionary(items) if dictionary else items)
            items = above
        else:
            raise Malformed(f"an end without a beginning at byte {position}")
    if position > len(data):
        raise Malformed("a string runs past its end")
    return root[0], position


def _dictionary(items: list[Value]) -> dict[bytes, Value]:
    keys, values = items[::2], items[1::2]
    found = {key: value for key, value in zip(keys, values, strict=False) if isinstance(key, bytes)}
    if not len(found) == len(keys) == len(values):
        raise Malformed("a dictionary has a key twice, a key that is no string, or a key without a value")
    return found
