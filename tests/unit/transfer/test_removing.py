import os
import shutil
import subprocess

import pytest

from supervisor.adapters import clock
from supervisor.errors import Refused, Retryable
from tests.support.needs import need_root
from tests.unit.transfer.box import Box


@pytest.fixture
def box(tmp_path):
    made = Box(tmp_path)
    made.add()
    made.deliver()
    return made


def everything(top):
    return sorted(path.relative_to(top) for path in top.rglob("*"))


def test_the_files_and_their_directories_go_and_their_bytes_are_counted(box):
    allocated = sum(path.lstat().st_blocks * 512 for path in box.source.rglob("*") if path.is_file())
    assert box.remove() == allocated
    assert everything(box.ssd) == []
    box.prove()


def test_a_torrent_of_one_file_leaves_the_directory_it_lay_in(tmp_path):
    box = Box(tmp_path)
    box.add_single(100_000)
    (box.ssd / "neighbour").write_bytes(b"stays")
    box.deliver()
    box.remove()
    assert os.listdir(box.ssd) == ["neighbour"]


def test_what_the_torrent_does_not_list_stays_with_its_directories(box):
    (box.source / "nested" / "subtitles.srt").write_bytes(b"mine")
    box.remove()
    assert (box.source / "nested" / "subtitles.srt").read_bytes() == b"mine"
    assert everything(box.source) == [
        (box.source / "nested").relative_to(box.source),
        (box.source / "nested" / "subtitles.srt").relative_to(box.source),
    ]


def test_doing_it_again_removes_nothing_and_is_no_error(box):
    box.remove()
    asked = []
    assert box.remove(lambda: asked.append(1)) == 0
    assert asked == []


def test_what_an_earlier_attempt_left_is_removed(box):
    (box.source / "plain.bin").unlink()
    shutil.rmtree(box.source / "nested")
    assert box.remove() > 0
    assert everything(box.ssd) == []


def test_nothing_is_removed_before_the_confirmation(box):
    before = everything(box.ssd)

    def confirm():
        assert everything(box.ssd) == before
        raise Retryable("not yet")

    with pytest.raises(Retryable, match="not yet"):
        box.remove(confirm)
    assert everything(box.ssd) == before


def test_it_is_confirmed_again_while_files_are_removed(box, monkeypatch):
    """A clock that jumps 0.3 s with each look stands for slow unlinks."""
    time = [0.0]

    def monotonic():
        time[0] += 0.3
        return time[0]

    monkeypatch.setattr(clock, "monotonic", monotonic)
    asked = []
    box.remove(lambda: asked.append(time[0]))
    assert len(asked) > 3
    assert max(after - before for before, after in zip(asked, asked[1:], strict=False)) <= 1.0  # noqa: RUF007


def test_a_confirmation_that_fails_in_the_middle_stops_the_removal(box, monkeypatch):
    monkeypatch.setattr("supervisor.transfer.removing._CONFIRM_EVERY", 0.0)
    asked = []

    def confirm():
        asked.append(1)
        if len(asked) == 4:
            raise Retryable("the torrent was erased")

    count = len([path for path in box.source.rglob("*") if path.is_file()])
    with pytest.raises(Retryable, match="erased"):
        box.remove(confirm)
    assert len([path for path in box.source.rglob("*") if path.is_file()]) == count - 3


@pytest.mark.parametrize("change", ["missing", "zero-byte file missing", "short", "long", "directory", "symlink"])
def test_a_copy_that_is_not_whole_keeps_the_ssd_data(box, change):
    path = box.destination / "plain.bin"
    match change:
        case "missing":
            path.unlink()
        case "zero-byte file missing":
            (box.destination / "zero-byte.nfo").unlink()
        case "short":
            os.truncate(path, 1)
        case "long":
            os.truncate(path, 100_001)
        case "directory":
            path.unlink()
            path.mkdir()
        case "symlink":
            path.unlink()
            path.symlink_to(box.source / "plain.bin")
    before = everything(box.ssd)
    with pytest.raises(Refused, match="nothing is removed"):
        box.remove()
    assert everything(box.ssd) == before


def test_a_copy_that_is_gone_keeps_the_ssd_data(box):
    box.forget()
    before = everything(box.ssd)
    with pytest.raises(Retryable):
        box.remove()
    assert everything(box.ssd) == before


