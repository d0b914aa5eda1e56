"""A seedbox of numbers: a thousand torrents over ninety days on a small SSD, emptied by the real plan.

What is assumed, and drawn from one seed: torrents arrive at random, most of a few GiB and some of a hundred. Three in
five are wanted for days, one in four for weeks, one in ten for ever in bursts, and some not at all. One in ten is a
cross-seed of one that is there: another torrent of the same files. Upload does not depend on where a torrent lies; what
is counted is how much of it the SSD serves.
"""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from supervisor.adapters.torrents import Torrent
from supervisor.dispatch import planning
from supervisor.dispatch.planning import Outset
from supervisor.dispatch.uploads import Uploads
from supervisor.jobs import Job, Proof, State
from supervisor.measures import GIB, Marks
from supervisor.policies.base import DAY, Rules

STEP = DAY / 4  # seconds
DAYS = 90
SSD = 2000 * GIB
MARKS = Marks(SSD // 10, SSD * 15 // 100, 0)

# share, uploads of its size in its first day, half-life in days
_KINDS = ((0.60, 0.5, 2.0), (0.25, 1.5, 8.0), (0.10, 0.15, 1e9), (0.05, 0.0, 1.0))


@dataclass(frozen=True, slots=True)
class Life:
    """One torrent: when it arrives, where, and what it uploads in each step after that."""

    torrent: Torrent
    arrives: int  # step
    uploads: tuple[int, ...]  # bytes by step, from its arrival on

    def uploaded(self, begin: int, end: int) -> int:
        """Return the bytes between two steps."""
        return sum(self.uploads[max(begin - self.arrives, 0) : max(end - self.arrives, 0)])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it."""

    served: float  # share of all upload that came from the SSD
    moved: int  # bytes that left the SSD
    relocations: int
    full: int  # arrivals that did not fit on the SSD any more


def lives(count: int, seed: int) -> list[Life]:
    """Return the torrents, by their arrival."""
    source = random.Random(seed)
    made: list[Life] = []
    for number, arrives in enumerate(sorted(source.uniform(0, DAYS * DAY) for _ in range(count))):
        step = int(arrives // STEP)
        recent = [each for each in made if step - each.arrives < 4 * 7]
        twin = source.choice(recent) if recent and source.random() < 0.1 else None
        size = twin.torrent.size if twin else int(min(source.lognormvariate(math.log(6), 1.1), 150) * GIB)
        directory = twin.torrent.directory if twin else b"/ssd/%d" % number
        _, first, half_life = source.choices(_KINDS, [kind[0] for kind in _KINDS])[0]
        first *= source.lognormvariate(0, 0.7)
        uploads = []
        for age in range(int(DAYS * DAY / STEP) - step):
            burst = source.expovariate(1.0) * (4.0 if half_life > 1e6 and source.random() < 0.1 else 1.0)
            uploads.append(int(size * first * STEP / DAY * 0.5 ** (age * STEP / DAY / half_life) * burst))
        torrent = Torrent(
            f"{number:040X}", f"Torrent {number}", directory, True, size, False, "", (step + 1) * STEP, True, 0, True,
            True, True, 0, 0, 0.0, 0, 0, 0, "", seeders=source.randrange(60),
        )  # fmt: skip
        made.append(Life(torrent, step, tuple(uploads)))
    return made


Foresight = Callable[[list[Life], int], Mapping[str, float]]


def next_days(days: float) -> Foresight:
    """Return who knows how much each torrent will upload in so many days: what no policy can know."""
    steps = int(days * DAY / STEP)
    return lambda there, now: {life.torrent.hash: float(life.uploaded(now, now + steps)) for life in there}


def simulate(all_lives: list[Life], rules: Rules, foresight: Foresight | None = None) -> Outcome:
    """Let the days go by under some rules; with foresight, what will be uploaded takes the place of what has been."""
    uploads = Uploads({}, 0.0)
    there: dict[str, Life] = {}
    total: dict[str, int] = {}
    served, everything, moved, relocations, full = 0, 0, 0, 0, 0
    waiting = list(reversed(all_lives))
    for step in range(int(DAYS * DAY / STEP)):
        now = (step + 1) * STEP
        for life in all_lives:
            if life.arrives < step:
                more = life.uploads[step - life.arrives]
                total[life.torrent.hash] = total.get(life.torrent.hash, 0) + more
                everything += more
                served += more if life.torrent.hash in there else 0
        uploads.sample(_as_now(there, total), now, rules.half_life)
        while waiting and waiting[-1].arrives == step:
            life = waiting.pop()
            there[life.torrent.hash] = life
            full += _used(there) > SSD
            if SSD - _used(there) >= MARKS.low:
                continue
            torrents = _as_now(there, total)
            uploads.sample(torrents, now, rules.half_life)
            lately = foresight(list(there.values()), step + 1) if foresight else uploads.lately()
            before = _used(there)
            for job_hash in _leaving(torrents, lately, rules, SSD - before, now):
                del there[job_hash]
                relocations += 1
            moved += before - _used(there)
    return Outcome(served / everything, moved, relocations, full)


def _leaving(torrents: list[Torrent], lately: Mapping[str, float], rules: Rules, free: int, now: float) -> list[str]:
    """Return what a pass of the space worker would move: the real plan, as far as it is needed."""
    jobs = {
        each.hash: Job(each.hash, State.CACHED, 0, 0, source=each.directory, destination=b"/hdd", proof=Proof.READ_BACK)
        for each in torrents
    }
    outset = Outset(b"/ssd", now, free, MARKS, low_since=now, rules=rules, lately=lately)
    steps = planning.plan(torrents, jobs, outset).steps
    needed = {step.unit: None for step, _, is_needed in planning.projected(steps, outset) if is_needed}
    return [job_hash for unit in needed for job_hash in unit]


def _as_now(there: Mapping[str, Life], total: Mapping[str, int]) -> list[Torrent]:
    torrents = []
    for job_hash, life in there.items():
        uploaded = total.get(job_hash, 0)
        torrents.append(replace(life.torrent, up_total=uploaded, ratio=uploaded / life.torrent.size))
    return torrents


def _used(there: Mapping[str, Life]) -> int:
    """Return the bytes on the SSD: those that torrents share once."""
    return sum({life.torrent.directory: life.torrent.size for life in there.values()}.values())
