"""Copy, prove, publish: what must come out right on any file system."""

import os
import shutil
import socket
import stat
import subprocess
import sys

import pytest

from supervisor.errors import Refused, Retryable, Stopped
from supervisor.jobs import Proof
from supervisor.messages import Phase, Place
from supervisor.transfer import delivery
from supervisor.transfer.pacing import Pace
from supervisor.transfer.proving import ProofFailed
from tests.support.torrents import AWKWARD, bencode, contents, write_tree
from tests.unit.transfer.box import Box, never, quiet

MIXED = {b"a/%d/%d.bin" % (i % 5, i): i * 997 % 60_000 for i in range(100)} | {
    b"film.mkv": 21_000_003,
    b"sample.mkv": 5_000_001,
    b"zz/last": 1,
}


@pytest.fixture
def box(tmp_path):
    return Box(tmp_path)


def flip(path, offset):
    """Change one byte of a file behind everybody's back: its mtime stays."""
    info = os.stat(path)
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))
        os.fsync(file.fileno())
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


def stop_after(share, phase=Phase.COPY):
    """Return a report and a stopping() that says so when a share of the phase is done."""
    seen = {"stop": False}

    def report(now, done, total):
        if now is phase and done >= total * share:
            seen["stop"] = True

    return report, lambda: seen["stop"]


# -- what is delivered ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [AWKWARD, MIXED], ids=["awkward", "mixed"])
@pytest.mark.parametrize("read_back", [True, False])
def test_every_file_arrives_with_its_bytes_times_and_modes(box, sizes, read_back):
    box.add(sizes)
    for number, name in enumerate(sorted(sizes)):
        path = os.path.join(os.fsencode(box.source), name)
        os.chmod(path, 0o640 if number % 2 else 0o444)
        os.utime(path, ns=(10**18 + number, 10**18 + 123456789 * number))
    done = box.deliver(read_back=read_back)
    assert box.on_hdd() == box.on_ssd()
    assert box.facts(box.destination) == box.facts(box.source)
    assert (done.proof, done.adopted) == (Proof.READ_BACK if read_back else Proof.SOURCE, False)
    assert (done.bytes_written, done.bytes_resumed) == (box.torrent.size, 0)
    assert os.listdir(box.hdd / "label") == [box.name]


@pytest.mark.parametrize("size", [1, 511, 4095, 4096, 4097, (4 << 20) - 1, 4 << 20, (4 << 20) + 1, (9 << 20) + 77])
@pytest.mark.parametrize("piece_length", [16384, 1 << 23])
def test_one_file_of_any_size_arrives(box, size, piece_length):
    box.add_single(size, piece_length=piece_length)
    box.deliver()
    assert box.on_hdd() == box.on_ssd()
    assert box.facts(box.destination) == box.facts(box.source)
    assert os.listdir(box.hdd / "label") == [box.name]


@pytest.mark.parametrize("piece_length", [1, 7, 1000, 4096, 65536])
def test_pieces_of_any_length_are_proven(box, piece_length):
    box.add({b"a": 4099, b"b": 0, b"c": 600_001, b"d": 3}, piece_length=piece_length)
    box.deliver()
    box.prove()
    assert box.on_hdd() == box.on_ssd()


def test_only_the_torrents_files_are_copied_out_of_a_shared_directory(box):
    box.add()
    (box.source / "another torrent's file").write_bytes(b"x")
    (box.source / "dangling").symlink_to("nowhere")
    box.deliver()
    assert set(box.on_hdd()) == set(AWKWARD)


def test_hard_links_between_the_torrents_files_stay(box):
    write_tree(box.ssd / "T", {b"a": 700_000, b"c": 10})
    os.link(box.ssd / "T" / "a", box.ssd / "T" / "b")
    os.link(box.ssd / "T" / "a", box.ssd / "T" / "z")
    box.make("T")
    done = box.deliver()
    assert len({os.stat(box.destination / name).st_ino for name in "abz"}) == 1
    assert os.stat(box.destination / "c").st_nlink == 1
    assert box.on_hdd() == box.on_ssd()
    assert done.bytes_written == 700_010


def test_holes_stay_holes(box):
    path = box.ssd / "sparse.img"
    with path.open("wb") as file:
        file.truncate(50 << 20)
        for at in (0, 7 << 20, (30 << 20) + 12345):
            file.seek(at)
            file.write(os.urandom(100_000))
    box.make("sparse.img")
    box.deliver()
    assert box.on_hdd() == box.on_ssd()
    assert os.stat(box.destination / "sparse.img").st_blocks * 512 < 1 << 20


