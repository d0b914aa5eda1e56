"""What one Prometheus can watch: N seedboxes, scraped every 15 s by Debian's Prometheus, with the rules of this tree.

Usage: python -m tests.deploy.capacity [N …]. Prints a row each. The boxes are stand-ins on the loopback interface that
serve the page of a real supervisor, with every fifth number moving.
"""

import itertools
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import psutil

from tests.support.needs import ROOT
from tests.support.ports import free_port
from tests.support.rtorrents import OLD, RTorrentProcess, until
from tests.support.supervisors import SupervisorProcess

INTERVAL = 15  # seconds, as the role has it
WATCHED = 60  # seconds


def real_page(home: Path) -> str:
    """Return /metrics of a supervisor with two copiers."""
    for name in ("ssd", "hdd"):
        (home / name).mkdir()
    with (
        RTorrentProcess(OLD, home / "box") as box,
        SupervisorProcess(home / "seedcache", home / "ssd", home / "hdd", box.url) as seedcache,
    ):
        return seedcache.get("/metrics")[1]


def moving(page: str) -> bytes:
    """Return the page with every fifth sample's value changed: what stands still costs next to nothing on disk."""
    count = itertools.count()

    def moved(sample: re.Match[str]) -> str:
        return f"{sample[1]} {time.time():.3f}" if next(count) % 5 == 0 else sample[0]

    return re.sub(r"(?m)^([^#].*) \S+$", moved, page).encode()


def watch(page: str, boxes: int, home: Path) -> None:
    """Have a Prometheus watch so many, and print what it took."""

    class Box(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = moving(page)
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Box)
    Thread(target=server.serve_forever, daemon=True).start()
    targets = [
        {"targets": [f"127.0.0.1:{server.server_address[1]}"], "labels": {"instance": f"box{number}"}}
        for number in range(boxes)
    ]
    config = {
        "global": {"scrape_interval": f"{INTERVAL}s", "evaluation_interval": f"{INTERVAL}s"},
        "rule_files": [f"{ROOT}/prometheus/rules/*.yml"],
        "scrape_configs": [{"job_name": "seedcache", "static_configs": targets}],
    }
    listen = f"127.0.0.1:{free_port()}"
    (home / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML

    def ask(promql: str) -> float:
        url = f"http://{listen}/api/v1/query?query={urllib.parse.quote(promql)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            found = json.load(answer)["data"]["result"]
        return float(found[0]["value"][1]) if found else 0.0

    def up() -> bool:
        try:
            return ask('count(up{job="seedcache"} == 1)') == boxes
        except OSError:
            return False

    prometheus = subprocess.Popen(
        [
            f"{ROOT}/.cache/prometheus/usr/bin/prometheus",
            f"--config.file={home}/prometheus.yml",
            f"--storage.tsdb.path={home}/data-{boxes}",
            f"--web.listen-address={listen}",
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        until(up, "all are scraped", 60)
        process = psutil.Process(prometheus.pid)
        before = process.cpu_times()
        time.sleep(WATCHED)
        after = process.cpu_times()
        cpu = (after.user + after.system - before.user - before.system) / WATCHED
        samples = ask('sum(scrape_samples_scraped{job="seedcache"})')
        slowest = ask('max(scrape_duration_seconds{job="seedcache"})')
        rules = rule_seconds(listen)
        series = head_series(listen)
        print(
            f"{boxes:6} {samples / boxes:10.0f} {series:10.0f} {samples / INTERVAL:10.0f} "
            f"{process.memory_info().rss / 2**20:8.0f} {cpu * 100:7.1f} {slowest * 1000:9.0f} {rules * 1000:8.0f}",
            flush=True,
        )
    finally:
        prometheus.terminate()
        prometheus.wait()
        server.shutdown()
        server.server_close()


def own(listen: str) -> str:
    """Return Prometheus' own metrics."""
    with urllib.request.urlopen(f"http://{listen}/metrics", timeout=10) as answer:
        return answer.read().decode()


def head_series(listen: str) -> float:
    """Return how many series it holds in memory."""
    (value,) = re.findall(r"(?m)^prometheus_tsdb_head_series (\S+)$", own(listen))
    return float(value)


def rule_seconds(listen: str) -> float:
    """Return how long all groups of rules took the last time."""
    return sum(map(float, re.findall(r"(?m)^prometheus_rule_group_last_duration_seconds\S* (\S+)$", own(listen))))


def main(numbers: list[str]) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="sc-") as home:
        page = real_page(Path(home))
        print(f"{len(page)} bytes a scrape, every {INTERVAL} s; watched for {WATCHED} s")
        print(" boxes  series/box     series  samples/s  RSS MiB  CPU %   scrape ms  rules ms")
        for number in numbers or ["1", "10", "50", "200"]:
            watch(page, int(number), Path(home))


if __name__ == "__main__":
    main(sys.argv[1:])
