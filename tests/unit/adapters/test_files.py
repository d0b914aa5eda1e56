import errno
import os
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervisor.adapters import files, mounts, syscalls
from supervisor.errors import Refused, Retryable
from supervisor.messages import Place
from tests.support.needs import need_root


@pytest.fixture
def top(tmp_path):
    descriptor = os.open(tmp_path, files.DIRECTORY)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize(
    ("root", "path", "components"),
    [
        (b"/hdd", b"/hdd", ()),
        (b"/hdd", b"/hdd/", ()),
        (b"/hdd/", b"/hdd/a/b", (b"a", b"b")),
        (b"/", b"/a", (b"a",)),
        (b"/", b"/", ()),
    ],
)
def test_a_path_inside_a_root_is_split(root, path, components):
    assert files.beneath(root, path) == components


@pytest.mark.parametrize(
    "path", [b"/hdd2", b"/hd", b"/hdd/../x", b"/hdd/./x", b"/hdd//x", b"hdd/x", b"", b"/", b"/x/hdd"]
)
def test_a_path_outside_a_root_is_refused(path):
    with pytest.raises(Refused, match="not inside the configured"):
        files.beneath(b"/hdd", path)


@given(st.lists(st.sampled_from([b"", b".", b"..", b"a", b"hdd", b" "]), max_size=6))
def test_what_is_beneath_never_leads_out(parts):
    path = b"/" + b"/".join(parts)
    try:
        found = files.beneath(b"/hdd", path)
    except Refused:
        return
    assert os.path.normpath(path) == os.path.normpath(b"/".join((b"/hdd", *found)))
    assert not {b"", b".", b".."} & set(found)


def test_directories_are_made_and_opened_without_following(tmp_path, top):
    os.close(files.make_directory(top, (b"a", b"b", b"c")))
    os.close(files.open_directory(top, (b"a", b"b", b"c")))
    (tmp_path / "a" / "link").symlink_to(tmp_path)
    for way in (files.open_directory, files.make_directory):
        with pytest.raises(OSError, match="directory") as caught:
            way(top, (b"a", b"link", b"a"))
        assert isinstance(files.failure(caught.value, b"x"), Refused)


def test_a_cache_of_directories_holds_few_and_opens_all(tmp_path, top):
    before = set(os.listdir("/proc/self/fd"))
    with files.Directories(top, b"/t", make=True) as directories:
        for number in range(200):
            descriptor = directories.open((b"a", b"%d" % number, b"deep", b"file"), os.O_WRONLY | os.O_CREAT)
            os.close(descriptor)
        assert len(set(os.listdir("/proc/self/fd")) - before) < 40
        assert files.regular(directories.stat((b"a", b"7", b"deep", b"file")))
    assert set(os.listdir("/proc/self/fd")) <= before  # an earlier test's may be collected meanwhile
    assert len(list(tmp_path.rglob("file"))) == 200


@pytest.mark.parametrize("way", ["open", "open_direct"])
def test_a_file_is_never_opened_or_made_through_a_symlink(tmp_path, top, way):
    (tmp_path / "outside").write_text("precious")
    (tmp_path / "in").mkdir()
    for name, target in (("there", "outside"), ("dangling", "new")):
        (tmp_path / "in" / name).symlink_to(tmp_path / target)
        with files.Directories(top, b"/t") as directories, pytest.raises(OSError, match="symbolic") as caught:
            getattr(directories, way)((b"in", os.fsencode(name)), os.O_WRONLY | os.O_CREAT)
        assert isinstance(files.failure(caught.value, b"x"), Refused)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_a_rename_never_replaces(tmp_path, top, kind):
    for name in ("old", "new"):
        (tmp_path / name).mkdir() if kind == "directory" else (tmp_path / name).write_text(name)
    with pytest.raises(FileExistsError):
        files.rename_new(top, b"old", top, b"new")
    files.rename_new(top, b"old", top, b"third")
    assert sorted(os.listdir(tmp_path)) == ["new", "third"]