def test_a_file_of_nothing_but_a_hole_arrives(box):
    write_tree(box.ssd / "T", {b"a": 10})
    with (box.ssd / "T" / "hole").open("wb") as file:
        file.truncate(300_000)
    box.make("T")
    box.deliver()
    assert box.on_hdd() == box.on_ssd()
    assert os.stat(box.destination / "hole").st_blocks == 0


def test_what_a_resumed_copy_holds_where_the_source_has_a_hole_is_cleared(box):
    path = box.ssd / "sparse.img"
    with path.open("wb") as file:
        file.truncate(10 << 20)
        file.write(b"x")
    box.make("sparse.img")
    box.partial.mkdir(parents=True)
    (box.partial / "sparse.img").write_bytes(os.urandom(10 << 20))
    box.deliver()
    assert box.on_hdd() == box.on_ssd()


def test_padding_files_that_the_client_never_wrote_count_as_zeros(box):
    write_tree(box.ssd / "T", {b"a": 16380, b"b": 70_000})
    (box.ssd / "T" / ".pad").mkdir()
    (box.ssd / "T" / ".pad" / "4").write_bytes(bytes(4))
    box.make("T")
    marked = [
        {"length": 4, "path": [b".pad", b"4"], "attr": b"p"},
        {"length": 16380, "path": [b"a"]},
        {"length": 70_000, "path": [b"b"]},
    ]
    remake(box, marked)
    shutil.rmtree(box.ssd / "T" / ".pad")
    box.deliver()
    box.prove()
    assert box.on_hdd() == box.on_ssd()
    assert box.deliver().adopted
    assert box.remove() > 0
    assert os.listdir(box.ssd) == []


def remake(box, listed):
    """Write the metafile again with other entries in its file list, and pieces to match what lies there."""
    import hashlib  # noqa: PLC0415
    from dataclasses import replace  # noqa: PLC0415

    data = b"".join((box.source / os.fsdecode(b"/".join(entry["path"]))).read_bytes() for entry in listed)
    pieces = b"".join(hashlib.sha1(data[at : at + 16384]).digest() for at in range(0, len(data), 16384))
    info = {"name": box.torrent.name, "piece length": 16384, "pieces": pieces, "files": listed}
    with open(box.torrent.metafile, "wb") as file:
        file.write(bencode({"info": info}))
    box.torrent = replace(box.torrent, hash=hashlib.sha1(bencode(info)).hexdigest().upper())


def test_progress_rises_to_the_whole(box):
    box.add(MIXED)
    seen = []
    box.deliver(report=lambda *now: seen.append(now))
    for phase in (Phase.COPY, Phase.PROVE):
        done = [done for now, done, _ in seen if now is phase]
        assert done == sorted(done)
        assert done[-1] == box.torrent.size
    assert seen[-1][0] is Phase.PUBLISH


# -- what stands there already ----------------------------------------------------------------------------------------


def test_a_copy_that_stands_there_is_adopted_and_not_written(box):
    box.add(MIXED)
    shutil.copytree(box.source, box.destination)
    before = [os.stat(path) for path in sorted(box.destination.rglob("*"))]
    done = box.deliver(read_back=False)
    assert (done.adopted, done.proof, done.bytes_written) == (True, Proof.READ_BACK, 0)
    after = [os.stat(path) for path in sorted(box.destination.rglob("*"))]
    assert [(i.st_ino, i.st_mtime_ns, i.st_ctime_ns) for i in before] == [
        (i.st_ino, i.st_mtime_ns, i.st_ctime_ns) for i in after
    ]


@pytest.mark.parametrize(
    "missing", [(), ("a",), ("film.mkv",)], ids=["all stand", "small ones missing", "large one missing"]
)
def test_a_foreign_file_of_equal_size_is_refused_and_stays(box, missing):
    box.add(MIXED)
    shutil.copytree(box.source, box.destination)
    for name in missing:
        path = box.destination / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    flip(box.destination / "sample.mkv", 1_000_000)
    before = contents(box.destination)
    with pytest.raises(Refused, match=r"a foreign file stands at .*sample\.mkv"):
        box.deliver()
    assert contents(box.destination) == before


