"""The switch on real rTorrents of both versions: what is kept, what is refused, what a death in the middle leaves."""

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from supervisor.adapters.rtorrent import CLOSED, IDLE, RTorrent, set_root
from supervisor.errors import Refused, Retryable, RTorrentUnreachable, Stopped, TorrentGone
from supervisor.transfer import switching
from supervisor.transfer.switching import PointedBack, check_layout, confirm, switch
from tests.support.rtorrents import NEW, OLD, RTorrentProcess, until
from tests.support.torrents import AWKWARD, Torrent, contents, make_torrent, write_tree

pytestmark = pytest.mark.real

SMALL = {b"first.bin": 100_000, b"empty": 0, b"below/second.bin": 70_000}
# How a person brings a seeding torrent to each state, and what d.state, d.is_open, d.is_active then are.
STATES = {
    "active": ([], (True, True, True)),
    "paused": (["d.pause"], (True, True, False)),
    "closed": (["d.close"], (True, False, False)),
    "stopped but open": (["d.stop"], (False, True, False)),
    "stopped and closed": (["d.stop", "d.close"], (False, False, False)),
}


@pytest.fixture(autouse=True)
def _no_rest_between_tests(monkeypatch):
    monkeypatch.setattr(switching, "_switched", {})
    monkeypatch.setattr(switching, "DOUBT", 1.0)


@dataclass
class Seedbox:
    """A torrent that a real rTorrent seeds from an SSD directory, and its copy in an HDD directory."""

    process: RTorrentProcess
    client: RTorrent
    torrent: Torrent
    source: bytes
    destination: bytes

    def switch(self, pause=time.sleep, patience=20.0):
        torrent = self.torrent
        return switch(self.client, torrent.hash, self.source, self.destination, torrent.files, pause, patience)

    def now(self):
        return self.client.torrent(self.torrent.hash)

    def state(self):
        torrent = self.now()
        return torrent.started, torrent.open, torrent.active

    def assert_seeds_from(self, directory):
        assert self.state() == (True, True, True)
        torrent = self.now()
        assert torrent.directory == directory
        assert torrent.complete
        assert not torrent.hashing


@pytest.fixture
def seedbox(rtorrents, tmp_path):
    """Return seedbox(version, sizes, name, …): a torrent in ssd/, seeded, with an exact copy in hdd/."""

    def make(version, sizes=SMALL, name=b"a torrent", *, multi=True, extra="", settings=""):
        ssd, hdd = (os.fsencode(tmp_path / disk) for disk in ("ssd", "hdd/of a label"))
        data = ssd + b"/" + name
        write_tree(*((data, sizes) if multi else (ssd, {name: 150_001})))
        torrent = make_torrent(data, tmp_path / "made.torrent")
        os.makedirs(hdd)
        copy = hdd + b"/" + name
        if multi:
            shutil.copytree(data, copy)
        else:
            shutil.copy2(data, copy)
        process = rtorrents(version, settings)
        process.seed(torrent, ssd, extra=extra)
        return Seedbox(process, RTorrent(process.url), torrent, data if multi else ssd, copy if multi else hdd)

    return make


def repoint_only(box, *, save=True, resume=True):
    """Do the first steps of a switch, and no more: what a death of the worker or of rTorrent leaves."""
    steps = [(IDLE, "d.close="), (CLOSED, set_root(box.destination))]
    steps += [(CLOSED, "d.save_resume=")] if save else []
    steps += [(IDLE, "d.resume=")] if resume else []
    assert box.client.guarded(box.torrent.hash, *steps)


def download_again(box, rtorrents, version):
    """Have a third client fetch the whole torrent from the seedbox; return what it got."""
    third = rtorrents(version)
    third.load(box.torrent)
    third.add_peer(box.torrent, box.process)
    third.wait_complete(box.torrent)
    return contents(third.downloads / os.fsdecode(box.torrent.name))


# -- what is kept ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("multi", [True, False], ids=["multi-file", "single-file"])
def test_a_switched_torrent_keeps_the_state_its_owner_gave_it(seedbox, rtorrent_version, state, multi):
    box = seedbox(rtorrent_version, multi=multi)
    commands, expected = STATES[state]
    for command in commands:
        box.process.call(command, box.torrent.hash)
    assert box.state() == expected
    switched = box.switch()
    torrent = box.now()
    assert box.state() == expected
    assert torrent.directory == box.destination
    assert torrent.complete
    assert not torrent.hashing
    assert box.client.resume_directory(box.torrent.hash) == box.destination
    assert (switched.outage_seconds > 0) == (state == "active")
    confirm(box.client, box.torrent.hash, box.destination)


