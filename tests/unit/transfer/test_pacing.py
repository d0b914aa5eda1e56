import os
import time

import pytest

from supervisor.adapters import clock
from supervisor.errors import Stopped
from supervisor.transfer import delivery, pacing
from supervisor.transfer.pacing import Brake, Pace
from tests.unit.transfer.box import Box, never, quiet


@pytest.fixture
def now(monkeypatch):
    time = [100.0]
    monkeypatch.setattr(clock, "monotonic", lambda: time[0])
    return time


def test_without_a_cap_nothing_waits():
    assert Brake(Pace()).take(1 << 40) == (0.0, "")


def test_bytes_pass_at_the_rate(now):
    brake = Brake(Pace(rate=1000))
    waits = []
    for _ in range(10):
        wait, why = brake.take(500)
        waits.append(wait)
        now[0] += wait
        assert why == "rate"
    assert waits == pytest.approx([0.0] + [0.5] * 9)


def test_nothing_is_saved_up_for_a_burst(now):
    brake = Brake(Pace(rate=1000))
    brake.take(500)
    now[0] += 3600
    assert brake.take(500)[0] == 0
    assert brake.take(500)[0] == pytest.approx(0.5)


@pytest.mark.parametrize("rate", [100_000, 1_000_000, 50_000_000])
def test_a_block_is_no_longer_than_a_second(rate):
    assert Brake(Pace(rate=rate)).block <= rate
    assert Brake(Pace(rate=rate)).block % 4096 == 0


def test_under_pressure_the_rests_grow_to_a_second_and_fade_afterwards(now, monkeypatch):
    stalled = [80.0]
    monkeypatch.setattr(pacing, "stalled", lambda: stalled[0])
    brake = Brake(Pace(pressure=50))
    rests = []
    for _ in range(10):
        rests.append(brake.take(1))
        now[0] += 1
    assert rests[0] == (0.02, "pressure")
    assert rests[-1] == (1.0, "pressure")
    stalled[0] = 10.0
    for _ in range(10):
        rests.append(brake.take(1))
        now[0] += 1
    assert rests[-1][0] == 0


def test_the_pressure_is_the_kernels():
    assert 0 <= pacing.stalled() <= 100
    assert os.path.exists("/proc/pressure/io") or pacing.stalled() == 0


def test_a_capped_delivery_keeps_to_its_rate_and_says_that_it_was_held_back(tmp_path):
    box = Box(tmp_path)
    box.add({b"film": 3_000_000} | {b"%02d" % i: 20_000 for i in range(50)})
    held = []
    begun = time.monotonic()
    pace = Pace(rate=8_000_000, held=lambda why, seconds: held.append((why, seconds)))
    delivery.deliver(box.copy_task(), quiet, never, pace)
    assert time.monotonic() - begun > 2 * 4_000_000 / 8_000_000 * 0.5  # a first block need not wait
    assert {why for why, _ in held} == {"rate"}
    assert box.on_hdd() == box.on_ssd()


def test_a_delivery_that_is_held_back_stops_at_once(tmp_path):
    box = Box(tmp_path)
    box.add_single(3_000_000)
    begun = time.monotonic()
    with pytest.raises(Stopped):
        delivery.deliver(box.copy_task(), quiet, lambda: time.monotonic() > begun + 0.5, Pace(rate=1000))
    assert time.monotonic() - begun < 30  # the next block would be waited for for a minute
