"""Much at once and for long: submissions, torrents, hours. Memory and descriptors must stay, and nothing be left."""

import contextlib
import gc
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from supervisor import spool
from supervisor.jobs import Proof, State
from supervisor.messages import Copied, Copy, Failed, Notified, Notify, Proven, Relocate, Relocated
from tests.campaign import invariants
from tests.campaign.invariants import Violated
from tests.campaign.ledger import Run
from tests.campaign.life import Rig
from tests.support.rtorrents import until
from tests.support.seedbox import MEMORY
from tests.unit.office import Office, a_hash

HOURS, TURN, EVERY = 72, 15.0, 300.0  # seconds of a turn; a torrent arrives so often
AT_ONCE, RESTING = 10_000, 100
SOAK = 180.0  # seconds
MORE_MEMORY = 1.15  # of what there was before
LEAK = 0.5  # blocks of memory for each torrent that came in the hours: its hash alone, kept for ever, would be 1


def _held(rig: Rig) -> tuple[int, int]:
    """Return the memory (PSS, bytes) and the descriptors of all processes of the supervisor.

    The fewest of twenty looks: a directory or a connection may be open for the moment, one that is leaked stays.
    """
    processes = rig.box.processes()
    descriptors = []
    for _ in range(20):
        descriptors.append(sum(process.num_fds() for process in processes))
        time.sleep(0.05)
    return sum(process.memory_full_info().pss for process in processes), min(descriptors)


def _grew(what: str, before: tuple[int, int], after: tuple[int, int]) -> dict[str, int]:
    if after[0] > MORE_MEMORY * before[0]:
        raise Violated(f"memory grew from {before[0] >> 20} to {after[0] >> 20} MiB")
    if after[1] > before[1]:
        raise Violated(f"descriptors grew from {before[1]} to {after[1]}")
    found = {"MiB before": before[0] >> 20, "MiB after": after[0] >> 20, "descriptors": after[1]}
    return {f"{what}: {name}": value for name, value in found.items()}


def _at_once(rig: Rig) -> dict[str, int]:
    """10,000 hooks fire at once, three times, for torrents that rTorrent does not have."""
    rig.prepare()
    supervisor, hashes = rig.box.supervisor, [f"{number:040X}" for number in range(1, AT_ONCE + 1)]
    supervisor.start()
    held, seconds = [], []
    for _ in range(3):
        began = time.monotonic()
        handle = os.open(spool.directory(str(rig.box.state)), os.O_RDONLY)
        for job_hash in hashes:
            os.close(os.open(f"{job_hash}.finished", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=handle))
        os.fsync(handle)
        os.close(handle)
        until(lambda: not os.listdir(rig.box.state / "spool"), "all are read", 120)
        seconds.append(time.monotonic() - began)
        counts = supervisor.run("status", "--json")
        assert counts.returncode == 0, counts.stderr
        until(lambda: all(supervisor.state_of(h) is not None for h in random.sample(hashes, 50)), "all are known")
        until(lambda: supervisor.get("/-/healthy")[0] == 200, "it is healthy")
        held.append(_held(rig))
    assert supervisor.stop() == 0
    if left := invariants.leftovers(rig.places):
        raise Violated(f"nothing left: {left}")
    return _grew("at once", held[1], held[2]) | {
        "submissions": 3 * AT_ONCE,
        "milliseconds for 10,000": round(max(seconds) * 1000),
    }


