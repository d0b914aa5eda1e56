"""The ground that the other tests stand on: two real rTorrents, one downloads from the other, the hook runs."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.mounts import loop_mounted
from tests.support.rtorrents import NEW, OLD, until
from tests.support.torrents import AWKWARD, contents, make_torrent, write_tree

pytestmark = pytest.mark.real


@pytest.mark.parametrize(("seeder", "leecher"), [(OLD, OLD), (OLD, NEW), (NEW, OLD), (NEW, NEW)])
def test_a_torrent_of_awkward_names_is_downloaded_from_a_peer_and_its_completion_runs_the_hook(
    rtorrents, tmp_path, seeder, leecher
):
    data = write_tree(tmp_path / "seed" / "a $torrent, of {awkward} names")
    torrent = make_torrent(data, tmp_path / "a.torrent")
    said = tmp_path / "said"
    hook = tmp_path / "hook"
    hook.write_text(f'#!/bin/sh\necho "$1" >{said}.new && mv {said}.new {said}\n')
    hook.chmod(0o755)
    source = rtorrents(seeder)
    source.seed(torrent, tmp_path / "seed")
    sink = rtorrents(
        leecher, f'method.set_key = event.download.finished, seedcache, "execute.nothrow.bg={hook},$d.hash="'
    )
    sink.load(torrent)
    sink.add_peer(torrent, source)
    sink.wait_complete(torrent)
    until(said.exists, "the hook ran")
    assert said.read_text() == torrent.hash + "\n"
    assert contents(sink.downloads / os.fsdecode(torrent.name)) == contents(data)
    assert set(contents(data)) == set(AWKWARD)


@pytest.mark.parametrize("filesystem", ["ext4", "xfs", "btrfs", "tmpfs"])
def test_a_mounted_file_system_is_of_its_kind_and_is_gone_afterwards(tmp_path, filesystem):
    with loop_mounted(tmp_path, "disk", filesystem, 32) as where:
        kind = subprocess.run(["stat", "-f", "-c", "%T", where], capture_output=True, text=True, check=True).stdout
        assert kind.strip() in {filesystem, "ext2/ext3" if filesystem == "ext4" else filesystem}
        (where / "file").write_bytes(b"x")
    assert not os.path.ismount(where)
    loops = ["losetup", "-a"]  # the last to close the device detaches it: perhaps somebody who looks for a free one
    until(
        lambda: str(tmp_path) not in subprocess.run(loops, capture_output=True, text=True, check=True).stdout,
        "its loop device is free",
    )
    assert list(Path(where).iterdir()) == []
