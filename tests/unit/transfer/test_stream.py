"""The arithmetic of files and pieces, against the plain way: all bytes in one string."""

import hashlib
import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from supervisor.transfer.metainfo import File, Metainfo
from supervisor.transfer.stream import PieceHasher, Stream, runs_of

SIZES = st.lists(st.integers(0, 70), min_size=1, max_size=12).filter(any)
LENGTHS = st.integers(1, 40)


def make(sizes, length, seed=0, zeros=()):
    source = random.Random(seed)
    parts = [bytes(size) if number in zeros else source.randbytes(size) for number, size in enumerate(sizes)]
    data = b"".join(parts)
    pieces = b"".join(hashlib.sha1(data[at : at + length]).digest() for at in range(0, len(data), length))
    files = tuple(File((b"%d" % number,), size) for number, size in enumerate(sizes))
    return Metainfo("0" * 40, b"t", True, files, length, pieces, len(data)), parts, data


@given(SIZES, LENGTHS, st.data())
def test_extents_are_the_bytes_of_the_stream(sizes, length, data):
    meta, parts, whole = make(sizes, length)
    start = data.draw(st.integers(0, meta.size))
    end = data.draw(st.integers(start, meta.size))
    extents = list(Stream(meta).extents(start, end))
    assert b"".join(parts[e.file][e.offset : e.offset + e.length] for e in extents) == whole[start:end]
    assert all(extent.length for extent in extents)


@given(SIZES, LENGTHS, st.data())
def test_pieces_of_a_range_are_exactly_those_that_share_a_byte_with_it(sizes, length, data):
    meta, _, _ = make(sizes, length)
    stream = Stream(meta)
    file = data.draw(st.integers(0, len(sizes) - 1))
    offset = data.draw(st.integers(0, sizes[file]))
    end = data.draw(st.integers(offset, sizes[file]))
    first, last = stream.pieces_of(file, offset, end)
    start = sum(sizes[:file])
    assert list(range(first, last)) == sorted({at // length for at in range(start + offset, start + end)})


@given(SIZES, LENGTHS, st.integers(1, 200), st.sets(st.integers(0, 400)))
def test_groups_cover_the_runs_once_and_in_order(sizes, length, size, pieces):
    meta, _, _ = make(sizes, length)
    wanted = sorted(piece for piece in pieces if piece < meta.count)
    groups = list(Stream(meta).groups(runs_of(wanted), size))
    assert [piece for first, last in groups for piece in range(first, last)] == wanted
    assert all((last - first) * length <= max(size, length) for first, last in groups)


@given(st.sets(st.integers(0, 60)))
def test_runs_are_the_pieces_and_no_two_touch(pieces):
    runs = runs_of(sorted(pieces))
    assert {piece for first, last in runs for piece in range(first, last)} == pieces
    assert all(before[1] < after[0] for before, after in pairwise(runs))


@given(SIZES, LENGTHS, st.data())
def test_the_hasher_finds_exactly_the_wrong_pieces_however_it_is_fed(sizes, length, data):
    zeros = data.draw(st.sets(st.integers(0, len(sizes) - 1)))
    meta, parts, whole = make(sizes, length, zeros=zeros)
    first = data.draw(st.integers(0, meta.count - 1))
    changed = data.draw(st.sets(st.integers(0, meta.size - 1), max_size=3))
    stream = bytearray(whole)
    for at in changed:
        stream[at] ^= 1
    wrong = []
    hasher = PieceHasher(meta, first, wrong.append)
    position = 0
    for part in parts:
        end, at = position + len(part), max(position, first * length)
        if part and not any(part) and at < end and not any(position <= c < end for c in changed):
            hasher.zeros(end - at)
            at = end
        while at < end:
            step = data.draw(st.integers(1, 50))
            hasher.feed(memoryview(stream)[at : min(end, at + step)])
            at = min(end, at + step)
        position = end
    assert wrong == sorted({at // length for at in changed} - set(range(first)))


def test_a_hole_of_many_pieces_is_right_where_the_torrent_has_zeros():
    meta, _, _ = make([3 << 20], 4096, zeros={0})
    wrong = []
    PieceHasher(meta, 0, wrong.append).zeros(3 << 20)
    assert wrong == []


def test_whole_pieces_of_a_hole_are_hashed_once_for_all_readers(monkeypatch):
    """A sparse file must not cost the SHA-1 of its whole length; each group of pieces has a hasher of its own."""
    meta, _, _ = make([100_000], 1000, zeros={0})
    PieceHasher(meta, 0, lambda _: None).zeros(1000)
    monkeypatch.setattr("supervisor.transfer.stream._ZEROS", memoryview(b"not zeros, if anybody hashes them" * 40))
    wrong = []
    for piece in range(100):
        PieceHasher(meta, piece, wrong.append).zeros(1000)
    assert wrong == []


def test_a_hole_is_wrong_where_the_torrent_has_bytes():
    meta, _, _ = make([100, 1000], 100, zeros={1})
    wrong = []
    PieceHasher(meta, 0, wrong.append).zeros(1100)
    assert wrong == [0]
