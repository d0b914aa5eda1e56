"""A sample of the campaign that script/campaign runs in full."""

import contextlib
import errno
import random

import pytest

from tests.campaign import crashes, powerloss, transfers, troubles
from tests.campaign.life import Rig
from tests.campaign.steps import Step, Strike

pytestmark = pytest.mark.real

SEED = 1


@pytest.mark.parametrize("part", [crashes.kills, crashes.cuts, crashes.errors])
def test_a_life_that_is_struck_anywhere_ends_right(part):
    with Rig() as rig:
        for _, run in random.Random(SEED).sample(list(part(rig, rig.trace())), 4):
            run()


@pytest.mark.parametrize("deed", [f"errno:{errno.ENOSPC}", f"errno-on:{errno.EIO}"])
@pytest.mark.parametrize("step", ["unlink state/spool/H.finished.taken", "rename state/spool/H.finished"])
def test_a_submission_whose_entry_cannot_be_renamed_or_removed_for_a_while_is_read_once(deed, step):
    with Rig() as rig:
        torrent = rig.prepare()
        [found] = [text for text in {step.text for step in rig.trace()} if text.startswith(step)]
        torrent = rig.prepare()
        rig.live(torrent, rig.watch.environment(Strike(Step(found), deed), [torrent.hash]))
        assert rig.watch.struck
        read = [event for event in rig.box.supervisor.events(torrent.hash) if event.text.startswith("submitted")]
        assert len(read) == 1


def test_a_clock_that_is_put_back_and_a_want_of_memory_hold_nothing_up():
    with Rig() as rig:
        cases = dict((*troubles.clocks(rig), *troubles.limits(rig)))
        for name in ("clock: -400 days while it waits", f"limit: {120 << 20} bytes of memory"):
            cases[name]()


def test_a_bit_that_the_hdd_has_otherwise_is_found_before_anything_is_removed():
    with Rig() as rig:
        for _, run in list(troubles.lies(rig, SEED))[:2]:  # one after it was published unread
            run()


def test_whatever_posix_lets_a_disk_keep_of_a_life_nothing_is_lost():
    with Rig() as rig:
        assert powerloss.moments(rig, random.Random(SEED), every=5, restarted=0)["states"] > 200


@pytest.mark.parametrize("layout", ["a directory", "a large file", "a shared directory", "hard links", "70 files"])
def test_whatever_posix_lets_a_disk_keep_of_a_copy_nothing_is_lost(tmp_path, layout):
    scene = transfers.Scene(tmp_path, layout)
    assert scene.cut(random.Random(SEED), every=20 if layout == "70 files" else 1)["states"] > 70


def test_a_copy_that_is_killed_anywhere_is_done_by_the_next():
    with contextlib.ExitStack() as stack:
        killed = [run for name, run in transfers.cases(stack, SEED) if "power" not in name]
        for run in random.Random(SEED).sample(killed, 12):
            run()
