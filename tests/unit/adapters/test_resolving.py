import os

import pytest

from supervisor.adapters import resolving
from tests.support.hanging import hanging
from tests.unit.office import a_hash, seen


@pytest.fixture
def places(tmp_path):
    """A disk that hangs and one that does not, each with a link on it, and a link to each."""
    for name in ("nas", "disk"):
        (tmp_path / name / "show").mkdir(parents=True)
        (tmp_path / name / "other").symlink_to("show")
        (tmp_path / f"to-{name}").symlink_to(name)

    with hanging(b"nas"):
        yield os.fsencode(tmp_path)


def test_a_disk_that_hangs_leaves_only_its_own_torrents_where_rtorrent_says(places):
    names = ("to-disk/show", "disk/other", "nas/show", "to-nas/show")
    torrents = [seen(a_hash(n), os.path.join(places, name.encode())) for n, name in enumerate(names)]
    for _ in range(2):
        found = resolving.all_resolved(torrents)
        assert [os.path.relpath(torrent.directory, places).decode() for torrent in found] == [
            "disk/show", "disk/show", "nas/show", "to-nas/show",
        ]  # fmt: skip
    assert resolving.resolved(torrents[0]).directory == places + b"/disk/show"


def test_paths_on_it_are_not_known(places):
    assert resolving.real_paths([places + b"/to-disk/other"]) == [places + b"/disk/show"]
    with pytest.raises(TimeoutError):
        resolving.real_paths([places + b"/nas/other"])
    assert resolving.real_paths([]) == []
