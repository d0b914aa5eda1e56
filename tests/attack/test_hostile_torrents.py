"""Torrents that strangers made, in real rTorrents: their names, labels and paths, from the hook to the HDD and back."""

import os
import re

import pytest

from supervisor.jobs import State
from tests.support.rtorrents import VERSIONS
from tests.support.seedbox import Seedbox
from tests.support.torrents import contents

pytestmark = pytest.mark.real

NAMES = (
    "\x1b[2J\x1b[31mred\x1b[0m \x07",
    "two\nlines level=error action=forged hash=0",
    "\N{RIGHT-TO-LEFT OVERRIDE}gnp.exe\N{LINE SEPARATOR}x",
    "$(touch owned)`id`;'\"&|<>*?",
    "%s%n{0}{hash}\\x00\\n",
    "...",
)
# rTorrent takes requests of 512 KB at most; a label of 10 MB is among the tests of the dispatcher.
LABELS = (
    "../../outside", "/etc", "a/../../b", "..", "tv//x", ".seedcache-x", "x" * 300, "x" * 400_000,
    "%2e%2e%2f%2e%2e%2foutside", "%1b%5b31mred", "a%00b",
)  # fmt: skip
HARMFUL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


@pytest.fixture(params=VERSIONS)
def box(request, tmp_path):
    with Seedbox(tmp_path / "box", request.param) as made:
        yield made.start()


def shown(box, *hashes):
    """Return all that a person or a program is shown, by its source."""
    run = box.supervisor.run
    said = {words: run(*words) for words in (("status",), ("queue", "list"), ("status", "--json"), ("space", "plan"))}
    said |= {("explain", each): run("explain", each) for each in hashes}
    texts = {" ".join(words): done.stdout + done.stderr for words, done in said.items()}
    return texts | {"log": box.supervisor.said(), "metrics": box.supervisor.get("/metrics")[1]}


def test_whatever_a_torrent_is_called_it_is_moved_and_nobody_is_fooled(box):
    made = [box.seed(name, {b"a": 40_000, b"b\x1b/c\n": 9}) for name in NAMES]
    originals = [contents(box.path(box.ssd, torrent)) for torrent in made]
    for torrent in made:
        box.supervisor.wait_for(torrent.hash, State.CACHED)
    before = shown(box, *(torrent.hash for torrent in made))
    for torrent, original in zip(made, originals, strict=True):
        box.supervisor.ask(torrent.hash, "relocate")
        box.relocated(torrent, original)
    for source, text in (*before.items(), *shown(box, *(torrent.hash for torrent in made)).items()):
        assert not HARMFUL.search(text), source
    assert all(line.startswith("time=") for line in box.supervisor.said().splitlines())
    assert not (box.home / "client" / "owned").exists()


def test_whatever_a_label_says_nothing_is_written_outside_the_root_and_the_others_go_on(box):
    above = {path: sorted(os.listdir(path)) for path in (box.hdd.parent, box.hdd.parent.parent)}
    made = []
    for number, label in enumerate(LABELS):
        torrent = box.seed(f"labelled {number}", 5000, submit=False)
        box.client.call("d.custom1.set", torrent.hash, label, timeout=30)
        box.supervisor.submit(torrent.hash)
        made.append(torrent)
    good = box.seed("an honest one", 5000, label="tv")
    for torrent in made:
        job = box.supervisor.wait_for(torrent.hash, State.FAILED, 60)
        assert len(job.reason) <= 2000
        assert box.path(box.ssd, torrent).exists()
    box.supervisor.wait_for(good.hash, State.CACHED, 60)
    assert {path: sorted(os.listdir(path)) for path in above} == above
    assert sorted(name for name in os.listdir(box.hdd) if name != "lost+found") == ["tv"]
    for source, text in shown(box, *(torrent.hash for torrent in made)).items():
        assert not HARMFUL.search(text), source
        assert len(text) < 1_000_000, source


def test_a_torrent_that_is_absurdly_deep_is_refused_with_the_reason_and_the_others_go_on(box):
    deep = box.seed("deep", {b"/".join([b"d"] * 70): 5000})
    good = box.seed("an honest one", 5000)
    job = box.supervisor.wait_for(deep.hash, State.FAILED, 60)
    assert "more than 64 parts" in job.reason
    box.supervisor.wait_for(good.hash, State.CACHED, 60)
