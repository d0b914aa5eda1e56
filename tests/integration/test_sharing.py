"""Torrents that share files, on real rTorrents of both versions: none is ever left without its data."""

import os
import shutil
from pathlib import Path

import pytest

from supervisor.adapters import mounts
from supervisor.adapters.rtorrent import RTorrent
from supervisor.errors import Busy, Retryable, Stopped, TorrentGone
from supervisor.messages import Copied, Copy, Kin, Place, Relocate, Relocated
from supervisor.transfer import delivery, switching
from supervisor.workers import space
from tests.support.hanging import hanging
from tests.support.torrents import contents, make_torrent, write_tree
from tests.unit.transfer.box import never, quiet

pytestmark = pytest.mark.real

SIZES = {b"film.mkv": 300_000, b"below/sample.mkv": 40_000, b"empty": 0}


@pytest.fixture(autouse=True)
def _no_rest_between_tests(monkeypatch):
    monkeypatch.setattr(switching, "_switched", {})


class Hand:
    """The worker that the space worker's code reports to. `then` is done at its first look whether to stop."""

    def __init__(self, then=lambda: None):
        self._then = then

    def report(self, *_):
        pass

    def stopping(self):
        then, self._then = self._then, lambda: None
        then()
        return False


class Boxes:
    """An SSD, an HDD, and a client rTorrent that seeds from both."""

    def __init__(self, home, client):
        self.home, self.client = home, client
        self.ssd, self.hdd, self.kept = home / "ssd", home / "hdd", home / "metainfo"
        for directory in (self.ssd, self.hdd, self.kept):
            directory.mkdir()

    def seed(self, data: Path, *, kept=True, **options):
        """Make a torrent of what lies at `data` and seed it from there; return it."""
        torrent = make_torrent(data, self.home / f"{len(list(self.home.iterdir()))}.torrent", **options)
        if kept:
            shutil.copy(torrent.metafile, self.kept / f"{torrent.hash}.torrent")
        self.client.seed(torrent, data.parent)
        return torrent

    def where(self, torrent, data: Path, label: str):
        target = self.hdd / label / data.name if torrent.multi else self.hdd / label
        source = data if torrent.multi else data.parent
        metainfo = os.fsencode(self.kept / f"{torrent.hash}.torrent")
        places = [Place(os.fsencode(disk), mounts.identity(os.fsencode(disk))) for disk in (self.ssd, self.hdd)]
        return torrent.hash, metainfo, os.fsencode(source), os.fsencode(target), *places

    def copy(self, torrent, data, label="tv", kin=()) -> Copied:
        return delivery.deliver(Copy(1, *self.where(torrent, data, label), True, kin=kin), quiet, never)

    def kin(self, torrent, data, label="tv"):
        return Kin(*self.where(torrent, data, label)[:4])

    def relocate(self, torrent, data, label="tv", then=lambda: None) -> Relocated:
        work = space.work_under(str(self.home / "locks"))
        return work(Relocate(2, *self.where(torrent, data, label), self.client.url), Hand(then))

    def whole(self, torrent):
        """Have rTorrent itself hash what it seeds: all of it is there."""
        self.client.call("d.check_hash", torrent.hash)
        self.client.wait_complete(torrent)
        return RTorrent(self.client.url).torrent(torrent.hash).directory

    def on_ssd(self):
        return sorted(str(path.relative_to(self.ssd)) for path in self.ssd.rglob("*") if not path.is_dir())


@pytest.fixture
def boxes(tmp_path, rtorrents, rtorrent_version):
    return Boxes(tmp_path, rtorrents(rtorrent_version))


def a_pair(boxes):
    """Two torrents in one directory: each has a file that the other has not."""
    show = boxes.ssd / "Show"
    write_tree(show, SIZES)
    first = boxes.seed(show)
    (show / "added.nfo").write_bytes(b"of the second")
    second = boxes.seed(show, order=[b"film.mkv", b"added.nfo"], piece_length=16384)
    return show, first, second


