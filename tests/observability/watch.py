"""A real Prometheus that scrapes a real supervisor, with the project's rules at the pace of a test.

Waiting for a `for` of 30 minutes is no test. So `hastened` rewrites durations, and nothing else: each range and each
`for` is divided by 100, and kept between bounds that Prometheus can work with when it scrapes twice a second.
Expressions, thresholds and labels stay as they are; promtool tests them at their own pace.
"""

import contextlib
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
import yaml

from grafana.rules import RULES
from tests.observability.tools import PROMETHEUS, need
from tests.support.ports import free_port
from tests.support.rtorrents import until

SCRAPE = 0.5  # seconds
FACTOR = 100
RANGE = (4.0, 8.0)  # seconds: at least eight scrapes; at most what a test can wait for it to pass
FOR = (1.0, 4.0)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def shortened(duration: str, bounds: tuple[float, float]) -> str:
    """Given Prometheus' duration, return the one for the test."""
    seconds = int(duration[:-1]) * _UNITS[duration[-1]] / FACTOR
    return f"{int(min(max(seconds, bounds[0]), bounds[1]) * 1000)}ms"


def hastened(text: str) -> str:
    """Given a rules file, return it with every range and every `for` shortened."""
    text = re.sub(r"\[(\d+[smhd])\]", lambda found: f"[{shortened(found[1], RANGE)}]", text)
    return re.sub(r"(?m)^(\s+for: )(\d+[smhd])$", lambda found: found[1] + shortened(found[2], FOR), text)


class Watch:
    """Prometheus' HTTP API, and every alert that has fired since `begin`."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v1"
        self._session = requests.Session()
        self.fired: set[tuple[str, ...]] = set()

    def ask(self, path: str, **parameters: Any) -> Any:
        """Ask, and return the answer's data. Raise AssertionError if Prometheus refuses."""
        answer = self._session.get(f"{self._url}/{path}", params=parameters, timeout=10).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expr: str) -> Any:
        """Evaluate now; return what the data says: resultType and result."""
        return self.ask("query", query=expr)

    def value(self, expr: str) -> float:
        """Return the one number that an expression is; 0 if it is nothing."""
        found = self.query(expr)["result"]
        return float(found[0]["value"][1]) if found else 0.0

    def firing(self) -> set[tuple[str, ...]]:
        """Return what fires: the name, then the labels beside job, instance, path and severity; all are remembered."""
        found = set()
        for alert in self.ask("alerts")["alerts"]:
            if alert["state"] == "firing":
                labels = dict(alert["labels"])
                assert labels.pop("severity")
                labels.pop("job", None)
                labels.pop("instance", None)
                labels.pop("path", None)  # another one in each run
                found.add((labels.pop("alertname"), *(f"{key}={value}" for key, value in sorted(labels.items()))))
        found.discard(("SeedcacheWatchdog",))
        self.fired |= found
        return found

    @contextlib.contextmanager
    def remembering(self) -> Iterator[set[tuple[str, ...]]]:
        """Yield the set of all that fires from now to the end of the block; it grows."""
        self.fired = set()
        done = threading.Event()
        watcher = threading.Thread(target=self._keep_looking, args=(done,), daemon=True)
        watcher.start()
        try:
            yield self.fired
        finally:
            done.set()
            watcher.join()

    def _keep_looking(self, done: threading.Event) -> None:
        while not done.wait(SCRAPE / 2):
            self.firing()

    def settle(self, seconds: float = 60.0) -> set[tuple[str, ...]]:
        """Wait until nothing fires but the watchdog; return what still does."""
        with contextlib.suppress(AssertionError):
            until(lambda: not self.firing(), "every alert is resolved", seconds)
        return self.firing()


@contextlib.contextmanager
def prometheus(home: Path, *targets: str) -> Iterator[Watch]:
    """Start Debian's Prometheus with its files below `home` on the targets (host:port); yield the way to ask it."""
    (home / "rules").mkdir(parents=True)
    for path in Path(RULES).glob("*.yml"):
        (home / "rules" / path.name).write_text(hastened(path.read_text()))
    settings = {
        "global": {f"{what}_interval": f"{int(SCRAPE * 1000)}ms" for what in ("scrape", "evaluation")},
        "rule_files": [f"{home}/rules/*.yml"],
        "scrape_configs": [
            {"job_name": "seedcache", "scrape_timeout": "500ms", "static_configs": [{"targets": list(targets)}]}
        ],
    }
    (home / "prometheus.yml").write_text(yaml.safe_dump(settings))
    port = free_port()
    words = [need(PROMETHEUS), f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/data"]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen([*words, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    watch = Watch(port)

    def scrapes() -> bool:
        assert process.poll() is None, (home / "log").read_text()[-3000:]
        with contextlib.suppress(requests.ConnectionError, AssertionError, ValueError):
            return watch.value("min(up)") == 1
        return False

    try:
        until(scrapes, "Prometheus scrapes the supervisor")
        yield watch
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
