"""Deliver one torrent as a copy worker does. ours.py TASK source|proven|stopped; the last stops at 60 % of the copy."""

import pickle
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from supervisor.errors import Stopped
from supervisor.messages import Phase
from supervisor.transfer import delivery

STOP_AT = 0.6


def main() -> None:
    """Do it."""
    task = pickle.loads(Path(sys.argv[1]).read_bytes())
    task = replace(task, read_back=sys.argv[2] != "source")
    reached = []

    def report(phase: Phase, done: int, total: int) -> None:
        if phase is Phase.COPY and done >= total * STOP_AT:
            reached.append(done)

    with suppress(Stopped):
        delivery.deliver(task, report, lambda: sys.argv[2] == "stopped" and bool(reached))


if __name__ == "__main__":
    main()
