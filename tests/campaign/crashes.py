"""Kills, power cuts and errors at every durable step of a torrent's life."""

import contextlib
import errno
import random
from collections.abc import Iterator
from itertools import pairwise

from tests.campaign.ledger import Run
from tests.campaign.life import Rig
from tests.campaign.steps import Step, Strike

WAL = "write state/journal.sqlite-wal"
OTHERS = 40  # cuts on a file system that is not ext4
NOT_KEPT = ("journal.sqlite-shm",)  # shared memory: SQLite makes it anew


def chosen(steps: list[Step]) -> list[Step]:
    """Return the steps to strike at: all that change something, and of each run of writes to the log first and last.

    What is between those is one page of a transaction after another, none of which counts before its last.
    """
    durable = [step for step in steps if not step.reads and not any(name in step.text for name in NOT_KEPT)]
    inner = {
        step
        for (before, step), (_, after) in pairwise(pairwise(durable))
        if before.text == step.text == after.text == WAL
    }
    return [step for step in durable if step not in inner]


def _struck(rig: Rig, strike: Strike, *, power: bool = False) -> Run:
    def run() -> dict[str, int]:
        came = rig.strike(strike, power=power)
        return {"struck": int(came), "not reached": int(not came)}

    return run


def kills(rig: Rig, steps: list[Step]) -> Iterator[tuple[str, Run]]:
    """The process that takes the step is killed before and after it; then all processes of the supervisor are."""
    for deed in ("kill", "group"):
        for step in chosen(steps):
            for after in (False, True):
                strike = Strike(step, deed, after)
                yield str(strike), _struck(rig, strike)


def cuts(rig: Rig, steps: list[Step]) -> Iterator[tuple[str, Run]]:
    """Everything ends there, rTorrent too, and what has not reached the devices by then is lost."""
    for step in chosen(steps):
        for after in (False, True):
            strike = Strike(step, "group", after)
            yield f"power {strike}", _struck(rig, strike, power=True)


def others(stack: contextlib.ExitStack, seed: int) -> Iterator[tuple[str, Run]]:
    """As cuts, on other file systems: so many of each."""
    for filesystem in ("xfs", "btrfs"):
        rig = stack.enter_context(Rig(filesystem=filesystem))
        found = list(cuts(rig, rig.trace()))
        for name, run in random.Random(seed).sample(found, min(len(found), OTHERS)):
            yield f"{filesystem}: {name}", run


def errors(rig: Rig, steps: list[Step]) -> Iterator[tuple[str, Run]]:
    """The step fails: once, or from then on with everything on that disk until it is mended."""
    seen = set[str]()
    for step in [*chosen(steps), *(step for step in steps if step.reads)]:
        if step.text in seen or step.text.startswith(("connect", "send")):
            continue  # what comes again with the same words fails in the same place
        seen.add(step.text)
        deeds = [f"errno:{errno.EIO}", f"errno-on:{errno.EIO}"]
        if not step.reads:
            deeds += [f"errno:{errno.ENOSPC}", f"errno-on:{errno.ENOSPC}", f"errno-on:{errno.EROFS}"]
        if step.text.startswith(("write", "read")):
            deeds.append("short")
        if " hdd" in step.text:
            deeds.append(f"errno-on:{errno.ESTALE}")  # the server of a network mount has forgotten all that was open
        for deed in deeds:
            strike = Strike(step, deed)
            yield str(strike), _struck(rig, strike)