@pytest.mark.parametrize(
    "name", [b"plain", b" edge, \"quoted\" 'n' $d.name= {a} %41 \\x -", "caf\xe9 \N{ROCKET}".encode()]
)
def test_after_the_ssd_data_is_gone_a_third_client_downloads_everything_from_the_hdd(
    seedbox, rtorrents, rtorrent_version, name
):
    box = seedbox(rtorrent_version, AWKWARD, name)
    original = contents(box.source)
    box.switch()
    confirm(box.client, box.torrent.hash, box.destination)
    shutil.rmtree(box.source)
    assert download_again(box, rtorrents, NEW if rtorrent_version == OLD else OLD) == original
    box.process.stop()
    box.process.start()
    until(lambda: box.now().active, "it seeds after a restart")
    box.assert_seeds_from(box.destination)


@pytest.mark.parametrize("name", [b"latin \xe9", b"control \x01\x1b[0m", b"line\nfeed", b"return\rhere"])
def test_a_name_that_rtorrent_cannot_say_over_rpc_is_switched_all_the_same(seedbox, rtorrent_version, name):
    box = seedbox(rtorrent_version, {name + b".bin": 50_000, b"empty" + name: 0}, name)
    assert box.now().directory == box.source
    box.switch()
    box.assert_seeds_from(box.destination)
    confirm(box.client, box.torrent.hash, box.destination)


@pytest.mark.parametrize("name", [b"-leading-dash.bin", b"L" * 250, b" spaces around ", b'qu"ote\\back, comma; $x={y}'])
def test_a_single_file_of_any_name_is_switched(seedbox, rtorrent_version, name):
    box = seedbox(rtorrent_version, name=name, multi=False)
    box.switch()
    box.assert_seeds_from(box.destination)


def test_a_torrent_of_3000_files_is_switched(seedbox, rtorrent_version):
    box = seedbox(rtorrent_version, {b"%02d/%04d.bin" % (number % 30, number): 100 for number in range(3000)})
    box.switch()
    box.assert_seeds_from(box.destination)


@pytest.mark.parametrize(("label", "read"), [("tv", "tv"), ("tv%20shows%2F1", "tv shows/1"), ("", "")])
def test_label_throttle_and_upload_total_are_kept(seedbox, rtorrents, rtorrent_version, label, read):
    box = seedbox(rtorrent_version, settings="throttle.up = slow, 9000")
    call, info_hash = box.process.call, box.torrent.hash
    call("d.custom1.set", info_hash, label)
    call("d.stop", info_hash)
    call("d.throttle_name.set", info_hash, "slow")
    call("d.start", info_hash)
    download_again(box, rtorrents, OLD)
    before = box.now()
    assert before.up_total >= box.torrent.size
    assert (before.label, call("d.throttle_name", info_hash)) == (read, "slow")
    box.switch()
    after = box.now()
    assert after.up_total >= before.up_total
    assert (after.label, after.finished, after.ratio) == (read, before.finished, before.ratio)
    assert (call("d.custom1", info_hash), call("d.throttle_name", info_hash)) == (label, "slow")


def test_the_switch_hashes_nothing(seedbox, rtorrent_version):
    # Wrong bytes of the right size and time: had rTorrent read them, the torrent would not be complete.
    # (d.hashing is no witness: it is 1 for a moment while rTorrent compares sizes and times.)
    box = seedbox(rtorrent_version)
    wrong = box.destination + b"/first.bin"
    times = os.stat(wrong)
    Path(os.fsdecode(wrong)).write_bytes(bytes(100_000))
    os.utime(wrong, ns=(times.st_atime_ns, times.st_mtime_ns))
    box.switch()
    box.assert_seeds_from(box.destination)
    box.process.call("d.check_hash", box.torrent.hash)
    until(lambda: not box.now().hashing, "it has been hashed")
    assert not box.now().complete


def test_files_of_another_time_are_hashed_again_and_then_seeded(seedbox, rtorrent_version):
    box = seedbox(rtorrent_version)
    os.utime(box.destination + b"/first.bin", (1, 1))
    box.switch()
    box.assert_seeds_from(box.destination)


# -- what is refused, before anything is touched -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "spoil",
    [
        lambda copy: os.unlink(copy + b"/empty"),
        lambda copy: os.unlink(copy + b"/below/second.bin"),
        lambda copy: os.truncate(copy + b"/first.bin", 99_999),
        lambda copy: os.truncate(copy + b"/first.bin", 100_001),
        lambda copy: os.rename(copy, copy + b".away"),
        lambda copy: (os.unlink(copy + b"/empty"), os.symlink("/dev/null", copy + b"/empty")),
    ],
    ids=["no empty file", "no file", "a short file", "a long file", "nothing", "a symlink"],
)
def test_a_copy_that_is_not_whole_is_refused_before_the_switch(seedbox, rtorrent_version, spoil):
    box = seedbox(rtorrent_version)
    spoil(box.destination)
    with pytest.raises(Refused, match="the copy is not whole"):
        box.switch()
    box.assert_seeds_from(box.source)


