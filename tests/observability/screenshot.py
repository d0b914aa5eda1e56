"""What `script/picture` does for docs/images/status.svg: a real seedbox works, and its status is drawn as shown."""

import io
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console, Group

from supervisor.commands.screen import compose
from supervisor.commands.status import View, gather
from supervisor.jobs import State
from tests.support.needs import ROOT
from tests.support.rtorrents import until
from tests.support.seedbox import MIB, Seedbox

TARGET = Path(ROOT, "docs", "images", "status.svg")
WIDTH = 100  # columns
_SHOWS = ("The.Long.Night.S02E{:02}.1080p.WEB.x264-GROUP", 8)
_RATE = 6  # MiB a second that a copy may read: slow enough to be seen at work


def main() -> int:
    """Have a seedbox work, and draw its status; return the exit code."""
    home = Path(tempfile.mkdtemp(prefix="seedcache-picture-"))
    try:
        with Seedbox(home / "box", ssd_mib=300, hdd_mib=900) as box:
            view = _at_work(box)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    screen = Console(file=io.StringIO(), record=True, width=WIDTH, force_terminal=True, color_system="truecolor")
    screen.print(Group(*compose(view, WIDTH)), no_wrap=True, overflow="crop")
    TARGET.write_text(screen.export_svg(title="seedcache status", clear=False))
    sys.stdout.write(f"written: {TARGET.relative_to(ROOT)}\n")
    return 0


def _at_work(box: Seedbox) -> View:
    """Have it copy, relocate and hold, and one torrent fail; return what is to be seen in the middle of that."""
    box.start(disk_space_threshold_gb=60 / 1024, writers_per_device=2, copy_retry_attempts=1)
    name, count = _SHOWS
    for number in range(1, count + 1):
        done = box.seed(name.format(number), 12 * MIB)
    box.supervisor.wait_for(done.hash, State.CACHED)
    damaged = box.seed("debian-12.11.0-amd64-netinst.iso", 10 * MIB, submit=False)
    with (box.ssd / "debian-12.11.0-amd64-netinst.iso").open("r+b") as file:
        file.write(b"not what it was")
    box.supervisor.submit(damaged.hash)
    box.supervisor.wait_for(damaged.hash, State.FAILED)
    box.supervisor.configure(copy_rate_limit=_RATE)
    box.supervisor.signal(1)  # SIGHUP: read the settings again
    for movie in (
        "A.Quiet.Harbour.2024.2160p.UHD-GROUP",
        "Nordlicht.2023.1080p.BluRay",
        "Der.Hafen.2022.1080p",
        "Iron Café (2021)",
    ):
        box.seed(movie, 24 * MIB)
    large = box.make("Winter.Light.2024.2160p.REMUX-GROUP", 180 * MIB, box.home / "elsewhere")
    box.client.load(large, box.ssd)  # nobody has it: it fits once the films have left
    box.supervisor.submit(large.hash, "inserted")

    def all_are_seen() -> bool:
        live = box.supervisor.live()
        copies = sum(worker["phase"] == "copy" and worker["done"] > 6 * MIB for worker in live["workers"])
        return copies > 1 and live["held"] != []

    until(all_are_seen, "two copies are on their way, and one download is held", 60)
    view = gather(str(box.state), time.time())
    snapshot = view.daemon.snapshot
    # Where a test mounts its disks means nothing to a reader.
    disks = tuple(replace(disk, path=f"/mnt/{disk.role}") for disk in snapshot.disks)
    failed = tuple(replace(job, reason=job.reason.replace(str(box.ssd), "/mnt/ssd")) for job in view.failed)
    return replace(view, failed=failed, daemon=replace(view.daemon, snapshot=replace(snapshot, disks=disks)))


if __name__ == "__main__":
    sys.exit(main())
