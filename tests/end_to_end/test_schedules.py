"""Hours, a day's budget, and what was uploaded of late, on a real rTorrent; the supervisor's clock is the test's."""

import json

import pytest

from supervisor.jobs import State
from tests.support.clocks import Clock
from tests.support.rtorrents import VERSIONS, until
from tests.support.seedbox import MIB, Seedbox, fill
from tests.support.torrents import contents

pytestmark = pytest.mark.real

COPIES, LEAVES = "Thu 01:00-02:00", "Thu 03:00-04:00"
WEEK = 7  # days
LOW = 20 / 1024  # GiB


@pytest.fixture(params=VERSIONS)
def box(request, tmp_path):
    with Seedbox(tmp_path, request.param) as made:
        yield made


@pytest.fixture
def clock(box, tmp_path):
    made = Clock(tmp_path / "clock")
    box.environment |= made.environment
    return made


def waiting(box, what):
    return box.supervisor.live().get("waiting_for", {}).get(what)


def begun(box, torrent, state):
    return next(event for event in box.supervisor.events(torrent.hash) if event.action == state)


def test_copies_are_begun_and_torrents_leave_as_the_hours_open_and_not_before(box, clock):
    box.start(time_zone="UTC", copy_hours=[COPIES], relocation_hours=[LEAVES], disk_space_threshold_gb=1)
    first = box.seed("first.mkv", 3 * MIB)
    original = contents(box.path(box.ssd, first))
    until(lambda: waiting(box, "copy-hours") == 1, "it waits for COPY_HOURS")
    assert box.supervisor.live()["opens"] == {"copy-hours": clock.at(1), "relocation-hours": clock.at(3)}
    assert box.supervisor.state_of(first.hash) is State.SUBMITTED
    assert "COPY_HOURS" in box.supervisor.run("explain", first.hash).stdout
    assert contents(box.hdd) == {}

    clock.set(1)
    box.supervisor.wait_for(first.hash, State.CACHED)
    until(lambda: waiting(box, "relocation-hours") == 1, "it waits for RELOCATION_HOURS")

    clock.set(2)
    until(lambda: box.supervisor.live()["opens"].get("copy-hours") == clock.at(1, days=WEEK), "the hours are over")
    second = box.seed("second.mkv", MIB)
    until(lambda: waiting(box, "copy-hours") == 1, "the second waits for COPY_HOURS")
    assert box.seeds_from(box.ssd, first)

    clock.set(3)
    box.relocated(first, original)
    assert box.supervisor.state_of(second.hash) is State.SUBMITTED
    assert begun(box, first, State.COPYING).at >= clock.at(1)
    assert begun(box, first, State.RELOCATING).at >= clock.at(3)

    clock.set(1, days=WEEK)
    box.supervisor.wait_for(second.hash, State.CACHED)


@pytest.mark.usefixtures("clock")
def test_an_ssd_that_is_all_but_full_overrides_the_hours(box):
    box.start(
        time_zone="UTC",
        copy_hours=[COPIES],
        relocation_hours=[LEAVES],
        disk_space_threshold_gb=LOW,
        space_emergency="10 MiB",
    )
    torrent = box.seed("film.mkv", 3 * MIB)
    original = contents(box.path(box.ssd, torrent))
    until(lambda: waiting(box, "copy-hours") == 1, "it waits for COPY_HOURS")
    fill(box.ssd, 5 * MIB)
    box.relocated(torrent, original)
    assert "against COPY_HOURS: an emergency (SPACE_EMERGENCY)" in begun(box, torrent, State.COPYING).text
    assert "against RELOCATION_HOURS: an emergency (SPACE_EMERGENCY)" in begun(box, torrent, State.RELOCATING).text


def test_the_budget_of_a_day_outlives_a_restart_and_is_renewed_at_midnight(box, clock):
    box.start(time_zone="UTC", hdd_daily_budget="5 MiB")
    first = box.seed("first.mkv", 3 * MIB)
    box.supervisor.wait_for(first.hash, State.CACHED)
    second = box.seed("second.mkv", 3 * MIB)
    small = box.seed("small.mkv", MIB)
    box.supervisor.wait_for(small.hash, State.CACHED)  # for it there is enough left
    until(lambda: waiting(box, "daily-budget") == 1, "it waits for tomorrow")
    assert box.supervisor.stop() == 0
    box.supervisor.start()
    until(lambda: waiting(box, "daily-budget") == 1, "it still waits for tomorrow")
    assert box.supervisor.state_of(second.hash) is State.SUBMITTED
    clock.set(0, days=1)
    box.supervisor.wait_for(second.hash, State.CACHED)


def test_what_has_uploaded_least_of_late_leaves_first(box, clock):
    box.start(policy_half_life="6 h", disk_space_threshold_gb=LOW)
    names = ("never", "once", "lately")
    torrents = {name: box.seed(f"{name}.mkv", 2 * MIB) for name in names[::-1]}
    for torrent in torrents.values():
        box.supervisor.wait_for(torrent.hash, State.CACHED)

    def noted(name):
        return next((each.total for each in [box.supervisor.uploads().get(torrents[name].hash)] if each), -1)

    clock.set(2)  # they are looked at every hour, and what is seen is written down every hour
    until(lambda: noted("once") == 0, "a first look at them is durable")
    for number in range(3):
        box.download(torrents["once"], box.client, f"early {number}")
    clock.set(4)
    until(lambda: noted("once") >= 3 * 2 * MIB, "its uploads are durable")
    clock.set(0, days=1)
    box.download(torrents["lately"], box.client, "late")
    clock.set(1, 30, days=1)
    until(lambda: noted("lately") >= 2 * MIB, "its uploads are durable")

    shown = json.loads(box.supervisor.run("space", "plan", "--json").stdout)
    order = [torrents[name].hash for name in names]
    assert [step["hash"] for step in shown["steps"]] == order
    fill(box.ssd, 14 * MIB)  # all three have to leave
    for torrent in torrents.values():
        box.supervisor.wait_for(torrent.hash, State.RELOCATED)
    left = sorted(order, key=lambda job_hash: box.supervisor.job(job_hash).changed)
    assert left == order
    assert "hardly uploaded of late" in begun(box, torrents["never"], State.RELOCATING).text
    assert "uploads of late" in begun(box, torrents["lately"], State.RELOCATING).text