@pytest.mark.parametrize("where", ["file", "directory", "root"])
def test_no_symlink_on_the_ssd_is_followed(box, where):
    moved = box.tmp / "moved"
    path = {"file": box.source / "plain.bin", "directory": box.source / "nested", "root": box.source}[where]
    os.rename(path, moved)
    path.symlink_to(moved)
    before = everything(box.tmp)
    with pytest.raises(Refused):
        box.remove()
    assert everything(box.tmp) == before


def test_the_ssds_own_file_under_another_name_is_no_copy(box):
    """Two names of one directory entry, as a bind mount makes them: to remove one is to remove both."""
    need_root()
    box.forget()
    box.destination.mkdir(parents=True)
    subprocess.run(["mount", "--bind", box.source, box.destination], check=True)
    try:
        before = everything(box.source)
        with pytest.raises(Refused, match="itself under another name"):
            box.remove()
        os.link(box.source / "plain.bin", box.ssd / "a further link")
        with pytest.raises(Refused, match="itself under another name"):
            box.remove()
        assert everything(box.source) == before
    finally:
        subprocess.run(["umount", box.destination], check=True)


def test_bytes_that_another_hard_link_still_holds_are_not_counted(box):
    os.link(box.source / "plain.bin", box.ssd / "cross-seed")
    whole = sum(path.lstat().st_blocks * 512 for path in box.source.rglob("*") if path.is_file())
    assert box.remove() == whole - (box.ssd / "cross-seed").stat().st_blocks * 512


def test_a_hard_link_of_the_ssds_file_is_a_copy(tmp_path):
    """SSD and HDD on one file system: the copy may be a link, and its bytes stay when the SSD's name goes."""
    box = Box(tmp_path)
    box.add_single(100_000)
    box.destination.mkdir()
    os.link(box.ssd / "film.mkv", box.destination / "film.mkv")
    assert box.remove() == 0
    assert os.stat(box.destination / "film.mkv").st_size == 100_000


def test_an_unmounted_ssd_is_refused(box):
    from dataclasses import replace  # noqa: PLC0415

    from supervisor.messages import Place, Relocate  # noqa: PLC0415
    from supervisor.transfer import removing  # noqa: PLC0415
    from tests.unit.transfer.box import quiet  # noqa: PLC0415

    task = box.copy_task()
    order = Relocate(3, task.hash, task.metainfo, task.source, task.destination, task.ssd, task.hdd, "")
    for changed in (
        replace(order, ssd=Place(task.ssd.path, "fsid=1")),
        replace(order, hdd=Place(task.hdd.path, "fsid=1")),
        replace(order, source=b"/etc"),
        replace(order, destination=b"/etc"),
    ):
        with pytest.raises(Refused):
            removing.remove(changed, lambda: None, frozenset, quiet)
    assert box.on_hdd() == box.on_ssd()


def test_what_others_use_stays_with_its_directories(box):
    stay = (b"nested", b"one two", b"{three}", b"$four", b"deep.bin")
    box.remove(others=frozenset({stay, (b"of another",)}))
    assert [path.name for path in box.ssd.rglob("*") if path.is_file()] == ["deep.bin"]
    assert box.remove() > 0
    assert everything(box.ssd) == []


@pytest.mark.parametrize("change", [b"", b"a different file of the same name"])
def test_another_file_of_the_same_name_on_the_ssd_stays_and_so_do_all_others(box, change):
    (box.source / "plain.bin").write_bytes(change)
    before = everything(box.ssd)
    with pytest.raises(Refused, match="no longer the torrent's file"):
        box.remove()
    assert everything(box.ssd) == before


@pytest.mark.parametrize("planted", ["file", "symlink", "first file", "directory of links"])
def test_what_is_planted_after_the_check_is_not_removed(box, tmp_path, planted):
    """The confirmation comes after all files were looked at, and before the first goes."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "plain.bin").write_bytes(b"mine")
    first = next(box.source.joinpath(*map(os.fsdecode, parts)) for parts, size in box.torrent.files if size)
    place = first if planted == "first file" else box.source / "plain.bin"

    def confirm():
        if planted == "directory of links":
            os.rename(box.source, box.ssd / "aside")
            box.source.symlink_to(victim)
        else:
            place.unlink(missing_ok=True)
            if planted == "symlink":
                place.symlink_to(victim / "plain.bin")
            else:
                place.write_bytes(b"mine")

    # A directory that was opened is the torrent's, whatever it is called now: what is gone by then was the torrent's.
    with pytest.raises(Refused, match=r"none is followed|no longer the torrent's file"):
        box.remove(confirm)
    assert (victim / "plain.bin").read_bytes() == b"mine"
    if planted in ("file", "first file"):
        assert place.read_bytes() == b"mine"
