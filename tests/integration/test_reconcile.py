"""Where rTorrent, the journal and the disks disagree: found and mended on real rTorrents. And the trash."""

import json
import os
import shutil

import pytest

from supervisor.commands import trash
from supervisor.errors import Busy, Refused
from supervisor.jobs import Proof, State
from supervisor.settings import Settings
from tests.support.hanging import hanging
from tests.support.rtorrents import until
from tests.support.seedbox import Seedbox
from tests.support.torrents import contents, make_torrent

pytestmark = pytest.mark.real


@pytest.fixture
def box(tmp_path, rtorrent_version):
    with Seedbox(tmp_path / "box", rtorrent_version) as made:
        yield made.start(retry_delay=0.1)


def old(path):
    """Let it look as if it had been written long ago."""
    for each in [*path.rglob("*"), path]:
        os.utime(each, (1e9, 1e9))


def reconcile(box, *words):
    done = box.supervisor.run("reconcile", "--json", *words)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["notes"] == []
    return [(each["kind"], each["path"]) for each in found["findings"]], found["totals"]


def test_all_is_well_after_a_life(box):
    torrent = box.seed("film.mkv", 200_000, submit=False)
    box.supervisor.submit(torrent.hash)
    box.supervisor.wait_for(torrent.hash, State.CACHED)
    assert reconcile(box)[0] == []
    assert "agree" in box.supervisor.run("reconcile").stdout


def test_a_finished_torrent_whose_hook_never_came_is_handed_in(box):
    torrent = box.make("Show", {b"a.mkv": 100_000, b"b.mkv": 1})
    box.client.seed(torrent, box.ssd)  # its data is there: rTorrent tells nobody
    until(lambda: reconcile(box)[0], "it is not taken for one whose hook is on its way")
    assert reconcile(box)[0] == [("missed", str(box.ssd / "Show"))]
    assert reconcile(box, "--fix")[0] == []
    box.supervisor.wait_for(torrent.hash, State.CACHED)
    assert reconcile(box)[0] == []


def test_data_that_no_torrent_lists_is_reported_put_aside_and_restored(box):
    torrent = box.seed("Show", {b"a.mkv": 100_000, b"below/b.mkv": 10})
    box.supervisor.wait_for(torrent.hash, State.CACHED)
    forgotten = box.ssd / "Forgotten"
    (forgotten / "deep").mkdir(parents=True)
    (forgotten / "deep" / "data").write_bytes(b"x" * 50_000)
    unpacked = box.ssd / "Show" / "below" / "unpacked.mkv"
    unpacked.write_bytes(b"y" * 5_000)
    old(forgotten)
    os.utime(unpacked, (1e9, 1e9))
    (box.ssd / "just being written").write_bytes(b"z")
    found, totals = reconcile(box)
    assert found == [("stray", str(forgotten)), ("stray", str(unpacked))]
    assert totals["stray"]["bytes"] >= 55_000

    before = contents(forgotten)
    box.supervisor.stop()  # it works without
    for used in (box.ssd / "Show", box.ssd / "Show" / "below", box.ssd / "Show" / "a.mkv", box.hdd / "Show", box.ssd):
        done = box.supervisor.run("trash", str(used))
        assert done.returncode != 0, used
    assert contents(box.ssd / "Show") == contents(box.hdd / "Show") | {b"below/unpacked.mkv": contents(unpacked)[b""]}
    done = box.supervisor.run("trash", str(forgotten), str(unpacked))
    assert done.returncode == 0, done.stderr
    assert not forgotten.exists()
    assert reconcile(box)[0] == []
    (when,) = (box.ssd / ".seedcache-trash").iterdir()
    assert contents(when / "Forgotten") == before
    (when / "Forgotten").rename(forgotten)
    assert reconcile(box)[0] == [("stray", str(forgotten))]
    assert box.supervisor.run("trash", "--empty").returncode == 0
    assert list((box.ssd / ".seedcache-trash").iterdir()) == []
    assert contents(forgotten) == before


def test_nothing_is_put_aside_while_a_disk_does_not_say_what_lies_on_it(box):
    nas, used = box.home / "nas", box.ssd / "Used"
    nas.mkdir()
    used.mkdir()
    (nas / "link").symlink_to(used)
    (used / "film.mkv").write_bytes(b"x" * 50_000)
    torrent = make_torrent(nas / "link" / "film.mkv", box.home / "film.torrent")
    box.client.seed(torrent, nas / "link")
    box.supervisor.stop()
    settings = Settings(
        download_path_ssd=str(box.ssd),
        final_dest_base_hdd=(str(box.hdd),),
        scgi_url=box.client.url,
        state_dir=str(box.state),
        lock_dir=str(box.state),
    )
    with hanging(b"/nas"), pytest.raises(Busy, match=f"{torrent.hash}.*does not answer"):
        list(trash.run(settings, [str(used)], 1e9, empty=False))
    with pytest.raises(Refused):
        list(trash.run(settings, [str(used)], 1e9, empty=False))
    assert (used / "film.mkv").exists()


