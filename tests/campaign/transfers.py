"""A copy, its proof, its publication and the removal, without rTorrent: every layout, struck at every step."""

import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from supervisor.messages import Relocate
from tests.campaign import disk, invariants
from tests.campaign.invariants import Expected, Places, Violated
from tests.campaign.ledger import Run
from tests.campaign.powerloss import WAYS
from tests.campaign.steps import Step, Strike, Watch
from tests.support.needs import ROOT
from tests.support.seedbox import MEMORY
from tests.support.torrents import contents
from tests.unit.transfer.box import Box

_WORK = """
import pickle, sys
from supervisor.transfer import delivery, removing
copy, relocate = pickle.load(sys.stdin.buffer)
quiet = lambda *_: None
if sys.argv[1] == "copy":
    delivery.deliver(copy, quiet, lambda: False)
removing.remove(relocate, lambda: None, frozenset, quiet)
"""
SIZES = {b"a": 40_000, b"b/c": 30_001, b"b/empty": 0}


def _shared(box: Box) -> None:
    """The destination is there, with a foreign file and with one of the torrent's."""
    box.destination.mkdir(parents=True)
    (box.destination / "mine.txt").write_text("not the torrent's")
    shutil.copy2(box.source / "a", box.destination / "a")


def _linked(box: Box) -> None:
    os.link(box.source / "a", box.source / "again")
    box.make(box.source.name)


def _left(box: Box) -> None:
    """An earlier attempt has left a file that is right, one that is wrong and one that is short."""
    for name, content in (("a", (box.source / "a").read_bytes()), ("b/c", b"\0" * 30_001), ("b/empty", b"")):
        path = box.partial / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content[:39_000])


LAYOUTS: dict[str, tuple[dict[bytes, int] | int, Callable[[Box], None] | None, bool]] = {
    "a directory": (SIZES, None, True),
    "one file": (70_000, None, True),
    "a large file": ({b"film": 700_000, b"a": 40_000}, None, True),
    "a shared directory": (SIZES, _shared, True),
    "hard links": (SIZES, _linked, True),
    "what is left of another attempt": (SIZES, _left, True),
    "not read back": (SIZES, None, False),
    "70 files": ({b"%d/%02d" % (number % 3, number): number * 300 for number in range(70)}, None, True),
}


