import os

import pytest

from supervisor.adapters import durable


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "live.json")


def content(path):
    with open(path, "rb") as file:
        return file.read()


@pytest.mark.parametrize("durably", [True, False])
def test_the_next_contents_take_the_place_of_the_old(path, durably):
    for data in (b"one", b"", b"three" * 1000):
        durable.replace(path, data, durable=durably)
        assert content(path) == data
    assert os.listdir(os.path.dirname(path)) == ["live.json"]


@pytest.mark.parametrize("planted", ["symlink", "dangling symlink", "hard link", "FIFO"])
def test_what_is_planted_at_the_temporary_name_is_neither_written_to_nor_waited_for(path, tmp_path, planted):
    victim = tmp_path / "victim"
    victim.write_bytes(b"keep me")
    match planted:
        case "symlink":
            os.symlink(victim, f"{path}.new")
        case "dangling symlink":
            os.symlink(tmp_path / "nowhere", f"{path}.new")
        case "hard link":
            os.link(victim, f"{path}.new")
        case "FIFO":
            os.mkfifo(f"{path}.new")
    durable.replace(path, b"ours", durable=True)
    assert content(path) == b"ours"
    assert not os.path.islink(path)
    assert victim.read_bytes() == b"keep me"
    assert sorted(os.listdir(tmp_path)) == ["live.json", "victim"]


def test_a_directory_in_the_way_is_an_error_and_the_old_contents_stay(path):
    durable.replace(path, b"old", durable=True)
    os.mkdir(f"{path}.new")
    with pytest.raises(OSError, match=r"live\.json\.new"):
        durable.replace(path, b"new", durable=True)
    assert content(path) == b"old"


@pytest.fixture
def synced(monkeypatch):
    """Note what is synced, by its path at that moment; and do it."""
    paths = []
    real = os.fsync

    def fsync(descriptor):
        paths.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return paths


def test_what_is_durable_is_synced_before_it_gets_its_name_and_the_name_after_that(path, tmp_path, synced):
    durable.replace(path, b"data", durable=True)
    assert synced == [f"{path}.new", str(tmp_path)]
    durable.replace(path, b"data", durable=False)
    assert len(synced) == 2


def test_a_new_directory_is_synced_with_all_that_had_to_be_made_above_it(tmp_path, synced):
    durable.make_directory(str(tmp_path / "a" / "b"))
    assert {str(tmp_path), str(tmp_path / "a")} <= set(synced)