@pytest.mark.parametrize("thing", ["longer file", "shorter file", "directory", "symlink", "fifo"])
def test_a_foreign_thing_at_a_final_name_is_refused_before_anything_is_copied(box, thing):
    box.add(MIXED)
    box.destination.mkdir(parents=True)
    path = box.destination / "film.mkv"
    match thing:
        case "longer file":
            path.write_bytes(bytes(21_000_004))
        case "shorter file":
            path.write_bytes(b"mine")
        case "directory":
            path.mkdir()
        case "symlink":
            path.symlink_to(box.source / "film.mkv")
        case "fifo":
            os.mkfifo(path)
    before = os.lstat(path)
    with pytest.raises(Refused, match=r"film\.mkv"):
        box.deliver()
    after = os.lstat(path)
    assert (before.st_ino, before.st_mtime_ns, before.st_size) == (after.st_ino, after.st_mtime_ns, after.st_size)
    assert os.listdir(box.hdd / "label") == [box.name]


def test_a_directory_that_exists_gets_the_files_beside_what_is_there(box):
    box.add(MIXED)
    (box.destination / "a").mkdir(parents=True)
    (box.destination / "a" / "somebody's").write_bytes(b"keep me")
    box.deliver()
    assert (box.destination / "a" / "somebody's").read_bytes() == b"keep me"
    found = box.on_hdd()
    del found[b"a/somebody's"]
    assert found == box.on_ssd()
    assert box.facts(box.destination) == box.facts(box.source)
    assert os.listdir(box.hdd / "label") == [box.name]


def test_a_publish_that_was_interrupted_is_completed(box):
    box.add(MIXED)
    box.deliver()
    back = sorted(MIXED)[::3]
    for name in back:  # as if the renames had got no further
        there = os.path.join(os.fsencode(box.partial), name)
        os.makedirs(os.path.dirname(there), exist_ok=True)
        os.rename(os.path.join(os.fsencode(box.destination), name), there)
    done = box.deliver()
    assert done.bytes_written == 0
    assert done.bytes_resumed == sum(MIXED[name] for name in back)
    assert box.on_hdd() == box.on_ssd()
    assert box.facts(box.destination) == box.facts(box.source)
    assert os.listdir(box.hdd / "label") == [box.name]


def test_what_is_left_of_a_partial_goes_when_the_copy_is_adopted(box):
    box.add()
    box.deliver()
    (box.partial / "nested").mkdir(parents=True)
    (box.partial / "plain.bin").write_bytes(b"left over")
    assert box.deliver().adopted
    assert not box.partial.exists()


def test_a_strangers_file_in_the_partial_is_neither_published_nor_removed(box):
    box.add()
    (box.partial / "nested").mkdir(parents=True)
    (box.partial / "nested" / "strange").write_bytes(b"mine")
    box.deliver()
    assert box.on_hdd() == box.on_ssd()
    assert (box.partial / "nested" / "strange").read_bytes() == b"mine"


def test_a_file_that_appears_at_a_final_name_during_the_copy_is_not_replaced(box):
    box.add(MIXED)
    box.destination.mkdir(parents=True)

    def report(phase, _done, _total):
        if phase is Phase.PUBLISH:
            (box.destination / "film.mkv").write_bytes(b"just arrived")

    with pytest.raises(Refused, match=r"a foreign file stands at .*film\.mkv"):
        box.deliver(report=report)
    assert (box.destination / "film.mkv").read_bytes() == b"just arrived"


def test_a_directory_that_appears_at_the_final_name_during_the_copy_is_not_replaced(box):
    box.add(MIXED)

    def report(phase, _done, _total):
        if phase is Phase.PUBLISH:
            box.destination.mkdir()
            (box.destination / "new").write_bytes(b"just arrived")

    with pytest.raises(Retryable, match="appeared while"):
        box.deliver(report=report)
    assert os.listdir(box.destination) == ["new"]
    box.deliver()
    assert set(box.on_hdd()) == {*MIXED, b"new"}


# -- resuming ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_stopped_copy_is_resumed_from_what_proves(box, share):
    box.add(MIXED | {b"more": 30_000_000})
    with pytest.raises(Stopped):
        box.deliver(**dict(zip(("report", "stopping"), stop_after(share), strict=True)))
    assert not box.destination.exists()
    done = box.deliver()
    assert done.bytes_resumed > 0
    assert done.bytes_written + done.bytes_resumed >= box.torrent.size
    assert box.on_hdd() == box.on_ssd()
    assert box.facts(box.destination) == box.facts(box.source)


