"""What the pages show can be used as it is."""

import re
from pathlib import Path

import pytest

from supervisor import settings
from tests.support.needs import ROOT

REQUIRED = {"DOWNLOAD_PATH_SSD": "/srv/ssd", "FINAL_DEST_BASE_HDD": "/srv/hdd", "SCGI_URL": "/run/rtorrent.sock"}
BLOCKS = [
    pytest.param(block, id=f"{page}-{number}")
    for page in ("destinations", "schedules")
    for number, block in enumerate(
        re.findall(r"```toml\n(.*?)```", Path(ROOT, "docs", f"{page}.md").read_text(), re.DOTALL)
    )
]


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_of_settings_can_be_loaded(tmp_path, block):
    config = tmp_path / "settings.toml"
    config.write_text(block)
    given = {name: value for name, value in REQUIRED.items() if f"{name.lower()} =" not in block}
    loaded = settings.load(str(config), given)
    assert any(source.startswith("file:") for source in loaded.sources.values())