def test_a_torrent_that_lies_elsewhere_is_refused(seedbox, tmp_path):
    box = seedbox(OLD)
    box.source = os.fsencode(tmp_path / "other")
    with pytest.raises(Refused, match="somebody moved it"):
        box.switch()


def test_an_erased_torrent_is_gone(seedbox, rtorrent_version):
    box = seedbox(rtorrent_version)
    box.process.call("d.erase", box.torrent.hash)
    until(lambda: not list(box.process.session.glob("*.torrent")), "its session files are gone")
    with pytest.raises(TorrentGone):
        box.switch()
    with pytest.raises(TorrentGone):
        confirm(box.client, box.torrent.hash, box.destination)


def test_a_torrent_that_is_being_hashed_is_left_alone(seedbox, rtorrent_version):
    box = seedbox(rtorrent_version, {b"large.bin": 100_000_000})
    client, checking = box.client, RTorrent(box.process.url)
    # The check begins in the turn of rTorrent's loop in which it is asked: however late we are, it is not over then.
    checking.ask = lambda *calls: client.ask(("d.check_hash", box.torrent.hash), *calls)[1:]
    for _ in range(5):
        box.client = checking
        with pytest.raises(Retryable, match="checking it"):
            box.switch()
        box.process.wait_complete(box.torrent)
        # The worker's own look is only a courtesy: rTorrent's guard must hold without it.
        assert not checking.guarded(
            box.torrent.hash, (IDLE, "d.close="), (CLOSED, set_root(box.destination)), (IDLE, "d.resume=")
        )
        box.process.wait_complete(box.torrent)
        box.client = client
        assert box.now().directory == box.source
    box.assert_seeds_from(box.source)


def test_one_torrent_is_not_switched_twice_within_ten_seconds(seedbox):
    box = seedbox(OLD)
    box.switch()
    box.source, box.destination = box.destination, box.source
    with pytest.raises(Retryable, match="less than 10 s ago"):
        box.switch()


# -- rTorrent does not take the copy -----------------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
def test_if_the_copy_vanishes_during_the_switch_rtorrent_has_the_ssd_again_in_the_same_state(
    seedbox, rtorrent_version, state, monkeypatch
):
    box = seedbox(rtorrent_version)
    commands, expected = STATES[state]
    for command in commands:
        box.process.call(command, box.torrent.hash)
    monkeypatch.setattr(switching, "check_layout", looks_once_then_removes(box.destination))
    if state == "active":
        with pytest.raises(PointedBack, match="on the SSD again"):
            box.switch()
        assert box.now().directory == box.source
    else:
        box.switch()  # rTorrent does not look at the files of one that does not seed …
        with pytest.raises(PointedBack):  # … but we do when we come again
            box.switch()
        expected = STATES["active"][1]  # nobody knows any more that it was not
    until(lambda: box.state() == expected, "its state is back")
    torrent = box.now()
    assert (torrent.directory, torrent.complete) == (box.source, True)
    assert box.client.custom(box.torrent.hash, switching.NOTE) == ""
    assert contents(box.source) == {name: contents(box.source)[name] for name in SMALL}


def looks_once_then_removes(copy):
    """Return a check_layout whose first call removes the copy after it was found whole."""

    def check(root, files):
        check_layout(root, files)
        if root == copy:
            shutil.rmtree(copy)

    return check


def test_a_roll_back_that_was_cut_short_is_finished_by_the_next_call(seedbox, rtorrent_version, monkeypatch):
    box = seedbox(rtorrent_version, {b"large.bin": 50_000_000})
    monkeypatch.setattr(switching, "check_layout", looks_once_then_removes(box.destination))
    guarded = box.client.guarded

    def stop_once_the_ssd_copy_is_hashed(info_hash, *steps):
        done = guarded(info_hash, *steps)
        if (IDLE, "d.check_hash=") in steps:
            raise Stopped("the supervisor drains")
        return done

    box.client.guarded = stop_once_the_ssd_copy_is_hashed
    with pytest.raises(Stopped):
        box.switch()
    box.client.guarded = guarded
    until(lambda: not box.now().hashing, "the SSD copy has been hashed")
    assert box.now().directory == box.source
    assert not box.now().active
    with pytest.raises(PointedBack, match="on the SSD again"):
        box.switch()
    box.assert_seeds_from(box.source)


def test_an_hdd_that_was_away_when_rtorrent_started_costs_a_check_and_no_download(seedbox, rtorrent_version):
    box = seedbox(rtorrent_version)
    box.switch()
    box.process.kill()
    os.rename(box.destination, box.destination + b".away")
    box.process.start()
    until(lambda: not box.now().started, "rTorrent has given it up")
    os.rename(box.destination + b".away", box.destination)
    with pytest.raises(PointedBack):
        box.switch()
    box.assert_seeds_from(box.source)
    assert contents(box.source) == contents(box.destination)


