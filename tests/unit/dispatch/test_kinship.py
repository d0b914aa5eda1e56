import os
import shutil
from dataclasses import replace

import pytest

from supervisor.dispatch.kinship import Kinship, Ties
from supervisor.errors import RTorrentUnreachable
from tests.support.torrents import make_torrent, write_tree
from tests.unit.office import seen

SIZES = {b"film.mkv": 90_000, b"sample.mkv": 9_000, b"a.nfo": 10, b"b.nfo": 11, b"c.nfo": 12}


class Disk:
    def __init__(self, home):
        self.home, self.ssd = home, home / "ssd"
        self.metafiles = {}
        self.torrents = []
        self.kinship = Kinship(os.fsencode(self.ssd))

    def add(self, path, **changes):
        made = make_torrent(path, self.home / f"{len(self.torrents)}.torrent", private=len(self.torrents) % 2 == 1)
        self.metafiles[made.hash] = made.metafile
        directory = os.fsencode(path if made.multi else path.parent)
        self.torrents.append(seen(made.hash, directory, size=made.size, multi=made.multi, **changes))
        return made.hash

    def metafile(self, job_hash):
        return self.metafiles[job_hash]

    def look(self):
        return self.kinship.look(self.torrents, self.metafile)

    def of(self, job_hash):
        return self.kinship.of(next(each for each in self.torrents if each.hash == job_hash), self.metafile)


@pytest.fixture
def disk(tmp_path):
    return Disk(tmp_path)


@pytest.fixture
def show(disk):
    write_tree(disk.ssd / "Show", SIZES)
    return disk.ssd / "Show"


def test_torrents_without_each_others_files_have_no_ties(disk, show):
    disk.add(show)
    write_tree(disk.ssd / "Other", SIZES)
    disk.add(disk.ssd / "Other")
    assert disk.look() == Ties()


def test_the_same_paths_and_hard_links_elsewhere_tie(disk, show):
    first = disk.add(show)
    (show / "more").write_bytes(b"1")
    same = disk.add(show)
    shutil.copytree(show, disk.ssd / "linked", copy_function=os.link)
    linked = disk.add(disk.ssd / "linked")
    single = disk.add(show / "film.mkv")
    ties = disk.look()
    everybody = {first, same, linked, single}
    assert ties.links == {each: frozenset(everybody - {each}) for each in everybody}
    assert ties.unfreed == {}, "all names are those of torrents"


def test_a_name_that_no_torrent_has_keeps_bytes_from_being_freed(disk, show):
    torrent = disk.add(show)
    os.link(show / "film.mkv", disk.home / "library.mkv")
    ties = disk.look()
    assert not ties.links
    total = sum(SIZES.values())
    assert ties.unfreed[torrent] == pytest.approx(total * 90 / 99, rel=0.001)
    (disk.home / "library.mkv").unlink()
    assert disk.look() == Ties()


def test_one_is_told_its_kin_when_it_is_looked_up_also_if_that_was_looked_up_before(disk, show):
    first = disk.add(show)
    assert disk.look() == Ties()
    second = disk.add(show / "film.mkv")
    assert disk.of(second) == (first,)
    assert disk.of(first) == (second,)


def test_what_was_erased_or_has_left_the_ssd_is_no_kin(disk, show):
    first, second = disk.add(show), disk.add(show / "film.mkv")
    disk.look()
    gone = disk.torrents.pop(0)
    disk.look()
    assert disk.of(second) == ()
    disk.torrents.append(replace(gone, directory=b"/hdd/Show"))
    assert disk.look() == Ties()
    assert disk.of(first) == ()


def test_a_torrent_that_cannot_be_looked_at_has_no_ties(disk, show):
    first = disk.add(show)
    os.unlink(disk.metafiles[first])
    disk.add(show / "film.mkv")
    assert disk.look() == Ties()
    shutil.rmtree(show)
    assert disk.look() == Ties()


def test_that_rtorrent_is_away_is_said(disk, show):
    disk.add(show)

    def away(_):
        raise RTorrentUnreachable("away")

    with pytest.raises(RTorrentUnreachable):
        disk.kinship.look(disk.torrents, away)


def test_a_metafile_is_read_once(disk, show):
    first = disk.add(show)
    disk.look()
    os.unlink(disk.metafiles[first])
    disk.add(show / "film.mkv")
    assert first in disk.look().links