def test_a_cross_seeded_pair_leaves_one_after_the_other_and_the_last_takes_what_both_had(boxes):
    show, first, second = a_pair(boxes)
    boxes.copy(first, show)
    before = {path: path.stat().st_ino for path in (boxes.hdd / "tv" / "Show").rglob("*")}
    beside = boxes.copy(second, show)
    assert beside.bytes_written < 16384 * 2, "only what the first lacks is added, and what shares its pieces read"
    assert {path: path.stat().st_ino for path in before} == before

    done = boxes.relocate(first, show)
    assert done.bytes_spared == 300_000
    assert boxes.on_ssd() == ["Show/added.nfo", "Show/film.mkv"]
    assert boxes.whole(second) == os.fsencode(show)
    done = boxes.relocate(second, show)
    assert done.bytes_spared == 0
    assert done.bytes_removed >= 300_000
    assert list(boxes.ssd.iterdir()) == []
    for torrent in (first, second):
        assert boxes.whole(torrent) == os.fsencode(boxes.hdd / "tv" / "Show")


def test_a_torrent_of_one_of_the_files_keeps_that_one(boxes):
    show = boxes.ssd / "Show"
    write_tree(show, SIZES)
    pack, episode = boxes.seed(show), boxes.seed(show / "film.mkv")
    boxes.copy(pack, show)
    assert boxes.relocate(pack, show).bytes_spared == 300_000
    assert boxes.on_ssd() == ["Show/film.mkv"]
    assert boxes.whole(episode) == os.fsencode(show)


def test_one_that_was_never_handed_in_keeps_its_files_and_so_does_one_that_came_after_the_plan(boxes):
    show = boxes.ssd / "Show"
    write_tree(show, SIZES)
    first = boxes.seed(show)
    boxes.copy(first, show)
    late = []

    def inject():
        late.append(boxes.seed(show, kept=False, order=[b"film.mkv"]))

    assert boxes.relocate(first, show, then=inject).bytes_spared == 300_000
    assert boxes.on_ssd() == ["Show/film.mkv"]
    assert boxes.whole(late[0]) == os.fsencode(show)


def test_what_cannot_be_known_of_a_neighbour_keeps_everything(boxes):
    show, first, second = a_pair(boxes)
    boxes.copy(first, show)
    (boxes.kept / f"{second.hash}.torrent").unlink()
    session = boxes.client.session / f"{second.hash}.torrent"
    session.rename(session.with_suffix(".away"))
    before = boxes.on_ssd()
    with pytest.raises(Retryable, match=f"{second.hash}.*may use the same files, and nothing is removed"):
        boxes.relocate(first, show)
    assert boxes.on_ssd() == before
    session.with_suffix(".away").rename(session)
    boxes.relocate(first, show)
    assert boxes.on_ssd() == ["Show/added.nfo", "Show/film.mkv"]


def test_a_member_that_was_erased_meanwhile_holds_nothing_back(boxes):
    show, first, second = a_pair(boxes)
    boxes.copy(first, show)
    boxes.client.call("d.erase", second.hash)
    assert boxes.relocate(first, show).bytes_spared == 0
    assert boxes.on_ssd() == ["Show/added.nfo"], "what only the erased one listed is not ours to remove"
    with pytest.raises(TorrentGone):
        boxes.relocate(second, show)


