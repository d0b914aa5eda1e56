"""The commands that wait until what they asked for is done, on a real supervisor and a real rTorrent."""

import json
import re
import signal
import subprocess
from pathlib import Path

import jsonschema
import pytest

from supervisor.jobs import State
from tests.support.needs import ROOT
from tests.support.rtorrents import until
from tests.support.seedbox import Seedbox, fill
from tests.support.supervisors import COMMAND
from tests.support.terminals import Terminal

pytestmark = pytest.mark.real


@pytest.fixture
def box(tmp_path):
    with Seedbox(tmp_path / "box", ssd_mib=64, hdd_mib=128) as made:
        made.start()
        yield made


def started(box, *words):
    return subprocess.Popen(
        [COMMAND, "--config", str(box.supervisor.config), *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={"PATH": "/usr/bin:/bin"},
    )  # fmt: skip


def test_verify_and_relocate_wait_for_the_end_and_say_it(box):
    torrent = box.seed("one", 3 << 20)
    box.supervisor.wait_for(torrent.hash, State.CACHED)
    told = json.loads(box.supervisor.run("status", "--json").stdout)
    jsonschema.validate(told, json.loads(Path(ROOT, "docs", "status.schema.json").read_text()))
    done = box.supervisor.run("verify", torrent.hash[:10])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0].startswith(f"asked: verify {torrent.hash}")
    assert done.stdout.splitlines()[-1].startswith("proven: every piece was right")

    done = box.supervisor.run("relocate", torrent.hash[:10])
    assert (done.returncode, done.stderr) == (0, "")
    assert "bytes freed on the SSD" in done.stdout.splitlines()[-1]
    assert box.supervisor.state_of(torrent.hash) is State.RELOCATED

    copy = box.path(box.hdd, torrent)
    with copy.open("r+b") as file:
        file.write(b"not what it was")
    done = box.supervisor.run("verify", torrent.hash)
    assert done.returncode == 1
    assert "unproven" in done.stdout.splitlines()[-1]


def test_space_run_waits_until_the_ssd_has_room(box):
    torrents = [box.seed(f"t{number}", 8 << 20) for number in range(3)]
    for torrent in torrents:
        box.supervisor.wait_for(torrent.hash, State.CACHED)
    done = box.supervisor.run("space", "run")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "the SSD has room enough: nothing has to leave it")

    worker = box.supervisor.victim("space")
    worker.suspend()  # so that it has not been done before we ask
    fill(box.ssd, 4 << 20)
    box.supervisor.configure(disk_space_threshold_gb=10 / 1024)
    box.supervisor.signal(signal.SIGHUP)
    until(lambda: box.supervisor.worker("space")["hash"], "the first has been given to the worker")
    waiting = started(box, "space", "run")
    until(lambda: waiting.stdout.readline().startswith("t"), "it says which torrent leaves")
    worker.resume()
    said, _ = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, said
    assert "left the SSD" in said.splitlines()[-1]
    assert any(box.supervisor.state_of(torrent.hash) is State.RELOCATED for torrent in torrents)


def test_space_that_stays_low_is_a_failure_that_says_who_knows_more(box):
    box.supervisor.configure(disk_space_threshold_gb=1)
    box.supervisor.signal(signal.SIGHUP)
    until(lambda: box.supervisor.live().get("low_space"), "it is low")
    done = box.supervisor.run("space", "run")
    assert done.returncode == 1
    assert "`seedcache space plan`" in done.stdout.splitlines()[-1]


def test_ctrl_c_ends_the_waiting_and_not_the_work(box):
    torrent = box.seed("one", 3 << 20)
    box.supervisor.wait_for(torrent.hash, State.CACHED)
    copiers = [box.supervisor.victim("copier-1"), box.supervisor.victim("copier-2")]
    for copier in copiers:
        copier.suspend()  # so that it cannot be done before we leave
    waiting = started(box, "verify", torrent.hash)
    until(lambda: waiting.stdout.readline().startswith(("it waits", "begins", "proves")), "it waits")
    waiting.send_signal(signal.SIGINT)
    _, said = waiting.communicate(timeout=60)
    assert waiting.returncode == 130
    assert "seedcache goes on with it" in said
    for copier in copiers:
        copier.resume()
    until(lambda: box.supervisor.events(torrent.hash)[-1].action == "proven", "it is done")


def test_without_rtorrent_a_relocation_is_not_waited_for(box):
    torrent = box.seed("one", 1 << 20)
    box.supervisor.wait_for(torrent.hash, State.CACHED)
    box.client.kill()
    done = box.supervisor.run("relocate", torrent.hash)
    assert done.returncode == 4
    assert "rTorrent cannot be reached" in done.stdout.splitlines()[-1]


def test_a_supervisor_that_stops_meanwhile_ends_the_waiting(box):
    torrent = box.seed("one", 1 << 20)
    box.supervisor.wait_for(torrent.hash, State.CACHED)
    box.client.freeze()  # rTorrent does not answer: the relocation cannot begin
    waiting = started(box, "relocate", torrent.hash)
    until(lambda: waiting.stdout.readline().startswith("it waits"), "it waits")
    box.supervisor.kill()
    said, _ = waiting.communicate(timeout=60)
    assert waiting.returncode == 1
    assert "seedcache has stopped meanwhile" in said


def test_in_a_terminal_there_is_a_bar_and_leaving_it_leaves_the_terminal_clean(box):
    torrent = box.seed("one", 24 << 20)
    box.supervisor.wait_for(torrent.hash, State.CACHED)
    box.supervisor.configure(copy_rate_limit=4)
    box.supervisor.signal(signal.SIGHUP)
    until(lambda: "reloaded" in box.supervisor.said(), "the settings were read again")
    command = [COMMAND, "--config", str(box.supervisor.config), "verify", torrent.hash]
    with Terminal(100, 20, "sh", "-c", 'trap : INT; "$@"; echo "code $?"; exec sleep 1000', "sh", *command) as window:
        seen = window.wait(lambda screen: re.search(r"[━╸╺]+ +\d+ %  \d.* of 24.0 MiB .*proves the HDD copy", screen))
        assert window.fact("cursor_flag") == "0"
        assert seen.splitlines()[0].startswith("asked: verify")
        window.press("C-c")
        assert "seedcache goes on with it" in window.wait("code 130")
        assert window.fact("cursor_flag") == "1"
    until(lambda: box.supervisor.events(torrent.hash)[-1].action == "proven", "it is done all the same")
