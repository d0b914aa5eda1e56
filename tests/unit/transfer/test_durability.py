"""In which order what is copied, published and removed is made durable: the kernel is asked, and the calls are noted.

That nothing is lost when power is cut in between is seen in tests/campaign; here each call is missed by name.
"""

import os

import pytest

from supervisor.adapters import files, syscalls
from supervisor.transfer import delivery
from tests.unit.transfer.box import Box


@pytest.fixture
def noted(monkeypatch):
    """Note each fsync, syncfs, rename and unlink with the path it was for at that moment; and do it."""
    calls = []
    real = os.fsync, syscalls.syncfs, files.rename_new, os.unlink

    def path(descriptor):
        return os.readlink(f"/proc/self/fd/{descriptor}")

    def fsync(descriptor):
        calls.append(("fsync", path(descriptor)))
        real[0](descriptor)

    def syncfs(descriptor):
        calls.append(("syncfs", path(descriptor)))
        real[1](descriptor)

    def rename(source, name, target, new_name):
        calls.append(("rename", os.path.join(path(target), os.fsdecode(new_name))))
        real[2](source, name, target, new_name)

    def unlink(name, *, dir_fd=None):
        if dir_fd is not None:
            calls.append(("unlink", os.path.join(path(dir_fd), os.fsdecode(name))))
        real[3](name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(syscalls, "syncfs", syncfs)
    monkeypatch.setattr(files, "rename_new", rename)
    monkeypatch.setattr(os, "unlink", unlink)
    return calls


@pytest.fixture
def box(tmp_path):
    made = Box(tmp_path)
    made.add({b"large": 2 << 20, b"small": 1000, b"empty": 0, b"a/b/deep": 30_000})
    return made


def before(calls, mark):
    return set(calls[: next(number for number, (kind, _) in enumerate(calls) if kind == mark)])


def after(calls, mark):
    return set(calls[max(number for number, (kind, _) in enumerate(calls) if kind == mark) + 1 :])


def test_every_file_and_directory_of_a_copy_is_durable_before_it_gets_its_name_and_the_name_after_that(box, noted):
    box.deliver()
    synced = before(noted, "rename")
    for name in ("large", "small", "empty", "a/b/deep", "a/b", "a", ""):
        assert ("fsync", str(box.partial / name).rstrip("/")) in synced, name
    assert ("fsync", str(box.hdd)) in synced  # it holds the label's new directory
    assert ("fsync", str(box.hdd / "label")) in after(noted, "rename")


def test_many_files_are_synced_at_once_before_they_get_their_name(box, noted, monkeypatch):
    monkeypatch.setattr(delivery, "FEW", 0)
    box.deliver()
    assert ("syncfs", str(box.partial)) in before(noted, "rename")


def test_what_is_published_file_by_file_is_durable_in_every_directory_before_the_partial_goes(box, noted):
    (box.destination / "a").mkdir(parents=True)
    box.deliver()
    published = [path for kind, path in noted if kind == "rename"]
    assert len(published) == 4
    last = max(number for number, (kind, _) in enumerate(noted) if kind == "rename")
    for name in ("a/b", "a", ""):
        assert ("fsync", str(box.destination / name).rstrip("/")) in noted[last:], name
    # The new directory, before anything is renamed into it.
    into = next(number for number, call in enumerate(noted) if call == ("rename", str(box.destination / "a/b/deep")))
    assert ("fsync", str(box.destination / "a")) in noted[:into]
    assert noted[-1] == ("fsync", str(box.hdd / "label"))


def test_what_is_adopted_is_durable_before_it_is_called_a_copy(box, noted):
    box.deliver()
    noted.clear()
    assert box.deliver().adopted
    assert ("syncfs", str(box.destination)) in noted


def test_what_leaves_the_ssd_is_gone_for_good_when_it_is_said_to_be(box, noted):
    box.deliver()
    noted.clear()
    box.remove()
    assert [path for kind, path in noted if kind == "unlink"]
    assert ("fsync", str(box.ssd)) in after(noted, "unlink")