def test_a_symbolic_link_is_put_aside_itself_and_none_is_followed(box):
    outside = box.home / "outside"
    outside.mkdir()
    (outside / "data").write_bytes(b"mine")
    link = box.ssd / "link"
    link.symlink_to(outside)
    os.utime(link, (1e9, 1e9), follow_symlinks=False)
    assert reconcile(box)[0] == [("stray", str(link))]
    done = box.supervisor.run("trash", str(link / "data"))
    assert done.returncode == 2
    assert box.supervisor.run("trash", str(link)).returncode == 0
    assert (outside / "data").read_bytes() == b"mine"


def test_what_is_old_in_the_trash_is_removed_and_the_rest_is_not(box):
    trash = box.ssd / ".seedcache-trash"
    for name in ("2020-01-01T00-00-00Z", "2999-01-01T00-00-00Z", "somebody's"):
        (trash / name / "x").mkdir(parents=True)
    reconcile(box, "--fix")
    assert sorted(path.name for path in trash.iterdir()) == ["2999-01-01T00-00-00Z", "somebody's"]


def test_the_copy_and_the_partial_of_an_erased_torrent(box):
    kept = box.seed("Kept", {b"a.mkv": 100_000})
    gone = box.seed("Gone", {b"a.mkv": 100_000})
    for torrent in (kept, gone):
        box.supervisor.wait_for(torrent.hash, State.CACHED)
    box.supervisor.ask(gone.hash, "relocate")
    box.supervisor.wait_for(gone.hash, State.RELOCATED)
    box.client.call("d.erase", gone.hash)
    until(lambda: not (box.client.session / f"{gone.hash}.torrent").exists(), "it is erased")
    partial = box.hdd / f".seedcache-{gone.hash}.partial"
    shutil.copytree(box.hdd / "Gone", partial)
    mine = box.hdd / f".seedcache-{kept.hash}.partial"
    mine.mkdir()
    (mine / "not listed").write_bytes(b"stays")
    strange = box.hdd / f".seedcache-{'0' * 40}.partial"
    strange.mkdir()
    found, _ = reconcile(box)
    assert sorted(found) == [
        ("copy", str(box.hdd / "Gone")),
        *sorted(("partial", str(path)) for path in (partial, mine, strange)),
    ]
    left, _ = reconcile(box, "--fix")
    assert not partial.exists()
    assert strange.exists(), "no job of ours: it is only listed"
    assert (mine / "not listed").exists(), "what the torrent does not list is not removed"
    assert ("partial", str(strange)) in left
    job = box.supervisor.job(gone.hash)
    assert (job.state, job.proof) == (State.RELOCATED, Proof.READ_BACK)
    assert box.supervisor.run("trash", str(box.hdd / "Kept")).returncode == 1
    assert box.supervisor.run("trash", str(box.hdd / "Gone")).returncode == 0
    assert not (box.hdd / "Gone").exists()


def test_what_was_moved_or_labelled_by_others_is_listed(box):
    torrent = box.seed("Show", {b"a.mkv": 100_000}, label="tv")
    box.supervisor.wait_for(torrent.hash, State.CACHED)
    box.client.call("d.custom1.set", torrent.hash, "imported")
    assert [kind for kind, _ in reconcile(box)[0]] == ["relabelled"]


def test_the_supervisor_sweeps_by_itself(box):
    box.supervisor.stop()
    box.supervisor.configure(reconcile_interval=1)
    box.supervisor.start()
    torrent = box.make("Show", {b"a.mkv": 100_000})
    box.client.seed(torrent, box.ssd)  # its data is there: rTorrent tells nobody
    box.supervisor.wait_for(torrent.hash, State.CACHED, 60)
    forgotten = box.ssd / "Forgotten"
    forgotten.mkdir()
    (forgotten / "data").write_bytes(b"x" * 50_000)
    old(forgotten)
    until(lambda: box.supervisor.metric("seedcache_reconcile_findings", kind="stray") == 1, "it is told of", 60)
    assert box.supervisor.metric("seedcache_reconcile_bytes", kind="stray") >= 50_000
    assert forgotten.exists()
