"""The adapter against real rTorrents of both versions."""

import os
import threading
import time
from xmlrpc import client as xmlrpc

import pytest

from supervisor.adapters.rtorrent import CLOSED, IDLE, RTorrent, set_root
from supervisor.errors import RTorrentUnreachable, TorrentGone
from tests.support.rtorrents import RTorrentProcess, program, until
from tests.support.torrents import ANNOUNCE, bencode, make_torrent, write_tree

pytestmark = pytest.mark.real

# Each goes through the list and the switch's set_root; 0.9.8 and 0.16 say most of them wrong, each in its own way.
NAMES = [
    b"plain",
    b" edge whitespace ",
    b"quotes ' and \" and \\ back",
    b"$d.name= %41 {x} [y], z; & <b>",
    b"what? 100%E9",
    b"latin \xe9",
    b"control \x01\x1b[0m\x7f",
    b"tab\tline\nfeed\rreturn",
    "emoji \N{ROCKET} and caf\N{LATIN SMALL LETTER E WITH ACUTE}".encode(),
    b"surrogate \xed\xa0\x80",
    b"L" * 250,
]


def test_every_name_is_listed_with_its_true_directory_and_none_spoils_the_list(rtorrents, tmp_path, rtorrent_version):
    process = rtorrents(rtorrent_version)
    expected = {}
    for number, name in enumerate(NAMES):
        parent = os.fsencode(tmp_path / f"ssd {number}")
        data = write_tree(parent + b"/" + name, {b"file of " + name[:200]: 10 + number})
        torrent = make_torrent(data, tmp_path / f"{number}.torrent")
        process.seed(torrent, parent)
        expected[torrent.hash] = (data, name.decode(errors="replace"))
    client = RTorrent(process.url)
    listed = {torrent.hash: torrent for torrent in client.torrents()}
    assert {key: (torrent.directory, torrent.name) for key, torrent in listed.items()} == expected
    for info_hash, torrent in listed.items():
        assert client.torrent(info_hash).directory == torrent.directory
        assert client.resume_directory(info_hash) == torrent.directory
        assert os.path.exists(client.metafile(info_hash))


@pytest.mark.parametrize("name", NAMES)
def test_a_root_of_any_name_can_be_told(rtorrents, tmp_path, rtorrent_version, name):
    process = rtorrents(rtorrent_version)
    torrent = make_torrent(write_tree(tmp_path / "ssd/data", {b"file": 10}), tmp_path / "a.torrent")
    process.seed(torrent, tmp_path / "ssd")
    root = os.fsencode(tmp_path / "hdd") + b"/" + name
    client = RTorrent(process.url)
    assert client.guarded(torrent.hash, (IDLE, "d.close="), (CLOSED, set_root(root)), (CLOSED, "d.save_resume="))
    until(lambda: client.resume_directory(torrent.hash) == root, "it is saved")
    assert client.torrent(torrent.hash).directory == root


def test_what_is_told_of_a_torrent_is_what_rtorrent_has(rtorrents, tmp_path, rtorrent_version):
    process = rtorrents(rtorrent_version)
    torrent = make_torrent(write_tree(tmp_path / "ssd", {b"one.bin": 100_000}) + b"/one.bin", tmp_path / "a.torrent")
    process.load(torrent, tmp_path / "ssd", start=False, extra="d.custom1.set=tv%20shows")
    client = RTorrent(process.url)
    found = client.torrent(torrent.hash)
    assert (found.complete, found.started, found.open, found.active, found.finished) == (False, False, False, False, 0)
    assert (found.left_bytes > 0, found.wanted_chunks) == (True, 4)
    process.call("d.start", torrent.hash)
    process.wait_complete(torrent)
    found = client.torrent(torrent.hash)
    assert (found.complete, found.left_bytes, found.wanted_chunks, found.hashing) == (True, 0, 0, 0)
    assert abs(found.finished - time.time()) < 60
    assert abs(found.added - time.time()) < 60
    assert (found.trackers, found.seeders) == (("127.0.0.1",), 0)
    assert (found.name, found.label, found.multi, found.size) == ("one.bin", "tv shows", False, 100_000)
    assert (found.directory, found.base) == (os.fsencode(tmp_path / "ssd"), os.fsencode(tmp_path / "ssd/one.bin"))
    # The tracker's message comes when it comes: what is told alike before and after the list, the list must hold.
    for _ in range(10):
        before, listed, after = client.torrent(torrent.hash), client.torrents(), client.torrent(torrent.hash)
        if before == after:
            break
    assert ([before], [after]) == (listed, listed)