def test_a_stop_does_not_wait_for_the_end_of_the_copy(box):
    size = 200 << 20
    box.add_single(size, piece_length=1 << 20)
    pace = Pace(rate=size // 10)  # the whole would take ten seconds
    with pytest.raises(Stopped):
        delivery.deliver(box.copy_task(), quiet, lambda: True, pace)
    written = sum(path.stat().st_blocks * 512 for path in box.partial.rglob("*"))
    assert written < size / 2


def test_a_stop_while_proving_costs_no_second_copy(box):
    box.add(MIXED)
    report, stopping = stop_after(0, Phase.PROVE)
    with pytest.raises(Stopped):
        box.deliver(report=report, stopping=stopping)
    assert not box.destination.exists()
    assert box.deliver().bytes_written == 0
    assert box.on_hdd() == box.on_ssd()


@pytest.mark.parametrize("offset", [0, 16384, 10_000_000, 21_000_002])
def test_a_wrong_byte_in_the_partial_is_found_and_only_its_piece_copied_again(box, offset):
    box.add(MIXED)
    box.deliver()
    os.rename(box.destination, box.partial)
    flip(box.partial / "film.mkv", offset)
    done = box.deliver()
    assert 0 < done.bytes_written <= 2 * 16384
    assert box.on_hdd() == box.on_ssd()
    assert box.facts(box.destination) == box.facts(box.source)


@pytest.mark.parametrize(
    "change", ["longer", "shorter", "missing", "unreadable", "directory", "symlink", "hard link", "old"]
)
def test_whatever_the_partial_holds_the_copy_comes_out_right(box, change):
    box.add(MIXED)
    box.deliver()
    os.rename(box.destination, box.partial)
    outside = box.tmp / "precious"
    outside.write_bytes(os.urandom(21_000_003))
    before = outside.read_bytes()
    path = box.partial / "film.mkv"
    match change:
        case "longer":
            with path.open("ab") as file:
                file.write(b"more")
        case "shorter":
            os.truncate(path, 5_000_001)
        case "missing":
            path.unlink()
        case "unreadable":
            path.chmod(0)
        case "directory":
            path.unlink()
            path.mkdir()
        case "symlink":
            path.unlink()
            path.symlink_to(outside)
        case "hard link":
            path.unlink()
            os.link(outside, path)
        case "old":
            os.utime(path, (1, 1))
    if change == "directory":
        with pytest.raises(Refused, match=r"film\.mkv"):
            box.deliver()
        return
    box.deliver()
    assert box.on_hdd() == box.on_ssd()
    assert box.facts(box.destination) == box.facts(box.source)
    assert outside.read_bytes() == before


def test_resumed_pieces_are_proven_against_the_torrent_not_against_the_source(box):
    """What the SSD has wrong by now does not matter for the pieces that are right on the HDD."""
    box.add_single(20_000_000)
    box.deliver()
    box.partial.mkdir()
    os.rename(box.destination / "film.mkv", box.partial / "film.mkv")
    flip(box.ssd / "film.mkv", 1000)
    done = box.deliver()
    assert done.bytes_written == 0


# -- what is refused, and what is tried again --------------------------------------------------------------------------


def test_a_wrong_byte_on_the_ssd_is_named_and_nothing_is_published(box):
    box.add(MIXED)
    flip(box.source / "film.mkv", 5_000_000)
    with pytest.raises(ProofFailed, match=r"SSD data wrong at piece \d+, .*film\.mkv offset 4\d{6}: recheck"):
        box.deliver()
    assert not box.destination.exists()


def test_a_wrong_byte_in_a_small_file_on_the_ssd_is_named(box):
    box.add({b"a": 20_000, b"b": 20_000, b"c": 20_000})
    flip(box.source / "b", 19_999)
    with pytest.raises(ProofFailed, match="SSD data wrong at piece 2"):
        box.deliver(read_back=False)


def test_a_missing_source_file_is_named_and_tried_again(box):
    box.add(MIXED)
    (box.source / "film.mkv").unlink()
    with pytest.raises(Retryable, match=r"film\.mkv is missing"):
        box.deliver()


def test_a_short_source_file_is_refused_by_name(box):
    box.add(MIXED)
    os.truncate(box.source / "film.mkv", 1000)
    with pytest.raises(Refused, match=r"film\.mkv has 1000 bytes, the torrent says 21000003"):
        box.deliver()


@pytest.mark.parametrize("kind", ["file", "directory", "fifo", "socket", "device"])
def test_what_is_no_plain_file_on_the_ssd_is_refused(box, kind):
    box.add(MIXED)
    path = box.source / ("a/1" if kind == "directory" else "film.mkv")
    moved = box.tmp / "moved"
    os.rename(path, moved)
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(os.fsdecode(path))
        case "device":
            os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 5))
        case _:
            path.symlink_to(moved)
    with pytest.raises(Refused):
        box.deliver()
    assert not box.destination.exists()


