"""What `script/demo` shows: one torrent's whole way, on real rTorrents, each step with the time it took."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from supervisor.jobs import State
from tests.fakes.arr import KEY, FakeArr
from tests.support.needs import ROOT
from tests.support.rtorrents import NEW, OLD, RTorrentProcess, until
from tests.support.supervisors import SUBMIT, SupervisorProcess
from tests.support.torrents import AWKWARD, contents, make_torrent, write_tree

NAME = 'Big, Bold & 100% "Awkward" - S01 \N{ROCKET}'
SIZES = AWKWARD | {b"Season 1/episode 1.mkv": 96 << 20, b"Season 1/episode 2.mkv": 32 << 20}
METRICS = (
    "seedcache_copied_bytes_total",
    "seedcache_copy_duration_seconds_sum",
    "seedcache_switch_outage_seconds_sum",
    "seedcache_removed_bytes_total",
    "seedcache_notifications_total",
    "seedcache_worker_restarts_total",
)


class Screen:
    """Numbers the steps and tells what each took."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.bold, self.dim, self.green, self.plain = (
            ("\033[1m", "\033[2m", "\033[32m", "\033[0m") if sys.stdout.isatty() else ("", "", "", "")
        )
        self.rows: list[tuple[str, float]] = []

    def say(self, text: str) -> None:
        print(f"  {self.dim}{text}{self.plain}", flush=True)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        print(f"\n{self.bold}{len(self.rows) + 1:2}. {title}{self.plain}", flush=True)
        began = time.monotonic()
        yield
        self.rows.append((title, time.monotonic() - began))
        print(f"  {self.green}done in {self.rows[-1][1]:.2f} s{self.plain}", flush=True)

    def summary(self) -> None:
        print(f"\n{self.bold}Summary{self.plain}")
        for number, (title, seconds) in enumerate(self.rows, 1):
            print(f"  {number:2}. {title:<88} {seconds:7.2f} s")
        print(f"      {'all':<88} {time.monotonic() - self.began:7.2f} s", flush=True)


def main() -> int:
    """Run the demo; return its exit code."""
    top = Path(tempfile.mkdtemp(prefix="seedcache-demo-"))
    try:
        with ExitStack() as stack:
            show(top, Screen(), stack)
    finally:
        shutil.rmtree(top, ignore_errors=True)
    return 0


def show(top: Path, screen: Screen, stack: ExitStack) -> None:
    """Go the whole way below the directory `top`; processes end with the stack."""
    newest = NEW if os.access(os.path.join(ROOT, ".cache", "rtorrent-sid", "rtorrent"), os.X_OK) else OLD
    ssd, hdd = top / "ssd", top / "hdd"
    for directory in (ssd, hdd):
        directory.mkdir()
    state = top / "seedcache" / "state"
    hook = f'method.set_key = event.download.finished, seedcache, "execute.nothrow.bg={SUBMIT},-d,{state},$d.hash="'

    with screen.step("start: two real rTorrents, a stand-in Sonarr, seedcache"):
        arr = stack.enter_context(FakeArr("sonarr"))
        seeder = stack.enter_context(RTorrentProcess(OLD, top / "seeder"))
        box = stack.enter_context(RTorrentProcess(newest, top / "box", extra=hook))
        seedcache = stack.enter_context(
            SupervisorProcess(
                top / "seedcache", ssd, hdd, box.url, sonarr_url=arr.url, sonarr_api_key=KEY, log_level="INFO"
            )
        )
        screen.say(f"seeder: rTorrent {seeder.version}; box: rTorrent {box.version}, its hook in the rc file:")
        screen.say(hook)

    with screen.step(f"the box downloads a torrent of {len(SIZES)} files, most with awkward names, to its SSD"):
        shared = top / "shared"
        write_tree(shared / NAME, SIZES)
        torrent = make_torrent(shared / NAME, top / "demo.torrent", piece_length=1 << 18)
        seeder.seed(torrent, shared)
        box.load(torrent, ssd, extra='d.custom1.set="sonarr"')
        box.add_peer(torrent, seeder)
        box.wait_complete(torrent, 60)
        finished = time.time()
        screen.say(f"{torrent.size / 1e6:.0f} MB, info-hash {torrent.hash}")

    with screen.step("the hook has submitted it; it is copied to the HDD and every piece is proven there"):
        until(lambda: seedcache.state_of(torrent.hash) in (State.COPIED, State.CACHED), "copied", 60)
        for event in seedcache.events(torrent.hash):
            screen.say(f"{event.at - finished:+7.3f} s  {event.action:<10} {event.text}")
        assert contents(hdd / "sonarr" / NAME) == contents(shared / NAME), "the copy differs"

    with screen.step("Sonarr is told to import it, by copying, and is asked until it has"):
        seedcache.wait_for(torrent.hash, State.CACHED)
        for body in arr.commands:
            screen.say(f"POST /api/v3/command {body}")

    with screen.step("space on the SSD is low: rTorrent is switched to the HDD copy, then the SSD data goes"):
        before = box.call("d.up.total", torrent.hash)
        free_gb = shutil.disk_usage(ssd).free / 1024**3
        seedcache.configure(disk_space_threshold_gb=round(free_gb + 100))
        seedcache.signal(1)  # SIGHUP: read the settings again
        seedcache.wait_for(torrent.hash, State.RELOCATED)
        screen.say(seedcache.events(torrent.hash)[-1].text)
        screen.say(f"d.directory = {box.call('d.directory', torrent.hash)}")
        complete, active, hashing = box.multi(
            ("d.complete", torrent.hash), ("d.is_active", torrent.hash), ("d.hashing", torrent.hash)
        )
        screen.say(f"complete = {complete}, active = {active}, hashing = {hashing}; left on the SSD: {os.listdir(ssd)}")
        assert (complete, active, hashing, os.listdir(ssd)) == (1, 1, 0, [])

    with screen.step("a third client downloads it again, from the HDD copy"):
        seeder.stop()
        third = stack.enter_context(RTorrentProcess(OLD, top / "third"))
        third.load(torrent)
        third.add_peer(torrent, box)
        third.wait_complete(torrent, 60)
        assert contents(third.downloads / NAME) == contents(shared / NAME), "what the third client got differs"
        screen.say(f"the box has uploaded {(box.call('d.up.total', torrent.hash) - before) / 1e6:.0f} MB from the HDD")

    with screen.step("seedcache stops"):
        lines = seedcache.get("/metrics")[1].splitlines()
        status = seedcache.run("status").stdout
        assert seedcache.stop() == 0
    print(f"\n{screen.bold}seedcache status, just before{screen.plain}\n{status}")
    print(f"{screen.bold}Some of its metrics{screen.plain}")
    for line in lines:
        if line.startswith(METRICS) and not line.endswith(" 0.0"):
            print(f"  {line}")
    screen.summary()


if __name__ == "__main__":
    sys.exit(main())
