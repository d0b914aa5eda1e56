"""What the hook's role says to a running rTorrent: every supported one takes it, tells it back, and forgets it."""

import subprocess
import sys
from pathlib import Path

import pytest

from supervisor.commands import hook
from tests.support.needs import ROOT
from tests.support.rtorrents import until
from tests.support.torrents import make_torrent, write_tree

pytestmark = pytest.mark.real

PROGRAM = Path(ROOT, "ansible", "roles", "rtorrent_hook", "files", "hook.py")
SUBMIT, STATE = "/opt/seedcache/current/bin/seedcache-submit", "/var/lib/seedcache"


def told(url: str, state: str, mode: str = "--do", submit: str = SUBMIT) -> str:
    """Run it; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-I", PROGRAM, state, mode, url, submit, STATE], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else done.stderr


def test_the_hook_is_set_once_and_removed_without_a_trace(rtorrents, rtorrent_version):
    box = rtorrents(rtorrent_version)

    def handlers() -> list[object]:
        return [box.call("method.get", "", event) for event in hook.SUBMITTED_AS]

    before = handlers()
    assert told(box.socket, "absent") == "as it should be"
    assert told(box.socket, "present", "--check") == "changed"
    assert handlers() == before  # --check has changed nothing
    assert [told(box.socket, "present"), told(box.socket, "present")] == ["changed", "as it should be"]
    assert told(box.socket, "present", "--check", submit="/elsewhere/seedcache-submit") == "changed"
    assert [told(box.socket, "absent"), told(box.socket, "absent")] == ["changed", "as it should be"]
    assert handlers() == before
    box.call("method.set_key", "", hook.FINISHED, hook.NAME, hook.command(STATE, SUBMIT))
    assert told(box.socket, "present") == "changed"  # the second hook was missing, as an older release left it
    assert [told(box.socket, "absent"), handlers()] == ["changed", before]


def test_the_hooks_it_sets_run_the_program_with_the_hash(rtorrents, rtorrent_version, tmp_path):
    submit = tmp_path / "seedcache-submit"
    submit.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/called\n')
    submit.chmod(0o755)
    seeder, box = rtorrents(), rtorrents(rtorrent_version)
    assert told(box.socket, "present", submit=str(submit)) == "changed"
    write_tree(tmp_path / "data" / "t", {b"a": 50_000})
    torrent = make_torrent(tmp_path / "data" / "t", tmp_path / "t.torrent")
    seeder.seed(torrent, tmp_path / "data")
    box.load(torrent)
    box.add_peer(torrent, seeder)
    box.wait_complete(torrent)
    called = tmp_path / "called"
    until(lambda: called.exists() and called.read_text().count("\n") == 2, "it was called twice")
    # In any order: each runs in the background.
    lines = [f"-d {STATE} -e inserted {torrent.hash}", f"-d {STATE} {torrent.hash}"]
    assert sorted(called.read_text().splitlines()) == sorted(lines)


def test_an_rtorrent_that_is_not_there_is_named(tmp_path):
    assert f"rTorrent at {tmp_path}/none" in told(f"{tmp_path}/none", "present")