class Scene:
    """One layout, to be set up again and again."""

    def __init__(self, home: Path, layout: str) -> None:
        sizes, prepare, read_back = LAYOUTS[layout]
        self.home, self._prepare = home, prepare
        self.box = Box(home)
        if isinstance(sizes, int):
            self.box.add_single(sizes)
        else:
            self.box.add(sizes)
        if layout == "hard links":
            _linked(self.box)
        shutil.copytree(self.box.ssd, home / "kept", symlinks=True)
        copy = self.box.copy_task(read_back=read_back)
        ssd, hdd = copy.ssd, copy.hdd
        order = Relocate(2, copy.hash, copy.metainfo, copy.source, copy.destination, ssd, hdd, "")
        self._tasks = pickle.dumps((copy, order))
        roots = {"ssd": self.box.ssd, "hdd": self.box.hdd}
        self.watch = Watch(home / "watch", roots)
        self.roots = roots
        self.set_up()
        files = {name: digest for name, digest in self.box.on_ssd().items() if name != b"mine.txt"}
        single = not self.box.torrent.multi
        source, target = self.box.source, self.box.destination
        self.one = Expected(
            copy.hash, source / self.box.name if single else source, target / self.box.name if single else target,
            files, submitted=False,
        )  # fmt: skip
        self.places = Places(self.box.ssd, self.box.hdd, home / "no state")
        self.strangers = invariants.foreign(self.places, [self.one])

    def set_up(self) -> None:
        """Have everything as at the beginning."""
        for root in (self.box.ssd, self.box.hdd):
            for entry in root.iterdir():
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        subprocess.run(["cp", "-a", f"{self.home}/kept/.", self.box.ssd], check=True)
        (self.box.ssd / "mine.txt").write_text("not the torrent's")
        if self._prepare not in (None, _linked):
            self._prepare(self.box)

    def work(self, environment: dict[str, str] | None = None) -> int:
        """Copy, prove, publish and remove in a process of its own; return how it ended."""
        begun = invariants.found(self.one.source)  # one whose removal has begun is not copied again
        first = "copy" if self.one.files.items() <= begun.items() else "remove"
        done = subprocess.run(
            [sys.executable, "-c", _WORK, first], input=self._tasks, cwd=ROOT, capture_output=True, check=False,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip
        if done.returncode not in (0, -signal.SIGKILL):
            raise Violated(done.stderr.decode())
        return done.returncode

    def steps(self) -> list[Step]:
        """Do it once and return the steps."""
        self.set_up()
        assert self.work(self.watch.environment(hashes=[self.one.hash], log=True)) == 0
        self.at_the_end()
        return self.watch.steps()

    def at_the_end(self) -> None:
        """Raise Violated unless it is done."""
        invariants.check(self.places, self.one, self.strangers)
        copied = invariants.found(self.one.copy)
        if any(copied.get(name) != digest for name, digest in self.one.files.items()):
            raise Violated("one copy: the HDD has not all of it")
        if any(name in self.one.files for name in invariants.found(self.one.source)):
            raise Violated("one copy: the SSD still has some of it")
        if left := list(self.box.hdd.rglob(".seedcache-*")):
            raise Violated(f"nothing left: {left}")

    def killed(self, strike: Strike) -> dict[str, int]:
        """Kill it there, do it again, check."""
        self.set_up()
        code = self.work(self.watch.environment(strike, [self.one.hash]))
        invariants.check(self.places, self.one, self.strangers)
        if code:
            assert self.work() == 0
        self.at_the_end()
        return {"struck": int(self.watch.struck), "not reached": int(not self.watch.struck)}

    def cut(self, dice: random.Random, every: int = 1) -> dict[str, int]:
        """Record it once and let the power go after every so many operations."""
        self.set_up()
        model = disk.Disk(self.roots)
        assert self.work(self.watch.environment(record=True)) == 0
        operations = list(disk.read(self.watch.record))
        states = 0
        for number, operation in enumerate(operations, 1):
            model.apply(operation)
            if number % every and number < len(operations):
                continue
            for way in WAYS:
                try:
                    self._kept(model, way, dice, ended=number == len(operations))
                except AssertionError as error:
                    what = f"{operation.kind} {operation.path}"
                    raise Violated(f"after operation {number} ({what}), kept: {way}: {error}") from error
                states += 1
        return {"operations": len(operations), "states": states}

    def _kept(self, model: disk.Disk, way: str, dice: random.Random, *, ended: bool) -> None:
        with tempfile.TemporaryDirectory(prefix="seedcache-cut-", dir=MEMORY) as directory:
            roots = model.rebuild(Path(directory, "all"), way, dice)

            def moved(path: Path) -> Path:
                name, root = next((name, root) for name, root in self.roots.items() if path.is_relative_to(root))
                return roots[name] / path.relative_to(root)

            there = Expected(self.one.hash, moved(self.one.source), moved(self.one.copy), self.one.files, False)
            strangers = {
                os.fsencode(moved(Path(os.fsdecode(path)))): content for path, content in self.strangers.items()
            }
            invariants.check(Places(roots["ssd"], roots["hdd"], Path(directory, "none")), there, strangers)
            if ended and any(name in there.files for name in invariants.found(there.source)):
                raise Violated("one copy: it was reported as removed, and the SSD has it again")
            if ended and contents(moved(self.box.hdd)) != contents(self.box.hdd):
                raise Violated("one copy: it was reported as done, and the HDD has lost some of it")


def cases(stack: ExitStack, seed: int) -> Iterator[tuple[str, Run]]:
    """Every layout: the power goes at every moment; then a kill before and after every step."""
    for layout in LAYOUTS:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="seedcache-transfers-", dir=MEMORY)))
        scene = Scene(home, layout)
        yield f"{layout}: power", lambda scene=scene: scene.cut(random.Random(seed))
        steps = [step for step in scene.steps() if not step.reads]
        for step in random.Random(seed).sample(steps, min(len(steps), STEPS)):
            for after in (False, True):
                strike = Strike(step, "kill", after)
                yield f"{layout}: {strike}", lambda scene=scene, strike=strike: scene.killed(strike)


STEPS = 60  # of a layout
