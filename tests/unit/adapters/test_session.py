import os
import time

import pytest

from supervisor.adapters import session
from supervisor.errors import ConfigurationError
from tests.support.torrents import bencode

HASH = "0123456789ABCDEF0123456789ABCDEF01234567"


@pytest.fixture
def saved(tmp_path):
    """Return saved(content): a session directory whose resume data of HASH has that content."""

    def save(content):
        (tmp_path / f"{HASH}.torrent").write_bytes(bencode({"info": {"name": b"caf\xe9", "pieces": b"e" * 20}}))
        (tmp_path / f"{HASH}.torrent.libtorrent_resume").write_bytes(b"de")
        (tmp_path / f"{HASH}.torrent.rtorrent").write_bytes(content)
        return os.fsencode(tmp_path)

    return save


@pytest.mark.parametrize("ending", [b"", b"/", b"//"])
def test_the_directory_is_read_as_bytes_and_without_a_trailing_slash(saved, ending):
    content = bencode(
        {"custom": {"x": [1, -2, {"y": b""}]}, "directory": b"/hdd/caf\xe9 d9:directory" + ending, "z": 5}
    )
    assert session.directory(saved(content), HASH) == b"/hdd/caf\xe9 d9:directory"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"d",
        b"d9:directory9:/too/shorte",
        b"d9:directoryi5ee",
        b"de",
        b"le",
        b"i5e",
        b"x",
        b"d1:ai5",
        b"l" * 9999,
        b"l-3:e",  # a length below zero: read on and on at the same place
    ],
)
def test_a_file_that_is_cut_off_or_says_nothing_is_as_if_it_were_not_there(saved, content):
    assert session.directory(saved(content), HASH) is None


def test_a_torrent_that_is_not_in_the_session_has_no_directory(tmp_path):
    assert session.directory(os.fsencode(tmp_path), HASH) is None
    assert session.name(os.fsencode(tmp_path), HASH) is None


def test_the_name_is_the_metafiles(saved):
    assert session.name(saved(b"de"), HASH) == b"caf\xe9"


def test_a_file_that_may_not_be_read_is_said_with_the_remedy(tmp_path):
    (tmp_path / f"{HASH}.torrent.rtorrent").mkdir()  # root may read everything but this
    with pytest.raises(ConfigurationError, match=r"rTorrent's group"):
        session.directory(os.fsencode(tmp_path), HASH)


def test_what_is_synced_must_be_there(saved, tmp_path):
    directory = saved(b"de")
    session.sync(directory, HASH)
    (tmp_path / f"{HASH}.torrent.rtorrent").unlink()
    with pytest.raises(ConfigurationError, match=r"\.torrent\.rtorrent"):
        session.sync(directory, HASH)


def test_a_list_is_short_only_while_rtorrent_is_young(saved, tmp_path):
    directory = saved(b"de")
    assert not session.loading(directory, 0)  # no lock file: nobody knows
    lock = tmp_path / "rtorrent.lock"
    lock.write_text("host:+1")
    assert session.loading(directory, 0)
    assert not session.loading(directory, 1)
    os.utime(lock, (time.time() - 61, time.time() - 61))
    assert not session.loading(directory, 0)


def test_what_the_session_says_is_synced_with_its_directory(saved, monkeypatch):
    directory = saved(b"de")
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    session.sync(directory, HASH)
    base = os.path.join(os.fsdecode(directory), f"{HASH}.torrent")
    assert synced == [f"{base}.rtorrent", f"{base}.libtorrent_resume", os.fsdecode(directory)]