@pytest.mark.parametrize("where", ["file", "directory"])
def test_a_symlink_planted_in_the_source_during_the_copy_is_not_followed(box, where):
    """The planted target has the right size and mtime: only the refusal to follow tells."""
    names = {b"a/%03d" % number: 600_000 for number in range(120)}
    box.add(names)
    shutil.copytree(box.source, box.tmp / "elsewhere")

    def report(phase, _done, _total):
        target = box.source / ("a/119" if where == "file" else "a")
        if phase is Phase.COPY and not target.is_symlink():
            os.rename(target, box.tmp / "moved")
            target.symlink_to(box.tmp / "elsewhere" / ("a/119" if where == "file" else "a"))

    plan = delivery.surveying.sources

    def planted(meta, directories):
        found = plan(meta, directories)
        report(Phase.COPY, 0, 0)
        return found

    delivery.surveying.sources = planted
    try:
        with pytest.raises((Refused, Retryable)):
            box.deliver()
    finally:
        delivery.surveying.sources = plan
    assert not box.destination.exists()


def test_a_symlink_in_the_way_to_the_destination_is_not_followed(box):
    box.add()
    outside = box.tmp / "outside"
    outside.mkdir()
    (box.hdd / "label").symlink_to(outside)
    with pytest.raises(Refused, match="symbolic link"):
        box.deliver()
    assert os.listdir(outside) == []


def test_a_symlink_planted_for_the_partial_is_not_followed(box):
    box.add()
    outside = box.tmp / "outside"
    outside.mkdir()
    (box.hdd / "label").mkdir()
    box.partial.symlink_to(outside)
    with pytest.raises(Refused):
        box.deliver()
    assert os.listdir(outside) == []


def test_a_symlink_planted_in_the_partial_is_not_followed(box):
    box.add(MIXED)
    outside = box.tmp / "outside"
    outside.mkdir()
    box.partial.mkdir(parents=True)
    (box.partial / "a").symlink_to(outside)
    with pytest.raises(Refused):
        box.deliver()
    assert os.listdir(outside) == []


@pytest.mark.parametrize("destination", [b"/etc", b"", b"relative", b"../x", b"/"])
def test_a_destination_outside_the_root_is_refused(box, destination):
    box.add()
    task = box.copy_task()
    for path in (destination, task.hdd.path + b"/../" + destination, task.hdd.path + b"2/x"):
        with pytest.raises(Refused):
            delivery.deliver(replaced(task, destination=path), quiet, never)
    assert os.listdir(box.hdd) == []


def test_a_source_outside_the_root_is_refused(box):
    box.add()
    with pytest.raises(Refused, match="not inside the configured"):
        delivery.deliver(replaced(box.copy_task(), source=b"/etc"), quiet, never)


def replaced(task, **changes):
    from dataclasses import replace  # noqa: PLC0415

    return replace(task, **changes)


def test_the_root_itself_is_no_place_for_a_torrent_of_many_files(box):
    box.add()
    task = box.copy_task()
    with pytest.raises(Refused, match="HDD root itself"):
        delivery.deliver(replaced(task, destination=task.hdd.path), quiet, never)


def test_a_torrent_of_one_file_may_lie_in_the_root(box):
    box.add_single(1_000_000)
    task = box.copy_task()
    delivery.deliver(replaced(task, destination=task.hdd.path), quiet, never)
    assert os.listdir(box.hdd) == ["film.mkv"]


def test_another_file_system_at_the_root_is_refused_and_not_filled(box):
    box.add()
    with pytest.raises(Refused, match="not mounted or a different file system"):
        delivery.deliver(box.copy_task(hdd_filesystem="fsid=1"), quiet, never)
    task = box.copy_task()
    with pytest.raises(Refused, match="not mounted or a different file system"):
        delivery.deliver(replaced(task, ssd=Place(task.ssd.path, "fsid=1")), quiet, never)
    assert os.listdir(box.hdd) == []