def test_an_hdd_that_was_away_after_the_ssd_data_went_is_seeded_again(seedbox, rtorrent_version):
    box = seedbox(rtorrent_version)
    box.switch()
    shutil.rmtree(box.source)
    box.process.kill()
    os.rename(box.destination, box.destination + b".away")
    box.process.start()
    until(lambda: not box.now().started, "rTorrent has given it up")
    os.rename(box.destination + b".away", box.destination)
    assert box.switch().outage_seconds is None
    until(lambda: box.now().active, "it seeds")
    box.assert_seeds_from(box.destination)


# -- deaths and hangs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "steps",
    [{"save": False, "resume": False}, {"save": True, "resume": False}, {"save": True, "resume": True}],
    ids=["re-pointed", "saved", "resumed"],
)
@pytest.mark.parametrize("lag", [0.0, 0.1], ids=["at once", "when it is saved"])
def test_an_rtorrent_killed_after_any_step_comes_back_seeding_and_the_next_call_ends_on_the_hdd(
    seedbox, rtorrent_version, steps, lag
):
    box = seedbox(rtorrent_version)
    repoint_only(box, **steps)
    time.sleep(lag)  # lets 0.16 write, or not: both must do
    box.process.kill()
    box.process.start()
    until(lambda: box.now().active, "it seeds, from one disk or the other")
    assert box.now().directory in (box.source, box.destination)
    box.switch()
    box.assert_seeds_from(box.destination)
    confirm(box.client, box.torrent.hash, box.destination)


@pytest.mark.parametrize("save", [False, True])
def test_a_worker_killed_after_the_switch_leaves_only_the_waiting_to_do(seedbox, rtorrent_version, save):
    box = seedbox(rtorrent_version)
    repoint_only(box, save=save)
    assert box.switch().outage_seconds is None
    box.assert_seeds_from(box.destination)
    confirm(box.client, box.torrent.hash, box.destination)


def test_a_frozen_rtorrent_is_unreachable_within_the_timeout_and_the_next_call_ends_on_the_hdd(
    seedbox, rtorrent_version
):
    box = seedbox(rtorrent_version)
    impatient = RTorrent(box.process.url, timeout=0.5)
    frozen = []

    def freeze_then_ask(*arguments):
        box.process.freeze()
        frozen.append(time.monotonic())
        return impatient.guarded(*arguments)

    box.client.guarded = freeze_then_ask
    with pytest.raises(RTorrentUnreachable, match="did not answer in time"):
        box.switch()
    assert time.monotonic() - frozen[0] < 30  # without a timeout it would be for ever
    with pytest.raises(RTorrentUnreachable, match="did not answer in time"):
        confirm(impatient, box.torrent.hash, box.destination)
    box.client = RTorrent(box.process.url)
    box.process.thaw()
    switching._switched.clear()  # as ten seconds later
    box.switch()
    box.assert_seeds_from(box.destination)


def test_a_dead_rtorrent_is_unreachable_and_nothing_is_rolled_back(seedbox, rtorrent_version):
    box = seedbox(rtorrent_version)

    guarded = box.client.guarded

    def ask_then_die(*arguments):
        guarded(*arguments)
        box.process.kill()
        return True

    box.client.guarded = ask_then_die
    with pytest.raises(RTorrentUnreachable):
        box.switch()
    box.client = RTorrent(box.process.url)
    box.process.start()
    until(lambda: box.now().active, "it seeds")
    switching._switched.clear()
    box.switch()
    box.assert_seeds_from(box.destination)


def test_a_torrent_that_the_session_does_not_have_on_the_hdd_is_not_confirmed(seedbox, rtorrent_version):
    box = seedbox(rtorrent_version)
    with pytest.raises(Retryable, match="rTorrent has it in"):
        confirm(box.client, box.torrent.hash, box.destination)
    repoint_only(box, save=False)
    until(lambda: box.now().active, "it seeds")
    with pytest.raises(Retryable, match="after a restart"):
        confirm(box.client, box.torrent.hash, box.destination)


def test_a_session_that_cannot_be_saved_leaves_both_copies_and_says_so(seedbox, rtorrent_version, monkeypatch):
    box = seedbox(rtorrent_version)
    monkeypatch.setattr(RTorrent, "resume_directory", lambda *_: box.source)
    monkeypatch.setattr(switching, "SAVE_AGAIN", 0.1)
    with pytest.raises(Retryable, match="does not save that"):
        box.switch(patience=1.0)
    box.assert_seeds_from(box.destination)
    assert contents(box.source) == contents(box.destination)