def test_where_the_kernel_cannot_refuse_a_file_is_linked_and_a_directory_stays(tmp_path, top, monkeypatch):
    def lacking(*_):
        raise OSError(errno.EINVAL, "no RENAME_NOREPLACE here")

    monkeypatch.setattr(syscalls, "rename_new", lacking)
    (tmp_path / "old").write_text("old")
    (tmp_path / "new").write_text("new")
    with pytest.raises(FileExistsError):
        files.rename_new(top, b"old", top, b"new")
    assert (tmp_path / "new").read_text() == "new"
    files.rename_new(top, b"old", top, b"third")
    assert (tmp_path / "third").read_text() == "old"
    assert not (tmp_path / "old").exists()
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="safely"):
        files.rename_new(top, b"folder", top, b"other")


def test_pruning_stops_at_what_is_not_empty_and_at_the_base(tmp_path, top):
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    (tmp_path / "a" / "kept").write_text("x")
    files.prune(top, (b"a", b"b", b"c"))
    assert os.listdir(tmp_path / "a") == ["kept"]
    (tmp_path / "a" / "kept").unlink()
    files.prune(top, (b"a", b"gone"))
    assert tmp_path.exists()
    assert os.listdir(tmp_path) == []


def test_a_place_is_what_was_trusted_or_refused(tmp_path):
    path = os.fsencode(tmp_path)
    os.close(files.open_place(Place(path, mounts.identity(path))))
    os.close(files.open_place(Place(path, "")))
    with pytest.raises(Refused, match="not mounted or a different file system"):
        files.open_place(Place(path, "fsid=1"))
    with pytest.raises(Retryable, match="does not exist"):
        files.open_place(Place(path + b"/none", ""))


def test_another_file_system_mounted_there_is_noticed(tmp_path):
    need_root()
    path = os.fsencode(tmp_path)
    trusted = mounts.identity(path)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tmp_path], check=True)
    try:
        with pytest.raises(Refused):
            files.open_place(Place(path, trusted))
    finally:
        subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.parametrize(
    ("number", "kind", "remedy"),
    [
        (errno.ENOSPC, Retryable, "no space is left"),
        (errno.EROFS, Retryable, "read-only"),
        (errno.EIO, Retryable, "SMART"),
        (errno.EACCES, Retryable, "permission"),
        (errno.ELOOP, Refused, "symbolic link"),
        (errno.ESTALE, Retryable, "[Ss]tale"),
    ],
)
def test_an_error_names_the_place_and_the_remedy(number, kind, remedy):
    with pytest.raises(kind, match=f"/hdd/\\\\xff.*{remedy}"), files.explained(b"/hdd/\xff"):
        raise OSError(number, os.strerror(number))


def test_usage_and_allocation_are_the_systems(tmp_path):
    (tmp_path / "sparse").write_bytes(b"")
    os.truncate(tmp_path / "sparse", 1 << 30)
    assert files.allocated(os.stat(tmp_path / "sparse")) == 0
    usage = files.usage(os.fsencode(tmp_path))
    assert 0 < usage.free <= usage.size


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=50)
@given(data=st.lists(st.booleans(), min_size=1, max_size=6), start=st.integers(0, 5), length=st.integers(0, 300_000))
def test_segments_cover_a_range_and_holes_are_zeros(tmp_path, data, start, length):
    from supervisor.transfer import blocks  # noqa: PLC0415

    path = tmp_path / "sparse"
    with path.open("wb") as file:
        for number, filled in enumerate(data):
            if filled:
                file.seek(number * 65536)
                file.write(b"x" * 65536)
        file.truncate(len(data) * 65536)
    whole = path.read_bytes()
    first = min(start * 10_000, len(whole))
    end = min(len(whole), first + length)
    with path.open("rb") as file:
        found = list(blocks.segments(file.fileno(), first, end))
    assert [a for a, _, _ in found] == ([first, *(b for _, b, _ in found)][: len(found)])
    assert (found[-1][1] if found else first) == end
    assert all(not any(whole[a:b]) for a, b, hole in found if hole)
    path.unlink()
