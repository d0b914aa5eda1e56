"""kill -9 at any moment of a delivery or a removal: nothing unproven at a final name, and the end is right."""

import contextlib
import os
import pickle
import random
import signal
import subprocess
import sys
import time

from tests.support.torrents import contents
from tests.unit.transfer.box import Box

DELIVER = """
import pickle, sys
from supervisor.transfer import delivery
print("ready", flush=True)
delivery.deliver(pickle.loads(bytes.fromhex(sys.argv[1])), lambda *_: None, lambda: False)
"""

SIZES = {b"big/film": 60_000_000, b"big/extra": 9_999_999} | {
    b"s/%d/%d" % (i % 9, i): 30_011 * i % 70_000 for i in range(300)
}


def killed_after(program: str, argument: str, seconds: float) -> bool:
    """Run a program, kill it so long after it is ready; return whether it was done before."""
    with subprocess.Popen([sys.executable, "-c", program, argument], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        process.send_signal(signal.SIGKILL)
        return process.wait() == 0


def test_twenty_kills_at_random_moments_lose_nothing_and_publish_nothing_unproven(tmp_path):
    box = Box(tmp_path)
    box.add(SIZES)
    expected = box.on_ssd()
    task = pickle.dumps(box.copy_task()).hex()
    began = time.monotonic()
    assert killed_after(DELIVER, task, 60)
    whole = time.monotonic() - began
    source = random.Random(3)
    for number in range(20):
        if number % 4 == 0:
            box.forget()
        if number % 8 == 4:  # a shared directory: it is published file by file
            box.destination.mkdir(parents=True, exist_ok=True)
        killed_after(DELIVER, task, source.uniform(0, whole))
        if box.destination.exists():
            found = contents(box.destination)
            assert all(expected[name] == digest for name, digest in found.items())
    box.deliver()
    assert box.on_hdd() == expected
    assert box.facts(box.destination) == box.facts(box.source)
    assert os.listdir(box.hdd / "label") == [box.name]


REMOVE = """
import pickle, sys, time
from supervisor.transfer import removing
print("ready", flush=True)
removing.remove(pickle.loads(bytes.fromhex(sys.argv[1])), lambda: None, frozenset, lambda *_: None)
"""


def test_a_removal_that_is_killed_is_done_by_the_next(tmp_path):
    from supervisor.messages import Relocate  # noqa: PLC0415

    box = Box(tmp_path)
    box.add({b"d/%d/%d" % (i % 20, i): 100 for i in range(3000)})
    box.deliver()
    expected = box.on_hdd()
    task = box.copy_task()
    order = Relocate(3, task.hash, task.metainfo, task.source, task.destination, task.ssd, task.hdd, "")
    source = random.Random(5)
    for _ in range(5):
        killed_after(REMOVE, pickle.dumps(order).hex(), source.uniform(0, 0.1))
        assert box.on_hdd() == expected
    box.remove()
    assert os.listdir(box.ssd) == []
    assert box.on_hdd() == expected
