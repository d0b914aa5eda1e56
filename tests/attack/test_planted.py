"""Links, pipes and other files planted in the trees between the look and the act, by hand and by a racing process."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.adapters import durable, files
from supervisor.errors import SeedcacheError, TransferError
from supervisor.messages import Phase
from supervisor.transfer import surveying
from tests.support.torrents import contents
from tests.unit.transfer.box import Box

SECRET = b"root's own secret"

# Exchanges two names for as long as it lives (renameat2(2), RENAME_EXCHANGE): now the one stands there, now the other.
FLIP = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
one, other = map(os.fsencode, sys.argv[1:])
print("flipping", flush=True)
while True:
    libc.renameat2(-100, one, -100, other, 2)
"""


@pytest.fixture
def box(tmp_path):
    made = Box(tmp_path)
    made.add({b"a": 600_000, b"d/b": 50_000, b"d/c": 700_000, b"z": 0})
    return made


@pytest.fixture
def victim(tmp_path):
    """Somebody else's directory, outside both roots, with files of the torrent's names and sizes."""
    top = tmp_path / "victim"
    for name, size in (("a", 600_000), ("b", 50_000), ("c", 700_000), ("z", 0)):
        (top / name).parent.mkdir(exist_ok=True)
        (top / name).write_bytes((SECRET * (size // len(SECRET) + 1))[:size])
    return top


@contextlib.contextmanager
def flipping(one: Path, other: Path) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-c", FLIP, one, other], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"flipping\n"
        yield
    finally:
        process.kill()
        process.communicate()


def leaked(top: Path) -> list[Path]:
    return [path for path in top.rglob("*") if path.is_file() and SECRET in path.read_bytes()]


@pytest.mark.parametrize("what", ["a file", "a directory"])
def test_no_copy_ever_holds_what_a_link_that_comes_and_goes_in_the_source_leads_to(box, victim, what):
    name, target = ("a", victim / "a") if what == "a file" else ("d", victim)
    (box.ssd / "planted").symlink_to(target)
    refused = 0
    with flipping(box.source / name, box.ssd / "planted"):
        for _ in range(25):
            try:
                box.deliver()
                assert contents(box.destination).keys() == {b"a", b"d/b", b"d/c", b"z"}
            except TransferError:
                refused += 1
            assert leaked(box.hdd) == []
            box.forget()
    assert refused, "the race was never lost: it tests nothing"


@pytest.mark.parametrize("what", ["a file", "a directory"])
def test_no_removal_ever_goes_through_a_link_that_comes_and_goes(box, victim, what):
    box.deliver()
    before = contents(victim)
    name, target = ("a", victim / "a") if what == "a file" else ("d", victim)
    saved = shutil.copytree(box.source, box.tmp / "saved")
    refused = rounds = 0
    deadline = time.monotonic() + 120
    while rounds < 16 or not refused:  # where both share a processor, a removal is often done between two turns of it
        assert time.monotonic() < deadline, "the race was never lost: it tests nothing"
        rounds += 1
        (box.ssd / "planted").symlink_to(target)
        with flipping(box.source / name, box.ssd / "planted"):
            try:
                box.remove()
            except TransferError:
                refused += 1
        assert contents(victim) == before
        shutil.rmtree(box.ssd)
        shutil.copytree(saved, box.source)


def test_a_partial_that_is_exchanged_for_a_link_is_never_written_through(box):
    box.partial.parent.mkdir()
    elsewhere = box.tmp / "elsewhere"
    elsewhere.mkdir()
    box.partial.mkdir()
    (box.hdd / "label" / "planted").symlink_to(elsewhere)
    with flipping(box.partial, box.hdd / "label" / "planted"):
        for _ in range(25):
            with contextlib.suppress(SeedcacheError):
                box.deliver()
    assert list(elsewhere.iterdir()) == []


def test_a_hard_link_of_somebody_elses_file_in_the_partial_is_not_written_to(box, victim):
    """It has the right size, and its mode says that we may."""
    with pytest.raises(SeedcacheError):
        box.deliver(stopping=lambda: True)
    box.partial.mkdir(parents=True, exist_ok=True)
    (box.partial / "a").unlink(missing_ok=True)
    os.link(victim / "a", box.partial / "a")
    before = contents(victim)
    box.deliver()
    assert contents(victim) == before
    assert box.on_hdd() == box.on_ssd()
    assert not os.path.samefile(box.destination / "a", victim / "a")


def test_the_mode_of_what_a_link_in_the_partial_leads_to_is_not_changed(box, victim, monkeypatch):
    """The partial has the source's modes when it is complete: then others of its group may write there."""
    box.partial.mkdir(parents=True)
    (box.partial / "a").write_bytes(b"half")
    (victim / "a").chmod(0o400)
    real = files.Directories.stat

    def looked_at_then_planted(directories, components):
        info = real(directories, components)
        if components == (b"a",) and directories.path.endswith(b".partial") and not (box.partial / "a").is_symlink():
            (box.partial / "a").unlink()
            (box.partial / "a").symlink_to(victim / "a")
        return info

    monkeypatch.setattr(files.Directories, "stat", looked_at_then_planted)
    with pytest.raises(TransferError, match="symbolic link"):
        box.deliver()
    assert (victim / "a").stat().st_mode & 0o777 == 0o400


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["a", "d/b"])
def test_a_pipe_that_takes_the_place_of_a_source_file_is_not_waited_for(box, monkeypatch, name):
    real = surveying.sources

    def looked_at_then_planted(*arguments):
        found = real(*arguments)
        (box.source / name).unlink()
        os.mkfifo(box.source / name)
        return found

    monkeypatch.setattr(surveying, "sources", looked_at_then_planted)
    with pytest.raises(TransferError):
        box.deliver()
    assert not box.destination.exists()


@pytest.mark.parametrize("name", ["a", "z"])
@pytest.mark.parametrize("kind", ["device", "socket"])
def test_what_is_no_file_is_refused_on_the_ssd_and_left_alone_on_the_hdd(box, kind, name):
    """An empty file has the size of a pipe."""

    def plant(path: Path) -> None:
        path.unlink(missing_ok=True)
        if kind == "device":
            os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero: it never ends
        else:
            with socket.socket(socket.AF_UNIX) as made:
                here = os.getcwd()
                os.chdir(path.parent)
                try:
                    made.bind(path.name)
                finally:
                    os.chdir(here)

    original = (box.source / name).read_bytes()
    plant(box.source / name)
    with pytest.raises(TransferError, match="no ordinary file"):
        box.deliver()
    (box.source / name).unlink()
    (box.source / name).write_bytes(original)
    box.destination.mkdir(parents=True)
    plant(box.destination / name)
    with pytest.raises(TransferError, match="foreign file"):
        box.deliver()
    assert not (box.destination / name).is_file()


def test_what_is_planted_between_the_removal_of_a_temporary_and_its_making_is_not_written_to(tmp_path, monkeypatch):
    victim = tmp_path / "victim"
    victim.write_bytes(SECRET)
    real = os.open

    def planted_first(path, *arguments, **options):
        if str(path).endswith(".new"):
            os.symlink(victim, path)
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", planted_first)
    with pytest.raises(FileExistsError):
        durable.replace(str(tmp_path / "live.json"), b"ours", durable=True)
    assert victim.read_bytes() == SECRET


def test_a_copy_is_not_published_over_what_appears_at_any_moment(box):
    """A directory of the final name is made by somebody at each phase in turn: what is in it stays."""
    for phase in (Phase.COPY, Phase.PROVE, Phase.PUBLISH):

        def report(told, _done, _total, phase=phase):
            if told is phase and not box.destination.exists():
                box.destination.mkdir(parents=True)
                (box.destination / "a").write_bytes(b"mine")

        with pytest.raises(TransferError):
            box.deliver(report=report)
        with pytest.raises(TransferError, match="foreign file"):
            box.deliver()
        assert [path.read_bytes() for path in box.destination.iterdir()] == [b"mine"]
        box.forget()


def test_names_that_look_alike_are_two(tmp_path):
    box = Box(tmp_path)
    names = [b"A", b"a", "\u00e9".encode(), "e\u0301".encode(), b"a ", b"a.", b"\xe9", "\uff21".encode()]
    box.add({name: 1000 + number for number, name in enumerate(names)})
    original = box.on_ssd()
    assert len(original) == len(names)
    box.deliver()
    assert box.on_hdd() == original
    box.remove()
    assert list(box.ssd.rglob("*")) == []
