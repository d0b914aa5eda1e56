"""What the supervisor costs while nothing happens: processor, memory, and looking at a long history."""

import sys
import time
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

from benchmarks.costs_box import MIB, Box, Row, family, history, memory, processor_seconds, timed, wait_until
from supervisor.jobs import State
from tests.support.rtorrents import OLD, RTorrentProcess
from tests.support.supervisors import COMMAND, SupervisorProcess

_SCRAPES = 15  # seconds between two: Prometheus' usual


def idle(box: Box, *, quick: bool) -> Iterator[Row]:
    """Nothing to do, on a real rTorrent, three copy workers: processor and memory of the whole family."""
    seconds = 12 if quick else 60
    with RTorrentProcess(OLD, box.home / "idle") as rtorrent, box.supervisor("idle", rtorrent.url) as supervisor:
        time.sleep(5)  # what happens once at the start is over
        yield from _memory(supervisor)
        began, before = time.monotonic(), _wakes(supervisor)
        yield Row("idle", f"processor, {seconds} s", "% of one core", (_share(supervisor, seconds),), 0.2)
        wakes = (_wakes(supervisor) - before) / (time.monotonic() - began)
        yield Row("idle", "wake-ups of all threads", "a second", (wakes,))
        scraped = _share(supervisor, seconds, scrape=True)
        yield Row("idle", f"scraped every {_SCRAPES} s", "% of one core", (scraped,))
        total = sum(memory(process.pid) for process in family(supervisor.pid)) / MIB
        yield Row("idle", "PSS of all, scraped", "MiB", (total,), 120)


def _memory(supervisor: SupervisorProcess) -> Iterator[Row]:
    names = {worker["pid"]: worker["name"] for worker in supervisor.crew()}
    names |= {
        supervisor.pid: "parent",
        supervisor.fork_server().pid: "fork server",
        supervisor.manager().pid: "Manager",
    }
    used = {process.pid: memory(process.pid) / MIB for process in family(supervisor.pid)}
    yield Row("idle", "PSS of all", "MiB", (sum(used.values()),), 120)
    for pid, value in used.items():
        yield Row("idle", f"PSS of {names.get(pid, 'the resource tracker')}", "MiB", (value,))


def _share(supervisor: SupervisorProcess, seconds: float, *, scrape: bool = False) -> float:
    pids = [process.pid for process in family(supervisor.pid)]
    began, before = time.monotonic(), processor_seconds(*pids)
    while (left := began + seconds - time.monotonic()) > 0:
        if scrape:
            supervisor.get("/metrics")
        time.sleep(min(left, _SCRAPES))
    return (processor_seconds(*pids) - before) / (time.monotonic() - began) * 100


def _wakes(supervisor: SupervisorProcess) -> int:
    """Return how often the threads of all processes have gone to sleep so far (proc_pid_status(5))."""
    total = 0
    for process in family(supervisor.pid):
        for task in Path(f"/proc/{process.pid}/task").iterdir():
            lines = (task / "status").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))
    return total


def rows(box: Box, *, quick: bool) -> Iterator[Row]:
    """A scrape and `seedcache status` over 100,000 torrents, while the supervisor runs."""
    total, times = (10_000, 7) if quick else (100_000, 31)
    histories = {
        "most relocated": {State.RELOCATED: total * 19 // 20, State.CACHED: total // 20},
        "all cached": {State.CACHED: total},
    }
    with RTorrentProcess(OLD, box.home / "rows") as rtorrent:
        for name, states in histories.items():
            supervisor = box.supervisor(f"rows-{name.replace(' ', '-')}", rtorrent.url)
            history(supervisor.state, box, states)
            began = time.perf_counter()
            with supervisor:
                ready = wait_until(lambda: supervisor.get("/-/ready")[0] == HTTPStatus.OK, "it is ready")  # noqa: B023
                yield Row("rows", f"{name}: start to ready", "s", (ready - began,))
                scrapes, looks, bare = [], [], []
                for _ in range(times):
                    scrapes.append(_scrape(supervisor.port))
                    looks.append(timed([COMMAND, "status", "--state-dir", str(supervisor.state)], {"PATH": "/bin"}))
                    bare.append(timed([sys.executable, "-c", "pass"], {}))
                yield Row("rows", f"{name}: scrape", "ms", tuple(value * 1000 for value in scrapes), 100)
                yield Row("rows", f"{name}: status", "ms", tuple(look.wall * 1000 for look in looks), 300)
                yield Row("rows", f"{name}: status, processor", "ms", tuple(look.processor * 1000 for look in looks))
                yield Row("rows", f"{name}: python of the venv", "ms", tuple(look.wall * 1000 for look in bare))
                yield Row("rows", f"{name}: PSS of the parent", "MiB", (memory(supervisor.pid) / MIB,))


def _scrape(port: int) -> float:
    began = time.perf_counter()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        answer.read()
    return time.perf_counter() - began
