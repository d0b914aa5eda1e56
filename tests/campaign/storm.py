"""Kills of anything at any moment, while torrents arrive, are copied, relocated, erased and added again."""

import contextlib
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil

from supervisor.jobs import Job, State
from tests.campaign import invariants
from tests.campaign.invariants import Expected, Places, Violated
from tests.campaign.ledger import Run
from tests.fakes.arr import KEY, FakeArr
from tests.support.rtorrents import VERSIONS, until
from tests.support.seedbox import MEMORY, Seedbox, slowly_written
from tests.support.torrents import Torrent, contents

ROUNDS, TORRENTS, KILLS = 6, 18, 90  # in all: 108 torrents, 540 kills
VICTIMS = ("parent", "manager", "forkserver", "copier-1", "copier-2", "space", "notifier", "rtorrent")
PATIENCE = 150.0  # seconds after the last kill


class Storm:
    """One round of it."""

    def __init__(self, box: Seedbox, arr: FakeArr, dice: random.Random) -> None:
        self.box, self.arr, self.dice = box, arr, dice
        self.places = Places(box.ssd, box.hdd, box.state, box.client.session)
        self.torrents: dict[str, tuple[Torrent, Expected]] = {}
        self.erased: set[str] = set()
        self.counts: Counter[str] = Counter()
        for path in (box.ssd / "mine.txt", box.hdd / "mine.txt", box.hdd / "tv" / "mine.txt"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("not a torrent's")
        self.strangers = invariants.foreign(self.places, [])

    def arrive(self) -> None:
        """A torrent has been downloaded, and the hook runs."""
        number = len(self.torrents)
        several = {b"%d/%d" % (n % 3, n): self.dice.randrange(200_000) for n in range(self.dice.randrange(2, 12))}
        what = self.dice.randrange(1, 3_000_000) if number % 3 == 0 else several
        torrent = self.box.seed(f"Show {number}", what, label="tv", submit=False)
        source, copy = self.box.path(self.box.ssd, torrent), self.box.path(self.box.hdd, torrent, "tv")
        self.torrents[torrent.hash] = torrent, Expected(torrent.hash, source, copy, contents(source), submitted=True)
        self.box.supervisor.submit(torrent.hash)
        self.counts["torrents"] += 1

    def kill(self, name: str) -> None:
        """Kill one process, if it is there at the moment, and have what nobody else restarts started again."""
        box = self.box
        if name == "rtorrent":
            box.client.kill()
            self.counts["kill rtorrent"] += 1
            box.client.start()
            return
        with contextlib.suppress(StopIteration, psutil.NoSuchProcess, AssertionError):
            box.supervisor.victim(name).kill()
            self.counts[f"kill {name.partition('-')[0]}"] += 1
        if name == "parent":
            box.supervisor.wait()
            until(lambda: not box.processes(), "its children have ended")
            self.look()
            box.supervisor.start(ready=False)
        elif not box.supervisor.alive:
            raise Violated(f"the parent ended with its {name}: {box.supervisor.said()[-2000:]}")

    def look(self) -> None:
        """See that all holds that must always hold; nobody but rTorrent runs."""
        for _, one in self.torrents.values():
            there = one.hash not in self.erased
            places = replace(self.places, session=self.places.session if there else None)
            invariants.check(places, replace(one, submitted=there))
        self.counts["times everything was checked"] += 1

    def something(self) -> None:
        """Let one thing happen that a user or a download does."""
        box, dice = self.box, self.dice
        here = [job_hash for job_hash in self.torrents if job_hash not in self.erased]
        match dice.choice(("arrive", "arrive", "relocate", "relocate", "erase", "add", "submit")):
            case "arrive" if len(self.torrents) < TORRENTS:
                self.arrive()
            case "relocate" if here:
                box.supervisor.ask(dice.choice(here), "relocate")
                self.counts["relocations asked for"] += 1
            case "erase" if here and len(self.erased) < 3:
                job_hash = dice.choice(here)
                box.client.call("d.erase", job_hash)
                self.erased.add(job_hash)
                self.counts["erased"] += 1
            case "add" if self.erased:
                self.add_again(dice.choice(sorted(self.erased)))
            case "submit" if here:
                box.supervisor.submit(dice.choice(here))
                self.counts["submitted again"] += 1

    def add_again(self, job_hash: str) -> None:
        """Add one that was erased, with its data where it is whole, and submit it."""
        torrent, one = self.torrents[job_hash]
        root = self.box.ssd if invariants.found(one.source) == one.files else self.box.hdd / "tv"
        self.box.client.seed(torrent, root, extra='d.custom1.set="tv"')
        self.erased.discard(job_hash)
        self.box.supervisor.submit(job_hash)
        self.counts["added again"] += 1

    def kills(self) -> int:
        """Return how many there were."""
        return sum(count for what, count in self.counts.items() if what.startswith("kill "))

    def rage(self, kills: int) -> None:
        """Kill so often, at any moment."""
        while self.kills() < kills or len(self.torrents) < TORRENTS:
            for _ in range(self.dice.randrange(3)):
                self.something()
            time.sleep(self.dice.uniform(0, 0.25))  # this is the fault: the moment is any
            if self.kills() < kills:
                self.kill(self.dice.choice(VICTIMS))

    def settle(self) -> None:
        """See that everything ends right. Raise AssertionError."""
        box = self.box
        for job_hash in sorted(self.erased):
            self.add_again(job_hash)
        for job_hash in self.torrents:
            box.supervisor.submit(job_hash)
        deadline = time.monotonic() + PATIENCE
        while left := [job for job_hash in self.torrents if (job := self._job(job_hash)).state is not State.RELOCATED]:
            if time.monotonic() > deadline:
                what = [(job.hash, job.state, job.reason) for job in left]
                raise Violated(f"ended: {what}\n{box.supervisor.said()[-3000:]}")
            for job in left:
                if job.state is State.FAILED:
                    self.counts["failed, and retried by hand"] += 1
                    box.supervisor.ask(job.hash, "retry")
                elif job.state is State.CACHED:
                    box.supervisor.ask(job.hash, "relocate")
            time.sleep(1)
        self._check_end()

    def _check_end(self) -> None:
        box = self.box
        until(lambda: not os.listdir(box.state / "spool"), "nothing left: the spool is empty")
        assert box.supervisor.stop() == 0
        until(lambda: not box.processes(), "nothing left: no process")
        for torrent, one in self.torrents.values():
            invariants.check(self.places, one)
            if invariants.found(one.copy) != one.files or one.source.exists():
                raise Violated(f"one copy: of {torrent.name!r}, SSD {invariants.found(one.source).keys()}")
            if not box.seeds_from(box.hdd, torrent, "tv"):
                raise Violated(f"seeds: {torrent.name!r} does not, from {box.directory(torrent)}")
            if not any(command["downloadClientId"] == one.hash for command in self.arr.commands):
                raise Violated(f"told: Sonarr was not, of {torrent.name!r}")
        if invariants.foreign(self.places, [one for _, one in self.torrents.values()]) != self.strangers:
            raise Violated("foreign: something was touched")
        if left := invariants.leftovers(self.places):
            raise Violated(f"nothing left: {left}")

    def _job(self, job_hash: str) -> Job:
        job = self.box.supervisor.job(job_hash)
        if job is None:
            raise Violated(f"submitted: {job_hash} is not in the journal")
        return job


def round_of(seed: int, version: str, kills: int = KILLS) -> dict[str, int]:
    """Have one round of it; return what was counted."""
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="seedcache-storm-", dir=MEMORY)))
        arr = stack.enter_context(FakeArr("sonarr"))
        box = stack.enter_context(Seedbox(home / "box", version, ssd_mib=96, hdd_mib=160))
        box.start(
            sonarr_url=arr.url, sonarr_api_key=KEY, sonarr_tag="tv", copy_retry_attempts=1000,
            max_concurrent_processes=2, log_level="INFO", retry_delay=0.1,
        )  # fmt: skip
        storm = Storm(box, arr, random.Random(seed))
        with slowly_written(box.hdd, 16):
            storm.rage(kills)
        storm.settle()
        return dict(storm.counts)


def cases(_stack: contextlib.ExitStack, seed: int) -> Iterator[tuple[str, Run]]:
    """The rounds."""
    for number in range(ROUNDS):
        version, round_seed = VERSIONS[number % len(VERSIONS)], seed * 1000 + number
        yield (
            f"round {number + 1}, rTorrent {version}, seed {round_seed}",
            lambda round_seed=round_seed, version=version: round_of(round_seed, version),
        )