def test_a_root_reached_through_a_symlink_is_refused(box):
    box.add()
    (box.tmp / "link").symlink_to(box.hdd)
    task = box.copy_task()
    there = os.fsencode(box.tmp / "link")
    with pytest.raises(Refused, match="symbolic link"):
        delivery.deliver(replaced(task, hdd=Place(there, ""), destination=there + b"/x"), quiet, never)


def test_two_processes_never_copy_one_torrent_at_once(box):
    box.add(MIXED)
    inner = []

    def report(phase, _done, _total):
        if phase is Phase.COPY and not inner:
            with pytest.raises(Retryable, match="another process is copying"):
                box.deliver()
            inner.append(True)

    box.deliver(report=report)
    assert inner
    assert box.on_hdd() == box.on_ssd()


def test_a_source_that_changes_during_the_copy_is_noticed(box):
    box.add_single(60_000_000)

    def report(phase, _done, _total):
        if phase is Phase.COPY:
            os.utime(box.ssd / "film.mkv", (1, 1))

    plan = delivery.surveying.roles

    def touched(*arguments):
        report(Phase.COPY, 0, 0)
        return plan(*arguments)

    delivery.surveying.roles = touched
    try:
        with pytest.raises(Retryable, match="was changed while it was copied"):
            box.deliver()
    finally:
        delivery.surveying.roles = plan
    assert not (box.destination / "film.mkv").exists()


def test_no_descriptor_and_no_thread_is_left(box, threads_left):
    box.add(MIXED)
    before = set(os.listdir("/proc/self/fd"))
    box.deliver()
    box.deliver()
    box.forget()
    flip(box.source / "film.mkv", 5_000_000)
    with pytest.raises(ProofFailed):
        box.deliver()
    assert set(os.listdir("/proc/self/fd")) <= before  # an earlier test's may be collected meanwhile
    assert not threads_left()


# -- proving what is published ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["film.mkv", "zz/last", "a/3/63.bin"])
def test_a_wrong_byte_in_the_published_copy_is_found(box, name):
    box.add(MIXED)
    box.deliver()
    box.prove()
    flip(box.destination / name, os.stat(box.destination / name).st_size - 1)
    with pytest.raises(ProofFailed, match="the HDD copy does not match piece"):
        box.prove()


@pytest.mark.parametrize("change", ["missing", "missing and empty", "short", "long", "symlink"])
def test_a_published_copy_that_is_not_whole_is_found(box, change):
    box.add(MIXED)
    box.deliver()
    path = box.destination / "film.mkv"
    match change:
        case "missing":
            path.unlink()
        case "missing and empty":
            (box.destination / "a/0/0.bin").unlink()
        case "short":
            os.truncate(path, 21_000_002)
        case "long":
            os.truncate(path, 21_000_004)
        case "symlink":
            os.rename(path, box.tmp / "moved")
            path.symlink_to(box.tmp / "moved")
    with pytest.raises((ProofFailed, Refused)):
        box.prove()


# -- memory and imports -----------------------------------------------------------------------------------------------

PROGRAM = """
import pickle, resource, sys
from supervisor.transfer import delivery
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
delivery.deliver(pickle.loads(bytes.fromhex(sys.argv[1])), lambda *_: None, lambda: False)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
print(*sorted(sys.modules))
"""


def test_memory_is_bounded_and_nothing_heavy_is_imported(box):
    import pickle  # noqa: PLC0415

    box.add_single(400 << 20, piece_length=1 << 20)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, pickle.dumps(box.copy_task()).hex()], capture_output=True, text=True, check=True
    )
    grown, modules = done.stdout.splitlines()
    assert int(grown) < 64 << 10, f"{grown} KiB"
    assert not {"requests", "pyrosimple", "psutil", "logging", "dynaconf", "prometheus_client"} & set(modules.split())


def test_a_torrent_cannot_take_the_name_of_a_partial(tmp_path):
    """A file of that name, published in the label's directory, would stop the torrent whose partial is called so."""
    box = Box(tmp_path)
    box.add_single(1000, name=f".seedcache-{'0' * 40}.partial")
    with pytest.raises(Refused, match="the supervisor's own"):
        box.deliver()
    assert list(box.hdd.rglob("*")) == []
