"""The default policy over ninety simulated days, beside plain oldest-first and one that knows the future."""

import tomllib
from pathlib import Path

import pytest

from supervisor import settings
from supervisor.measures import GIB
from supervisor.policies.base import Rules
from tests.simulation.seedbox import SSD, lives, next_days, simulate
from tests.support.needs import ROOT

PAGE = Path(ROOT, "docs", "policies.md")


@pytest.fixture(scope="module")
def outcomes():
    torrents = lives(1000, 1)
    return {
        "default": simulate(torrents, Rules()),
        "oldest": simulate(torrents, Rules(order=("age",))),
        "clairvoyant": simulate(torrents, Rules(), next_days(7)),
    }


def test_the_default_serves_far_more_from_the_ssd_than_oldest_first_and_little_less_than_who_knows_the_future(outcomes):
    served = {name: outcome.served for name, outcome in outcomes.items()}
    assert served["default"] > served["oldest"] + 0.1
    assert served["clairvoyant"] > served["default"] > served["clairvoyant"] - 0.08


def test_the_ssd_is_never_full_and_nobody_moves_much_more_than_has_to_go(outcomes):
    least = min(outcome.moved for outcome in outcomes.values())
    for outcome in outcomes.values():
        assert outcome.full == 0
        assert outcome.moved < least * 1.1


def test_what_is_simulated_is_a_box_that_is_far_too_small():
    torrents = lives(1000, 1)
    places = {life.torrent.directory: life.torrent.size for life in torrents}
    assert len(torrents) == 1000
    assert 850 < len(places) < 950  # one in ten is a cross-seed
    assert sum(places.values()) > 4 * SSD
    assert max(places.values()) <= 150 * GIB
    assert lives(1000, 1) == torrents


def _blocks():
    return [block.partition("```")[0] for block in PAGE.read_text().split("```toml\n")[1:]]


@pytest.mark.parametrize("block", _blocks())
def test_every_recipe_can_be_loaded(block, tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text('download_path_ssd = "/ssd"\nfinal_dest_base_hdd = "/hdd"\nscgi_url = "/rpc"\n' + block)
    loaded = settings.load(str(file), {})
    assert loaded.rules
    assert tomllib.loads(block)
    assert loaded.marks(1000 * GIB).low > 0


def test_the_page_knows_every_setting_of_the_policy():
    text = PAGE.read_text()
    names = [name.removeprefix("policy_") for name in settings.specs() if name.startswith("policy_")]
    assert [name for name in names if f"`{name}`" not in text and f"{name} = " not in text] == []
