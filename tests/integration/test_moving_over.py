"""Torrents that the predecessor left in its queue end on both disks, on real parts."""

import pytest

from supervisor.jobs import State
from tests.support.seedbox import Seedbox

pytestmark = pytest.mark.real


def test_the_predecessors_queue_is_worked_off(tmp_path):
    with Seedbox(tmp_path) as box:
        box.start()
        torrents = [box.seed(name, {b"a": 50_000, b"b/c": 7}, submit=False) for name in ("one", "two")]
        queue = tmp_path / "locks" / "queue"
        queue.mkdir(parents=True)
        for number, torrent in enumerate(torrents):
            (queue / f"{torrent.hash}_{1700000000 + number}.queue").write_text(f"{torrent.hash}\n")
        words = ("import-legacy", "--queue", str(queue), "--yes")
        environment = {"DOWNLOAD_PATH_SSD": str(box.ssd), "FINAL_DEST_BASE_HDD": str(box.hdd)}
        done = box.supervisor.run(*words, environment=environment)
        assert (done.returncode, done.stderr) == (0, "")
        for torrent in torrents:
            box.supervisor.wait_for(torrent.hash, State.CACHED)
        again = box.supervisor.run(*words, environment=environment).stdout
        assert all(f"{torrent.hash} is known already: cached" in again for torrent in torrents)
        assert len(list(queue.iterdir())) == 2
