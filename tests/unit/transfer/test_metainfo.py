import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.adapters import bencode as bencode_reader
from supervisor.errors import Refused, Retryable
from supervisor.transfer import metainfo
from tests.support.torrents import bencode, make_torrent, write_tree


def single(**changes):
    return {"name": b"a", "piece length": 16384, "pieces": bytes(20), "length": 5, **changes}


def multi(*paths, **changes):
    files = [{"path": list(path), "length": 5} for path in paths]
    pieces = bytes(20) * -(-5 * len(files) // 16384)
    return {"name": b"a", "piece length": 16384, "pieces": pieces, "files": files, **changes}


def parse(info, **around):
    data = bencode({"info": info, **around})
    return metainfo.parse(data, hashlib.sha1(bencode(info)).hexdigest().upper())


def test_a_torrent_of_many_files_is_read_as_it_was_made(tmp_path):
    write_tree(tmp_path / "data")
    made = make_torrent(tmp_path / "data", tmp_path / "m")
    meta = metainfo.read(made.metafile, made.hash)
    assert (meta.hash, meta.name, meta.multi, meta.size) == (made.hash, b"data", True, made.size)
    assert [(file.path, file.size) for file in meta.files] == list(made.files)
    assert meta.count == -(-made.size // made.piece_length)


def test_a_torrent_of_one_file_is_a_file_of_its_name():
    meta = parse(single(name=b" film.mkv "))
    assert not meta.multi
    assert meta.files == (metainfo.File((b" film.mkv ",), 5),)


def test_padding_files_of_a_hybrid_are_marked():
    files = [
        {"path": [b"x"], "length": 16380},
        {"path": [b".pad", b"4"], "length": 4, "attr": b"p"},
        {"path": [b"y"], "length": 1},
    ]
    meta = parse(multi(**{"files": files, "pieces": bytes(40), "meta version": 2, "file tree": {}}))
    assert [file.padding for file in meta.files] == [False, True, False]


def test_another_torrents_metafile_is_refused():
    with pytest.raises(Refused, match="it is of torrent"):
        metainfo.parse(bencode({"info": single()}), "0" * 40)


def test_a_missing_metafile_may_come_later(tmp_path):
    with pytest.raises(Retryable, match="cannot read the metafile"):
        metainfo.read(bytes(tmp_path / "none"), "0" * 40)


@pytest.mark.parametrize(
    "name", [b"", b".", b"..", b"a/b", b"/", b"a\0b", b"x" * 256, 7], ids=lambda name: repr(name)[:12]
)
def test_names_that_lead_elsewhere_are_refused(name):
    with pytest.raises(Refused):
        parse(single(name=name))
    with pytest.raises(Refused):
        parse(multi([b"dir", name]))
    with pytest.raises(Refused):
        parse(multi([name, b"file"]))
    with pytest.raises(Refused):
        parse(multi([b"file"], name=name))


@pytest.mark.parametrize(
    "info",
    [
        multi(),
        multi([]),
        multi([b"a"], [b"a"]),
        multi([b"a"], [b"a", b"b"]),
        multi([b"a"], length=5),
        multi([b"x" * 250] * 20),
        single(length=-1),
        single(length=0, pieces=b""),
        single(length=1 << 61),
        single(length=b"5"),
        single(pieces=bytes(19)),
        single(pieces=bytes(40)),
        single(pieces=5),
        single(**{"piece length": 0}),
        single(**{"piece length": -1}),
        single(**{"piece length": 1 << 40}),
        {"name": b"v2", "meta version": 2, "piece length": 16384, "file tree": {}, "length": 1},
        {},
    ],
    ids=lambda info: repr(info)[:40],
)
def test_an_info_that_makes_no_sense_is_refused(info):
    with pytest.raises(Refused):
        parse(info)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"i1e",
        b"le",
        b"de",
        b"d4:info",
        b"d4:infod",
        b"d4:infode",
        b"d4:infodee-",
        b"d4:infoi1ee",
        b"d4:infode4:infodee",
        b"d1:ai01e4:infodee",
        b"d1:ai-0e4:infodee",
        b"d1:ai--1e4:infodee",
        b"d1:ai99999999999999999999e4:infodee",
        b"d1:a03:abc4:infodee",
        b"d1:a9:abc",
        b"d1:a99999999999:abc",
        b"d1:ad1:xi1e1:xi2ee4:infodee",
        b"d1:a" + b"l" * 5000,
        b"d1:a" + b"l" * 30 + b"e" * 30 + b"4:infodee",
        b"di1ei2ee",
    ],
    ids=lambda data: repr(data)[:30],
)
def test_broken_bencoding_is_refused(data):
    with pytest.raises(Refused):
        metainfo.parse(data, hashlib.sha1(b"de").hexdigest().upper())


def test_too_many_values_are_refused(monkeypatch):
    monkeypatch.setattr(bencode_reader, "MAX_VALUES", 1000)
    with pytest.raises(Refused, match="too many values"):
        metainfo.parse(b"d1:al" + b"i0e" * 2000 + b"e4:infodee", "0" * 40)


def test_paths_that_are_absurdly_deep_are_refused():
    with pytest.raises(Refused, match="more than 64 parts"):
        parse(multi([b"a"] * 65))
    assert parse(multi([b"a"] * 64)).files[0].path == (b"a",) * 64


def test_deep_paths_are_bounded_together(monkeypatch):
    """Each directory above a file is remembered: 7 MB of such paths took 6 GB of memory."""
    monkeypatch.setattr(metainfo, "MAX_NAMES", 100)
    with pytest.raises(Refused, match="all paths have more than 100"):
        parse(multi(*([b"%d" % number] * 10 for number in range(11))))


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data):
    with pytest.raises(Refused):
        metainfo.parse(data, "0" * 40)


VALUES = st.recursive(
    st.integers(-(10**18), 10**18) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.binary(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_encoded_is_read_back(value):
    data = bencode(value)
    assert bencode_reader.value(data, 0) == (value, len(data))


@given(st.data())
def test_one_changed_byte_never_passes_as_the_same_torrent(data):
    raw = bytearray(bencode({"info": multi([b"one"], [b"two", b"three"])}))
    info = bencode(multi([b"one"], [b"two", b"three"]))
    start = bytes(raw).index(info)
    at = data.draw(st.integers(start, start + len(info) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Refused):
        metainfo.parse(bytes(raw), hashlib.sha1(info).hexdigest().upper())
