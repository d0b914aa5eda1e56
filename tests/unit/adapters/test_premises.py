import os

import pytest

from supervisor.adapters import premises
from supervisor.errors import ConfigurationError
from tests.support.needs import need_root


@pytest.fixture
def places(tmp_path):
    return premises.places(str(tmp_path / "state"), str(tmp_path / "state" / "locks"))


def make(places):
    for place in places:
        premises.make(place)


def test_what_is_missing_is_made_and_then_accepted(places):
    make(places)
    make(places)
    assert [place.path.rpartition("/")[2] for place in places] == ["state", "spool", "metainfo", "run", "locks"]
    assert not any(os.stat(place.path).st_mode & 0o002 for place in places)


@pytest.mark.parametrize("number", range(5))
def test_a_directory_that_every_user_can_write_to_is_refused(places, number):
    make(places)
    os.chmod(places[number].path, 0o777)
    with pytest.raises(ConfigurationError, match="every user of this machine; chmod o-w"):
        make(places)


def test_only_the_locks_may_lie_in_a_directory_like_tmp(places):
    *ours, locks = places
    for place in places:
        premises.make(place)
        os.chmod(place.path, 0o1777)
    premises.make(locks)
    for place in ours:
        with pytest.raises(ConfigurationError, match="every user"):
            premises.make(place)


@pytest.mark.parametrize("number", range(5))
def test_another_users_directory_is_refused_and_roots_is_not(places, number):
    need_root()
    make(places)
    assert premises.fault(places[number], 1000) == ""
    os.chown(places[number].path, 1234, 1234)
    with pytest.raises(ConfigurationError, match=r"belongs to user 1234, .* chown it to user 0"):
        premises.make(places[number])


@pytest.mark.parametrize("name", ["spool", "metainfo", "run"])
def test_a_link_below_the_state_directory_is_refused(places, tmp_path, name):
    """`run` would be made private where the link leads."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="symbolic link"):
        make(places)


def test_the_state_directory_may_be_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "state").symlink_to("real")
    premises.make(premises.places(str(tmp_path / "state"), "")[0])