def test_a_worker_that_ends_between_the_members_leaves_both_with_their_data(boxes):
    show, first, second = a_pair(boxes)
    boxes.copy(first, show)
    boxes.copy(second, show)

    def stop():
        raise Stopped

    with pytest.raises(Stopped):
        boxes.relocate(first, show, then=stop)
    assert boxes.whole(first)
    assert boxes.whole(second) == os.fsencode(show)
    switching._switched.clear()
    boxes.relocate(second, show)
    switching._switched.clear()
    boxes.relocate(first, show)
    assert list(boxes.ssd.iterdir()) == []
    for torrent in (first, second):
        assert boxes.whole(torrent) == os.fsencode(boxes.hdd / "tv" / "Show")


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_one_in_another_folder_that_has_links_keeps_its_data(boxes, link):
    show, linked = boxes.ssd / "Show", boxes.ssd / "cross-seeds" / "Show"
    write_tree(show, SIZES)
    first = boxes.seed(show)
    linked.mkdir(parents=True)
    for name in (b"film.mkv", b"empty"):
        link(os.path.join(os.fsencode(show), name), os.path.join(os.fsencode(linked), name))
    second = boxes.seed(linked, piece_length=16384)
    boxes.copy(first, show)
    done = boxes.relocate(first, show)
    assert done.bytes_removed < 300_000, "the film's bytes have another name"
    assert boxes.whole(second) == os.fsencode(linked)
    assert contents(linked)[b"film.mkv"] == contents(boxes.hdd / "tv" / "Show")[b"film.mkv"]


def test_one_whose_disk_does_not_say_where_it_lies_keeps_everything_that_could_be_its_own(boxes):
    show, nas = boxes.ssd / "Show", boxes.home / "nas"
    write_tree(show, SIZES)
    first = boxes.seed(show)
    nas.mkdir()
    (nas / "link").symlink_to(show)
    second = boxes.seed(nas / "link" / "film.mkv", piece_length=16384)
    write_tree(nas, {b"apart": 4711})
    boxes.seed(nas / "apart")
    boxes.copy(first, show)
    before = boxes.on_ssd()
    with hanging(b"/nas"), pytest.raises(Busy, match=f"{second.hash}.*may use the same files; nothing is removed"):
        boxes.relocate(first, show)
    assert boxes.on_ssd() == before
    boxes.relocate(first, show)
    assert boxes.on_ssd() == ["Show/film.mkv"]
    assert boxes.whole(second) == os.fsencode(nas / "link")


def test_a_name_outside_the_torrents_keeps_the_bytes_and_they_do_not_count_as_freed(boxes):
    show = boxes.ssd / "Show"
    write_tree(show, {b"film.mkv": 300_000})
    torrent = boxes.seed(show)
    (boxes.ssd / "library").mkdir()
    os.link(show / "film.mkv", boxes.ssd / "library" / "The Film.mkv")
    boxes.copy(torrent, show)
    done = boxes.relocate(torrent, show)
    assert (done.bytes_removed, done.bytes_spared) == (0, 0)
    assert boxes.on_ssd() == ["library/The Film.mkv"]
    assert boxes.whole(torrent) == os.fsencode(boxes.hdd / "tv" / "Show")


def test_hard_links_between_torrents_are_made_again_on_the_hdd(boxes):
    show, linked = boxes.ssd / "Show", boxes.ssd / "cross-seeds" / "Another Name"
    write_tree(show, SIZES)
    first = boxes.seed(show)
    linked.mkdir(parents=True)
    os.link(show / "film.mkv", linked / "the film.mkv")
    (linked / "own.nfo").write_bytes(b"not in the first")
    second = boxes.seed(linked, piece_length=16384)
    boxes.copy(first, show)
    done = boxes.copy(second, linked, "other", kin=(boxes.kin(first, show),))
    assert done.bytes_written == len(b"not in the first")
    ours, theirs = boxes.hdd / "other" / "Another Name" / "the film.mkv", boxes.hdd / "tv" / "Show" / "film.mkv"
    assert ours.samefile(theirs)

    assert boxes.relocate(first, show).bytes_removed < 300_000
    assert boxes.whole(second) == os.fsencode(linked)
    assert boxes.relocate(second, linked, "other").bytes_removed >= 300_000
    assert boxes.on_ssd() == []
    assert boxes.whole(first) == os.fsencode(boxes.hdd / "tv" / "Show")
    assert boxes.whole(second) == os.fsencode(boxes.hdd / "other" / "Another Name")
