"""The durable steps of real processes: told, recorded, struck at. Builds and steers steps.c, which they are given."""

import ctypes
import os
import struct
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.needs import ROOT, need_program

_SHARED = struct.Struct("@lll64s")
_SOURCE = Path(__file__).with_name("steps.c")


@cache
def library() -> str:
    """Build the library if it is not there or old; return its path."""
    built = Path(ROOT, ".cache", "steps.so")
    if not built.exists() or built.stat().st_mtime < _SOURCE.stat().st_mtime:
        built.parent.mkdir(exist_ok=True)
        new = built.with_suffix(f".{os.getpid()}")
        command = [need_program("gcc"), "-O2", "-Wall", "-shared", "-fPIC", "-o", new, _SOURCE, "-ldl"]
        subprocess.run(command, check=True)
        new.replace(built)
    return str(built)


@dataclass(frozen=True, slots=True)
class Step:
    """One step as it was told, such as "fsync hdd/Show/a", and which of those with the same words it is."""

    text: str
    nth: int = 1  # from 1
    reads: bool = False

    def __str__(self) -> str:
        return f"{self.text} #{self.nth}"

    @property
    def root(self) -> str:
        """Where it happens: ssd, hdd, state, session, or the peer that is spoken to."""
        return self.text.split()[1].partition("/")[0]


@dataclass(frozen=True, slots=True)
class Strike:
    """What is to happen at a step."""

    step: Step
    deed: str  # kill, group, stop, other:PID, errno:N, errno-on:N, short
    after: bool = False

    def __str__(self) -> str:
        return f"{self.deed} {'after' if self.after else 'before'} {self.step}"


class Watch:
    """What the processes that are given its environment do."""

    def __init__(self, home: Path, roots: Mapping[str, Path], peers: Mapping[str, str | int] = {}) -> None:
        """Given a directory of its own, the roots that count and the sockets (path or port), by name."""
        home.mkdir(parents=True, exist_ok=True)
        self._roots = ":".join(f"{name}={path}" for name, path in roots.items())
        self._peers = ":".join(f"{name}={peer}" for name, peer in peers.items())
        self.log, self.record, self._shared, self._clock = (
            home / name for name in ("log", "record", "shared", "clock")
        )

    def environment(
        self,
        strike: Strike | None = None,
        hashes: Iterable[str] = (),
        *,
        log: bool = False,
        record: bool = False,
        clock: bool = False,
    ) -> dict[str, str]:
        """Begin anew: return what the processes must be given to be watched, struck, or told a wrong time."""
        for path in (self.log, self.record):
            path.unlink(missing_ok=True)
        self._shared.write_bytes(bytes(_SHARED.size))
        self._clock.write_bytes(bytes(8))
        found = {
            "LD_PRELOAD": library(),
            "STEPS_ROOTS": self._roots,
            "STEPS_PEERS": self._peers,
            "STEPS_HASH": ":".join(f"hash={value}" for value in hashes),
            "STEPS_SHARED": str(self._shared),
        }
        if log:
            found["STEPS_LOG"] = str(self.log)
        if record:
            found["STEPS_RECORD"] = str(self.record)
        if clock:
            found["STEPS_CLOCK"] = str(self._clock)
        if strike is not None:
            found |= {
                "STEPS_AT": strike.step.text,
                "STEPS_NTH": str(strike.step.nth),
                "STEPS_WHEN": "after" if strike.after else "before",
                "STEPS_DO": strike.deed,
            }
        return found

    @property
    def struck(self) -> bool:
        """Say whether the step has come."""
        return _SHARED.unpack(self._shared.read_bytes())[1] != 0

    def heal(self) -> None:
        """End an errno-on."""
        with self._shared.open("r+b") as file:
            file.seek(ctypes.sizeof(ctypes.c_long))
            file.write(struct.pack("@l", 2))

    def skew(self, seconds: float) -> None:
        """Make the wall clock of the processes wrong by so many seconds."""
        with self._clock.open("r+b") as file:
            file.write(struct.pack("@d", seconds))

    def steps(self) -> list[Step]:
        """Return the steps that were told, in their order."""
        counts: dict[str, int] = {}
        found = []
        for line in self.log.read_text(errors="replace").splitlines():
            _, kind, text = line.split(" ", 2)
            counts[text] = counts.get(text, 0) + 1
            found.append(Step(text, counts[text], kind == "r"))
        return found