def _hours(seed: int) -> dict[str, int]:
    """72 hours, twice: in the first the interpreter fills the lists of free objects that it keeps for itself."""
    _lived(seed)
    counts, memory = _lived(seed)
    # By the middle all is in sight that is remembered for a day. Means of 18 hours: by the hour it goes up and down.
    span = HOURS // 4
    before, after = (sum(memory[start : start + span]) // span for start in (2 * span, 3 * span))
    if after - before > LEAK * counts["torrents"] / 4:
        raise Violated(f"blocks of memory by the hour: {memory}, {counts}")
    return counts | {"blocks in hours 36 to 54": before, "blocks in hours 54 to 72": after, "hours": HOURS}


def _lived(seed: int) -> tuple[dict[str, int], list[int]]:
    """Let the dispatcher, the journal and the schedule live on a clock that runs fast; workers are played.

    Return what was counted, and by the hour how many blocks of memory there were more than at the start.
    """
    dice, counts = random.Random(seed), dict.fromkeys(("turns", "torrents", "relocated", "failures"), 0)
    with tempfile.TemporaryDirectory(prefix="seedcache-hours-", dir=MEMORY) as home:
        office = Office(Path(home), sonarr_url="http://127.0.0.1:1", sonarr_api_key="k", sonarr_tag="tv")
        office.journal._database.execute("PRAGMA synchronous = OFF")  # the hours, not the disk, are tried
        office.hire()
        arrivals, cached, memory, descriptors = 0.0, dict[str, None](), [], []  # cached: the oldest first
        gc.collect()
        before = sys.getallocatedblocks()
        try:
            for turn in range(int(HOURS * 3600 / TURN)):
                office.now += TURN
                counts["turns"] += 1
                if office.now >= arrivals:
                    arrivals = office.now + EVERY
                    counts["torrents"] += 1
                    office.ask(a_hash(counts["torrents"]))
                while office.questions.asked:
                    job_hash = office.questions.asked.pop(0)
                    office.locate(job_hash, finished=office.now)
                if office.questions.surveys:
                    office.questions.surveys = 0
                    office.low(*sorted(cached))
                if len(cached) > RESTING:
                    office.ask(next(iter(cached)), "relocate")
                _work(office, dice, cached, counts)
                office.sent.clear()
                if turn % (3600 / TURN) == 0:
                    gc.collect()
                    memory.append(sys.getallocatedblocks() - before)
                    descriptors.append(psutil.Process().num_fds())
        finally:
            office.journal.close()
        if len(set(descriptors)) > 1:
            raise Violated(f"descriptors by the hour: {descriptors}, {counts}")
        return counts, memory


def _work(office: Office, dice: random.Random, cached: dict[str, None], counts: dict[str, int]) -> None:
    """Let each worker end what it has, well or not."""
    for worker, task in list(office.crew.tasks().items()):
        if dice.random() < 0.05:
            counts["failures"] += 1
            office.answer(worker, Failed("it failed", retry=True, counts=False))
            continue
        match task:
            case Copy():
                office.answer(worker, Copied(Proof.READ_BACK, False, 5, 0, 0.1, 0.1))
                cached[task.hash] = None
            case Notify():
                office.answer(worker, Notified())
            case Relocate():
                office.answer(worker, Relocated(0.002, 5))
                cached.pop(task.hash, None)
                counts["relocated"] += 1
            case _:
                office.answer(worker, Proven(0.1))


def _soak(rig: Rig) -> dict[str, int]:
    """One supervisor, one torrent after the other all the way, for some minutes of real time."""
    rig.prepare()
    box, lives, held = rig.box, 0, []
    box.supervisor.start()
    began = time.monotonic()
    while time.monotonic() - began < SOAK:
        lives += 1
        torrent = box.seed(f"Soak {lives}", {b"a": 50_000, b"b/c": 10_000, b"e": 0}, label="tv")
        expected = invariants.found(box.path(box.ssd, torrent))
        box.supervisor.wait_for(torrent.hash, State.CACHED)
        box.supervisor.ask(torrent.hash, "relocate")
        box.relocated(torrent, expected, "tv")
        box.client.call("d.erase", torrent.hash)
        subprocess.run(["rm", "-rf", box.path(box.hdd, torrent, "tv")], check=True)
        if lives in (20, 40) or time.monotonic() - began > SOAK:
            box.supervisor.get("/metrics")
            held.append(_held(rig))
    assert box.supervisor.stop() == 0
    if left := invariants.leftovers(rig.places):
        raise Violated(f"nothing left: {left}")
    return _grew("lives", held[0], held[-1]) | {"lives": lives, "seconds": round(SOAK)}


def cases(stack: contextlib.ExitStack, seed: int) -> Iterator[tuple[str, Run]]:
    """Three kinds of much."""
    rig = stack.enter_context(Rig())
    yield f"{HOURS} simulated hours, seed {seed}", lambda: _hours(seed)
    yield f"{AT_ONCE} submissions at once, three times", lambda: _at_once(rig)
    yield f"{SOAK:.0f} seconds of one life after the other", lambda: _soak(rig)
