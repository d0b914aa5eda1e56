"""A copy that links what another torrent has on the HDD: proven like any other, and nothing there is changed."""

import os
import shutil

import pytest

from supervisor.errors import Stopped
from supervisor.jobs import Proof
from supervisor.messages import Copied, Copy, Kin, Phase
from supervisor.transfer import delivery
from tests.support.torrents import Torrent, contents, make_torrent, write_tree
from tests.unit.transfer.box import Box, never, quiet

SIZES = {b"film.mkv": 700_003, b"below/sample.mkv": 40_000, b"empty": 0}


class Kinship(Box):
    """The torrent of the box has been published, and another one on the SSD has hard links of its files."""

    def __init__(self, tmp_path) -> None:
        super().__init__(tmp_path)
        self.add(SIZES)
        self.deliver()
        self.linked = self.ssd / "linked" / "Other"
        shutil.copytree(self.source, self.linked, copy_function=os.link)
        (self.linked / "own.nfo").write_bytes(b"its own")
        self.other: Torrent = make_torrent(self.linked, tmp_path / "other.torrent", piece_length=16384)

    @property
    def target(self):
        return self.hdd / "other" / "Other"

    def copy(self, report=quiet, stopping=never) -> Copied:
        whole = self.copy_task()
        kin = Kin(whole.hash, whole.metainfo, whole.source, whole.destination)
        source, destination = os.fsencode(self.linked), os.fsencode(self.target)
        task = Copy(
            1, self.other.hash, self.other.metafile, source, destination, whole.ssd, whole.hdd, True, kin=(kin,)
        )
        return delivery.deliver(task, report, stopping)

    def links(self):
        return [name for name in SIZES if SIZES[name] and self.is_linked(os.fsdecode(name))]

    def is_linked(self, name):
        return (self.target / name).samefile(self.destination / name)


@pytest.fixture
def kinship(tmp_path):
    return Kinship(tmp_path)


def state(top):
    return {
        str(path.relative_to(top)): (path.stat().st_ino, path.stat().st_mtime_ns, path.stat().st_mode)
        for path in top.rglob("*")
        if path.is_file()
    }


def test_what_is_there_is_linked_and_the_rest_is_copied(kinship):
    before = state(kinship.destination)
    done = kinship.copy()
    assert kinship.links() == [b"film.mkv", b"below/sample.mkv"]
    assert (done.proof, done.bytes_written) == (Proof.READ_BACK, len(b"its own"))
    assert contents(kinship.target) == contents(kinship.linked)
    assert state(kinship.destination) == before
    assert not list((kinship.hdd / "other").glob(".seedcache-*"))


def test_files_are_added_to_a_directory_that_exists(kinship):
    kinship.target.mkdir(parents=True)
    (kinship.target / "somebody's").write_bytes(b"stays")
    kinship.copy()
    assert kinship.links() == [b"film.mkv", b"below/sample.mkv"]
    assert (kinship.target / "somebody's").read_bytes() == b"stays"


def test_a_copy_that_was_stopped_goes_on_and_the_links_of_its_partial_are_never_written_to(kinship):
    before, seen = contents(kinship.destination), []

    def report(phase, *_):
        seen.append(phase)

    with pytest.raises(Stopped):
        kinship.copy(report, lambda: Phase.PROVE in seen or Phase.RESUME in seen)
    kinship.copy()
    assert kinship.links() == [b"film.mkv", b"below/sample.mkv"]
    assert contents(kinship.destination) == before


def test_a_wrong_copy_of_the_kin_is_not_taken_and_not_changed(kinship):
    wrong = kinship.destination / "film.mkv"
    times = wrong.stat()
    with wrong.open("r+b") as file:
        file.seek(500_000)
        file.write(b"wrong")
    os.utime(wrong, ns=(times.st_atime_ns, times.st_mtime_ns))
    before = contents(kinship.destination)
    done = kinship.copy()
    assert contents(kinship.target) == contents(kinship.linked)
    assert not kinship.is_linked("film.mkv")
    assert done.bytes_written >= 700_003
    assert contents(kinship.destination) == before


@pytest.mark.parametrize("what", ["kin's copy is gone", "kin's metafile is gone", "another mtime", "no links left"])
def test_without_anything_to_link_it_is_copied(kinship, what):
    match what:
        case "kin's copy is gone":
            shutil.rmtree(kinship.destination)
        case "kin's metafile is gone":
            os.unlink(kinship.torrent.metafile)
        case "another mtime":
            for name in SIZES:
                os.utime(kinship.destination / os.fsdecode(name), (1, 1))
        case "no links left":
            shutil.rmtree(kinship.source)
            write_tree(kinship.source, SIZES)
    assert kinship.copy().bytes_written == sum(SIZES.values()) + len(b"its own")
    assert contents(kinship.target) == contents(kinship.linked)
