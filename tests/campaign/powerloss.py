"""The power goes at any moment of a torrent's life, and the disks keep what POSIX lets them keep, and no more."""

import contextlib
import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from supervisor.jobs import State
from tests.campaign import disk, invariants
from tests.campaign.invariants import Expected, Places, Violated
from tests.campaign.ledger import Run
from tests.campaign.life import Rig, carry_on
from tests.campaign.steps import Watch
from tests.support.rtorrents import VERSIONS, until
from tests.support.seedbox import MEMORY

WAYS = ("least", "names", "data", "all", "any", "any", "any")
LIVES = 6
RESTARTED = 0.01  # share of the states from which rTorrent and the supervisor are started again


class Recording:
    """One life with all that was written and synced, by the supervisor, the hook and rTorrent."""

    def __init__(self, rig: Rig) -> None:
        self.rig, box = rig, rig.box
        self.torrent = rig.prepare()
        self.one = rig.expected(self.torrent, submitted=True)
        box.client.stop()
        self.roots = {"ssd": box.ssd, "hdd": box.hdd, "system": box.home}
        self.start = disk.Disk(self.roots)
        watch = Watch(rig.home / "recording", self.roots)
        environment = watch.environment(hashes=[self.torrent.hash], record=True)
        box.client.environment = box.supervisor.environment = environment
        try:
            box.client.start()
            box.client.wait_complete(self.torrent)
            box.supervisor.start(ready=False)
            until(box.supervisor.live, "it supervises")
            assert rig.submit(self.torrent, environment)
            self.submitted_at = sum(1 for _ in disk.read(watch.record))
            box.supervisor.wait_for(self.torrent.hash, State.CACHED)
            box.supervisor.ask(self.torrent.hash, "relocate")
            box.supervisor.wait_for(self.torrent.hash, State.RELOCATED)
            box.supervisor.stop()
        finally:
            box.supervisor.kill()
            box.client.kill()
            box.client.environment = box.supervisor.environment = {}
        self.operations = list(disk.read(watch.record))
        watch.record.unlink()

    def moved(self, path: Path, roots: dict[str, Path]) -> Path:
        """Return where a path is in what was rebuilt."""
        name, root = next((name, root) for name, root in self.roots.items() if path.is_relative_to(root))
        return roots[name] / path.relative_to(root)


def cases(_stack: contextlib.ExitStack, seed: int) -> Iterator[tuple[str, Run]]:
    """One case for each life: all its moments, and all the ways in which the power can go then."""
    for number in range(LIVES):
        version = VERSIONS[number % len(VERSIONS)]

        def run(number: int = number, version: str = version) -> dict[str, int]:
            with Rig(version) as rig:
                return moments(rig, random.Random(seed * 1000 + number))

        yield f"life {number + 1}, rTorrent {version}, seed {seed}", run


def moments(rig: Rig, dice: random.Random, every: int = 1, restarted: float = RESTARTED) -> dict[str, int]:
    """Record one life and let the power go after every so many of its operations; return what was counted."""
    recording = Recording(rig)
    model, counts = recording.start, {"operations": len(recording.operations), "states": 0, "restarted": 0}
    for number, operation in enumerate(recording.operations, 1):
        model.apply(operation)
        for way in WAYS if number % every == 0 else ():
            with tempfile.TemporaryDirectory(prefix="seedcache-cut-", dir=MEMORY) as directory:
                try:
                    again = _after(
                        recording, model.rebuild(Path(directory, "all"), way, dice), number, dice.random() < restarted
                    )
                except AssertionError as error:
                    raise Violated(
                        f"after operation {number} ({operation.kind} {operation.path}), kept: {way}: {error}"
                    ) from error
            counts["states"] += 1
            counts["restarted"] += again
    return counts


def _after(recording: Recording, roots: dict[str, Path], number: int, again: bool) -> bool:
    rig, submitted = recording.rig, number > recording.submitted_at
    if again:
        raw = {name: path.with_name(f"{name} raw") for name, path in roots.items()}
        for name, path in roots.items():
            shutil.copytree(path, raw[name])
    _check(recording, roots, submitted=submitted)
    if again:  # where it was, start rTorrent and the supervisor, and see it end right
        for name, root in recording.roots.items():
            for entry in root.iterdir():
                if entry.name != "lost+found":
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            shutil.copytree(raw[name], root, dirs_exist_ok=True)
        rig.box.supervisor.configure()
        carry_on(rig, recording.torrent, submitted=submitted)
        rig.box.client.kill()
    return again


def _check(recording: Recording, roots: dict[str, Path], *, submitted: bool) -> None:
    rig, one = recording.rig, recording.one

    def moved(path: Path) -> Path:
        return recording.moved(path, roots)

    there = Expected(one.hash, moved(one.source), moved(one.copy), one.files, submitted)
    session = moved(rig.box.client.session)
    places = Places(roots["ssd"], roots["hdd"], moved(rig.box.state), session, os.fsencode(rig.box.hdd))
    strangers = {os.fsencode(moved(Path(os.fsdecode(path)))): content for path, content in rig.strangers.items()}
    invariants.check(places, there, strangers)
