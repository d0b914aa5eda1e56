"""Fifty workers are killed while they copy, and somebody scrapes all the while."""

import os
import re
import signal

import pytest

from supervisor.jobs import State
from tests.support.rtorrents import until
from tests.support.seedbox import Seedbox

pytestmark = pytest.mark.real

COPIERS = 48  # with the space worker and the notifier: fifty


def scrape(supervisor):
    """Return the counters, and how many samples there were in all."""
    status, text = supervisor.get("/metrics")
    assert status == 200
    found = re.findall(r"^(seedcache_(?!worker_cpu)\w+(?:_total|_count|_bucket)(?:\{.*\})?) (\S+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in found}, len(re.findall("^[^#]", text, re.MULTILINE))


class Scraper:
    """Scrapes; a counter that went down, or has gone, is an error."""

    def __init__(self, supervisor):
        self._supervisor = supervisor
        self.counters, _ = scrape(supervisor)

    def again(self):
        """Return how many samples there are."""
        now, samples = scrape(self._supervisor)
        assert {name for name, value in self.counters.items() if now.get(name, -1) < value} == set()
        self.counters = now
        return samples

    def restarts(self):
        self.again()
        return sum(value for name, value in self.counters.items() if name.startswith("seedcache_worker_restarts"))


def test_counters_only_grow_nothing_is_left_and_a_scrape_stays_as_small_when_fifty_workers_are_killed(tmp_path):
    with Seedbox(tmp_path) as box:
        # One torrent may lose its worker many times here.
        box.start(max_concurrent_processes=COPIERS, copy_retry_attempts=60)
        supervisor = box.supervisor
        until(lambda: supervisor.metric("seedcache_workers_up", role="copier") == COPIERS, "all are up")

        def run():
            # Not the next snapshot, which is there under this name while it is written.
            return sorted(name for name in os.listdir(box.state / "run") if name != "live.json.new")

        entries, run_before = sorted(os.listdir(box.state)), run()
        scraper = Scraper(supervisor)
        samples = scraper.again()
        torrents = [box.seed(f"torrent {number}", 2_000_000) for number in range(4)]
        victims = [worker["pid"] for worker in supervisor.crew()]
        assert len(victims) == COPIERS + 2
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
            scraper.again()
        until(lambda: scraper.restarts() == len(victims), "fifty were replaced")
        until(lambda: supervisor.metric("seedcache_workers_up", role="copier") == COPIERS, "all are up again")
        for torrent in torrents:
            supervisor.wait_for(torrent.hash, State.CACHED)
        assert box.partials() == []
        assert sorted(os.listdir(box.state)) == entries
        until(lambda: run() == run_before, "no file of a dead one is left")
        assert scraper.again() == samples
