"""Torrents with the same files, through a whole life: copied once, and gone from the SSD together."""

import os

import pytest

from supervisor.jobs import State
from tests.support.seedbox import Seedbox
from tests.support.torrents import make_torrent

pytestmark = pytest.mark.real

SIZES = {b"film.mkv": 3_000_000, b"sample.mkv": 40_000}


@pytest.fixture
def box(tmp_path, rtorrent_version):
    with Seedbox(tmp_path / "box", rtorrent_version) as made:
        yield made.start()


def seed_and_wait(box, torrent, where, label=""):
    box.client.seed(torrent, where, extra=f'd.custom1.set="{label}"')
    box.supervisor.submit(torrent.hash)
    box.supervisor.wait_for(torrent.hash, State.CACHED)


def test_a_pair_on_the_same_paths_and_one_with_hard_links_elsewhere(box):
    first = box.make("Show", SIZES)
    seed_and_wait(box, first, box.ssd, "tv")
    (box.ssd / "Show" / "added.nfo").write_bytes(b"of the second")
    second = make_torrent(box.ssd / "Show", box.home / "second.torrent")
    seed_and_wait(box, second, box.ssd, "cross-seed")
    linked = box.ssd / "links" / "Show"
    linked.mkdir(parents=True)
    os.link(box.ssd / "Show" / "film.mkv", linked / "renamed.mkv")
    third = make_torrent(linked, box.home / "third.torrent", piece_length=16384)
    seed_and_wait(box, third, linked.parent, "linked")
    film = box.hdd / "tv" / "Show" / "film.mkv"
    assert box.supervisor.job(second.hash).destination == os.fsencode(film.parent)
    assert (box.hdd / "linked" / "Show" / "renamed.mkv").samefile(film)
    assert film.stat().st_nlink == 2

    box.supervisor.ask(first.hash, "relocate")
    for torrent in (first, second, third):
        box.supervisor.wait_for(torrent.hash, State.RELOCATED, 60)
    assert not (box.ssd / "Show").exists()
    assert not linked.exists()
    for torrent in (first, second, third):
        box.client.call("d.check_hash", torrent.hash)
        box.client.wait_complete(torrent)
        assert box.directory(torrent).startswith(str(box.hdd))


def test_one_whose_bytes_a_library_keeps_is_not_taken_to_make_room(box):
    torrent = box.make("Show", {b"film.mkv": 3_000_000})
    seed_and_wait(box, torrent, box.ssd)
    (box.ssd / "library").mkdir()
    os.link(box.ssd / "Show" / "film.mkv", box.ssd / "library" / "The Film.mkv")
    plan = box.supervisor.run("space", "plan")
    assert plan.returncode == 0, plan.stderr
    assert "free" in plan.stdout
    shown = box.supervisor.run("explain", torrent.hash)
    assert "nothing" in shown.stdout, shown.stdout
