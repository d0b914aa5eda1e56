"""What `script/picture` does: two real seedboxes work, a real Prometheus watches, the overview is drawn from that."""

import json
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from grafana.build import DIRECTORY
from grafana.picture import draw
from supervisor.jobs import State
from tests.observability.watch import FACTOR, prometheus
from tests.support.needs import ROOT
from tests.support.rtorrents import until
from tests.support.seedbox import Seedbox

SECONDS = 75  # of the story
TARGET = Path(ROOT, "docs", "images", "overview.svg")
FOOT = (
    "Drawn by script/picture from grafana/dashboards/seedcache-overview.json and the answers of a real Prometheus that "
    "scraped two real supervisors, with rTorrent, for {} s. Not a screenshot of Grafana. Durations of the rules: 1/{}."
)


def main() -> int:
    """Tell the story, draw it; return the exit code."""
    home = Path(tempfile.mkdtemp(prefix="seedcache-picture-"))
    try:
        with ExitStack() as stack:
            show(home, stack)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return 0


def show(home: Path, stack: ExitStack) -> None:
    """Have two seedboxes below `home` work, and draw what Prometheus saw."""
    busy, failing = (stack.enter_context(Seedbox(home / name, ssd_mib=64, hdd_mib=800)) for name in ("busy", "failing"))
    for box in (busy, failing):
        box.start(disk_space_threshold_gb=28 / 1024, copy_retry_attempts=2)
    targets = [f"127.0.0.1:{box.supervisor.port}" for box in (busy, failing)]
    watch = stack.enter_context(prometheus(home / "prometheus", *targets))
    began = time.time()
    damaged = failing.seed("damaged", 3 << 20, submit=False)
    with (failing.ssd / "damaged").open("r+b") as file:
        file.write(b"not what it was")
    failing.supervisor.submit(damaged.hash)
    failing.supervisor.wait_for(damaged.hash, State.FAILED)
    for number in range(1, 100):
        if time.time() - began > SECONDS:
            break
        busy.seed(f"torrent {number}", (3 + number % 4) << 20)
        if number % 4 == 0:
            failing.seed(f"other {number}", 2 << 20)
        time.sleep(1)  # the pace of the story; nothing waits for it
    until(lambda: watch.value("sum(seedcache_queue_jobs)") == 0, "the queues are empty")
    now = time.time()

    def ask(expr: str, instant: bool) -> list:
        expr = expr.replace("$__rate_interval", "8s").replace("$job", ".+").replace("$instance", ".+")
        if instant:
            return watch.query(expr)["result"]
        return watch.ask("query_range", query=expr, start=began, end=now, step=1)["result"]

    with open(f"{DIRECTORY}/seedcache-overview.json") as file:
        dashboard = json.load(file)
    TARGET.parent.mkdir(exist_ok=True)
    names = dict(zip(targets, ("box-1:9797", "box-2:9797"), strict=True))
    drawn = draw(dashboard, ask, FOOT.format(round(now - began), FACTOR))
    for target, name in names.items():  # ports of a test mean nothing to a reader
        drawn = drawn.replace(target, name)
    TARGET.write_text(drawn)
    sys.stdout.write(f"written: {TARGET.relative_to(ROOT)}\n")


if __name__ == "__main__":
    sys.exit(main())
