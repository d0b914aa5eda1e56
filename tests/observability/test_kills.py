"""Fifty workers are killed while they copy, and somebody scrapes all the while."""

import os
import re
import signal
import statistics
import time

import pytest

from supervisor.jobs import State
from tests.support.rtorrents import until
from tests.support.seedbox import Seedbox

pytestmark = pytest.mark.real

COPIERS = 48  # with the space worker and the notifier: fifty
SLOWEST = 0.1  # seconds that the middle one of all scrapes may take


def scrape(supervisor):
    """Return the seconds that a scrape took, and the counters."""
    began = time.perf_counter()
    status, text = supervisor.get("/metrics")
    seconds = time.perf_counter() - began
    assert status == 200
    found = re.findall(r"^(seedcache_(?!worker_cpu)\w+(?:_total|_count|_bucket)(?:\{.*\})?) (\S+)$", text, re.MULTILINE)
    return seconds, {name: float(value) for name, value in found}


class Scraper:
    """Scrapes; a counter that went down, or has gone, is an error."""

    def __init__(self, supervisor):
        self._supervisor = supervisor
        _, self.counters = scrape(supervisor)

    def again(self):
        """Return the seconds that it took."""
        seconds, now = scrape(self._supervisor)
        assert {name for name, value in self.counters.items() if now.get(name, -1) < value} == set()
        self.counters = now
        return seconds

    def restarts(self):
        self.again()
        return sum(value for name, value in self.counters.items() if name.startswith("seedcache_worker_restarts"))


def test_counters_only_grow_nothing_is_left_and_a_scrape_stays_quick_when_fifty_workers_are_killed(tmp_path):
    with Seedbox(tmp_path) as box:
        # One torrent may lose its worker many times here.
        box.start(max_concurrent_processes=COPIERS, copy_retry_attempts=60)
        supervisor = box.supervisor
        until(lambda: supervisor.metric("seedcache_workers_up", role="copier") == COPIERS, "all are up")
        entries, run = sorted(os.listdir(box.state)), sorted(os.listdir(box.state / "run"))
        scraper = Scraper(supervisor)
        torrents = [box.seed(f"torrent {number}", 2_000_000) for number in range(4)]
        victims = [worker["pid"] for worker in supervisor.crew()]
        assert len(victims) == COPIERS + 2
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
            scraper.again()
        until(lambda: scraper.restarts() == len(victims), "fifty were replaced", 40)
        until(lambda: supervisor.metric("seedcache_workers_up", role="copier") == COPIERS, "all are up again", 40)
        for torrent in torrents:
            supervisor.wait_for(torrent.hash, State.CACHED)
        assert box.partials() == []
        assert sorted(os.listdir(box.state)) == entries
        assert sorted(os.listdir(box.state / "run")) == run
        assert statistics.median(scraper.again() for _ in range(21)) < SLOWEST
