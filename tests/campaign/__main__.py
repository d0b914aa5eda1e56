"""Runs the campaign: `script/campaign [--quick] [--seed N] [--for SECONDS] [--fresh] [part …]`.

A part that is left is taken up again where it was; --fresh begins it anew. Each run rewrites docs/reliability.md.
"""

import argparse
import contextlib
import random
import sys
import time
import traceback
from collections.abc import Callable, Iterator

from tests.campaign import crashes, load, powerloss, report, storm, transfers, troubles
from tests.campaign.ledger import Ledger, Run
from tests.campaign.life import Rig

Cases = Iterator[tuple[str, Run]]


def _of_life(cases: Callable[..., Cases]) -> Callable[[contextlib.ExitStack, int], Cases]:
    def prepared(stack: contextlib.ExitStack, _seed: int) -> Cases:
        rig = stack.enter_context(Rig())
        return cases(rig, rig.trace())

    return prepared


def _beside(stack: contextlib.ExitStack, _seed: int) -> Cases:
    rig = stack.enter_context(Rig())
    for kind in (troubles.conversations, troubles.notifications, troubles.clocks, troubles.limits):
        yield from kind(rig)


def _lies(stack: contextlib.ExitStack, seed: int) -> Cases:
    return troubles.lies(stack.enter_context(Rig()), seed)


PARTS: dict[str, Callable[[contextlib.ExitStack, int], Cases]] = {
    "kills": _of_life(crashes.kills),
    "cuts": _of_life(crashes.cuts),
    "others": crashes.others,
    "errors": _of_life(crashes.errors),
    "transfers": transfers.cases,
    "powerloss": powerloss.cases,
    "switches": troubles.switches,
    "beside": _beside,
    "lies": _lies,
    "storm": storm.cases,
    "load": load.cases,
}
QUICK = 12  # cases of a part


def main() -> int:
    """Run what is asked for; return 1 if an invariant was violated."""
    parser = argparse.ArgumentParser(prog="script/campaign", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} cases of each part, drawn by the seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--for", dest="seconds", type=float, default=float("inf"), help="leave a part after so long")
    parser.add_argument("--fresh", action="store_true", help="begin the parts anew")
    parser.add_argument("--again", action="store_true", help="run the cases once more that were violated")
    parser.add_argument("--only", default="", help="the cases whose name has this in it")
    parser.add_argument("part", nargs="*", choices=[*PARTS, []], help="all, if none is named")
    options = parser.parse_args()
    violated = 0
    for part in options.part or PARTS:
        violated += _part(part, options)
        report.update(part)
    return 1 if violated else 0


def _part(part: str, options: argparse.Namespace) -> int:
    ledger = Ledger(part, fresh=options.fresh)
    done = {case for case, line in ledger.lines().items() if not (options.again and line["violated"])}
    until, violated = time.monotonic() + options.seconds, 0
    with contextlib.ExitStack() as stack:
        cases = [(case, run) for case, run in PARTS[part](stack, options.seed) if options.only in case]
        random.Random(options.seed).shuffle(cases)  # whoever leaves early has tried some of everything
        if options.quick:
            cases = cases[:QUICK]
        ledger.planned(len(cases))
        left = [(case, run) for case, run in cases if case not in done]
        for number, (case, run) in enumerate(left, 1):
            if time.monotonic() > until:
                print(f"{part}: {len(left) - number + 1} of {len(cases)} cases are left", flush=True)
                break
            began, wrong, counts = time.monotonic(), "", None
            try:
                counts = run()
            except AssertionError:
                wrong = traceback.format_exc()
                violated += 1
            seconds = time.monotonic() - began
            ledger.add(case, seconds, counts or {}, wrong)
            print(f"{part} {number}/{len(left)} {seconds:5.1f} s {'VIOLATED ' if wrong else ''}{case}", flush=True)
            if wrong:
                print(wrong, flush=True)
    return violated


if __name__ == "__main__":
    sys.exit(main())