def test_an_unresolved_magnet_link_is_told_as_such(rtorrents, rtorrent_version):
    process = rtorrents(rtorrent_version)
    info_hash = "0123456789ABCDEF0123456789ABCDEF01234567"
    process.call("load.start", "", f"magnet:?xt=urn:btih:{info_hash}&tr=http://127.0.0.1:9/announce")
    client = RTorrent(process.url)
    (torrent,) = until(client.torrents, "the magnet is listed")
    assert (torrent.hash, torrent.meta, torrent.name) == (info_hash, True, f"{info_hash}.meta")


def test_versions_and_hooks_are_told(rtorrents, rtorrent_version):
    process = rtorrents(
        rtorrent_version,
        'method.set_key = event.download.finished, seedcache, "execute.nothrow.bg=/opt/x/submit,$d.hash="\n'
        "method.set_key = event.download.finished, other, ((execute.nothrow.bg, /opt/y, -e, ((d.hash))))\n",
    )
    client = RTorrent(process.url)
    assert client.versions()[0].startswith(rtorrent_version)
    hooks = client.hooks()
    assert hooks["seedcache"] == "execute.nothrow.bg=/opt/x/submit,$d.hash="
    assert hooks["other"] == "((execute.nothrow.bg, /opt/y, -e, ((d.hash))))"
    assert {name for name in hooks if not name.startswith(("!", "~"))} == {"seedcache", "other"}


def test_a_frozen_rtorrent_is_given_up_and_answers_again_when_it_goes_on(rtorrents, rtorrent_version):
    process = rtorrents(rtorrent_version)
    client = RTorrent(process.url, timeout=0.3)
    process.freeze()
    for _ in range(3):
        with pytest.raises(RTorrentUnreachable, match="did not answer in time"):
            client.torrents()  # a frozen one never answers
    process.thaw()
    assert RTorrent(process.url).torrents() == []


def test_an_rtorrent_that_ends_is_unreachable_and_one_that_starts_never_shows_a_part_of_its_torrents(
    tmp_path, rtorrent_version
):
    program(rtorrent_version)
    count = 300
    with RTorrentProcess(rtorrent_version, tmp_path / "rtorrent") as process:
        for number in range(count):
            info = {"name": b"number %d" % number, "piece length": 16384, "pieces": b"x" * 20, "length": 100}
            process.call("load.raw", "", xmlrpc.Binary(bencode({"announce": ANNOUNCE, "info": info})))
        until(lambda: len(list(process.session.glob("*.torrent.rtorrent"))) == count, "all are in the session")
        client = RTorrent(process.url, timeout=10)
        some = client.torrents()[0].hash
        process.stop()
        with pytest.raises(RTorrentUnreachable, match="is it running"):
            client.torrents()
        seen, gone, stop = [], [], threading.Event()

        def look():
            while not stop.is_set():
                try:
                    seen.append(len(client.torrents()))
                except RTorrentUnreachable:
                    seen.append(None)
                try:
                    client.torrent(some)
                except TorrentGone as error:
                    gone.append(error)
                except RTorrentUnreachable:
                    pass

        looking = threading.Thread(target=look)
        looking.start()
        try:
            process.start()
            until(lambda: seen[-1:] == [count], "all are listed")
        finally:
            stop.set()
            looking.join()
        assert set(seen) == {None, count}
        assert not gone


def test_a_list_of_a_thousand_torrents_is_one_request(rtorrents, rtorrent_version, monkeypatch):
    process = rtorrents(rtorrent_version)
    for number in range(1000):
        info = {"name": b"number %d" % number, "piece length": 16384, "pieces": b"x" * 20, "length": 100}
        process.call("load.raw", "", xmlrpc.Binary(bencode({"announce": ANNOUNCE, "info": info})))
    client = RTorrent(process.url)
    until(lambda: len(process.call("download_list")) == 1000, "all are listed")
    asked, ask = [], client.ask
    monkeypatch.setattr(client, "ask", lambda *calls: asked.append(calls) or ask(*calls))
    assert len(client.torrents()) == 1000
    assert len(asked) == 1
