"""The plan that is shown is the plan that runs: on a real supervisor and a real rTorrent."""

import json

import pytest

from supervisor.jobs import State
from tests.support.rtorrents import VERSIONS
from tests.support.seedbox import MIB, Seedbox, fill

pytestmark = pytest.mark.real

LOW = 20 * MIB
TORRENTS = {"small": MIB, "large": 5 * MIB, "middle": 3 * MIB, "kept": 4 * MIB}


@pytest.fixture(params=VERSIONS)
def box(request, tmp_path):
    with Seedbox(tmp_path, request.param) as made:
        yield made


def test_what_space_plan_shows_is_what_space_run_does_in_that_order_and_for_those_reasons(box):
    box.start(
        policy_order=["size", "age"],
        policy_keep_labels=["keep"],
        disk_space_threshold_gb=LOW / 1024**3,
        space_check_interval=3600,  # it does not look by itself
    )
    hashes = {}
    for name, size in TORRENTS.items():
        torrent = box.seed(name, {b"a": size}, label="keep" if name == "kept" else "")
        hashes[torrent.hash] = name
        box.supervisor.wait_for(torrent.hash, State.CACHED)
    supervisor = box.supervisor
    ballast = fill(box.ssd, LOW - 7 * MIB)  # the large one and the middle one are enough
    shown = json.loads(supervisor.run("space", "plan", "--json").stdout)
    needed = [step for step in shown["steps"] if step["needed_now"]]
    assert [hashes[step["hash"]] for step in shown["steps"]] == ["large", "middle", "small"]
    assert [hashes[step["hash"]] for step in needed] == ["large", "middle"]
    assert [hashes[kept["hash"]] for kept in shown["kept"]] == ["kept"]
    assert "its label keep is kept on the SSD" in shown["kept"][0]["reason"]
    assert supervisor.run("space", "run").returncode == 0
    for step in needed:
        supervisor.wait_for(step["hash"], State.RELOCATED)
    told = {
        step["hash"]: next(event for event in supervisor.events(step["hash"]) if event.action == State.RELOCATING)
        for step in needed
    }
    assert [told[step["hash"]].text for step in needed] == [step["reason"] for step in needed]
    assert sorted(told, key=lambda job_hash: told[job_hash].at) == [step["hash"] for step in needed]
    assert needed[0]["reason"] == "number 1 of 3: 5.0 MiB, finished less than a day ago"
    ballast.unlink()
    text = supervisor.run("explain", next(each for each, name in hashes.items() if name == "small")).stdout
    assert "it stays on both disks until less than" in text
    assert "number 1 of 1" in text
