"""What `/metrics` shows. The only importer of prometheus_client.

Events are counted as they happen; how things stand is read from a snapshot when it is asked for, so a dead worker shows
as such and a counter outlives the worker that earned it. The registry is our own: pyrosimple registers metrics in
prometheus_client's default one when it is imported. No label ever holds an info-hash or the name of a torrent.
`python -m supervisor.observation.metrics` prints the table of docs/metrics.md.
"""

import itertools
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from supervisor import spool
from supervisor.adapters import clock
from supervisor.dispatch.reconciling import Kind
from supervisor.jobs import Proof
from supervisor.messages import Copied, Move, Proven, Relocated
from supervisor.observation.gauges import READINGS, ROLES
from supervisor.observation.snapshot import Disk, RTorrent, Snapshot, Worker

CONTENT_TYPE = CONTENT_TYPE_LATEST
STEPS = ("locate", "copy", "prove", "relocate", "notify")
SERVICES = ("sonarr", "radarr", "webhook", "apprise")  # the keys of notifiers.table
OUTCOMES = ("sent", "retry", "failed")

_TRANSFER_SECONDS = (1, 5, 15, 60, 150, 300, 600, 1200, 2400, 3600, 7200, 14400)  # from one episode to a whole disk
_OUTAGE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_CALL_SECONDS = (0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)


class _Registry(CollectorRegistry):
    """A registry without `_created` samples: a series for each counter that says only when we were started."""

    def collect(self) -> Iterator[Metric]:
        for metric in super().collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric


class Metrics:
    """Counts what happens; every method may be called from any thread at any time."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        """Given what returns the latest snapshot, make every metric, all known label sets at 0."""
        registry = self._registry = _Registry()

        def counter(name: str, text: str, **labels: Iterable[str]) -> Counter:
            made = Counter(f"seedcache_{name}", text, list(labels), registry=registry)
            return _at_zero(made, labels)

        def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"seedcache_{name}", text, buckets=buckets, registry=registry)

        self._submissions = counter(
            "submissions",
            "Submissions taken from the spool into the journal; joined: the torrent was in work already.",
            event=spool.EVENTS,
            outcome=("new", "joined"),
        )
        self._unannounced = counter(
            "unannounced_torrents",
            "Finished torrents that no hook told of: found when the SSD was looked over for space.",
        )
        self._attempts = counter("step_attempts", "Attempts at a step of a job that were begun.", step=STEPS)
        self._failures = counter("step_failures", "Attempts at a step of a job that failed.", step=STEPS)
        self._retries = counter("step_retries", "Failed attempts that will be made again by themselves.", step=STEPS)
        self._given_up = counter("step_given_up", "Failed attempts after which a person must act.", step=STEPS)
        self._copies = counter(
            "copies",
            "Copies that were published or adopted, by how they were proven.",
            proof=[proof.value for proof in Proof if proof is not Proof.NONE],
        )
        self._adopted = counter("adopted_copies", "Copies that stood on the HDD before us, and were proven.")
        self._copied_bytes = counter("copied_bytes", "Payload bytes written to the HDD by copies that ended well.")
        self._resumed_bytes = counter(
            "resumed_bytes", "Payload bytes that an earlier attempt had left and were proven."
        )
        self._copy_seconds = histogram(
            "copy_duration_seconds", "Time to read, hash, write and sync one torrent.", _TRANSFER_SECONDS
        )
        self._proof_seconds = histogram(
            "proof_duration_seconds", "Time to read one HDD copy back and prove every piece.", _TRANSFER_SECONDS
        )
        self._proofs = counter("proof_attempts", "Proofs that came to a verdict, of the SSD data or of an HDD copy.")
        self._proof_failures = counter(
            "proof_failures", "Proofs that found wrong bytes: a disk, the memory or a cable."
        )
        self._relocations = counter("relocations", "Torrents that seed from the HDD now, their SSD data removed.")
        self._outage = histogram(
            "switch_outage_seconds", "Time a torrent was closed in rTorrent while it was switched.", _OUTAGE_SECONDS
        )
        self._rollbacks = counter("rollbacks", "Switches that failed: rTorrent was pointed back at the SSD.")
        self._foreign = counter(
            "foreign_targets", "Copies that were given up: somebody else's file stands where they should, and stays."
        )
        moves = [move.value for move in Move]
        self._admissions = counter("admissions", "Changes to downloads so that the SSD does not fill up.", change=moves)
        self._removed_bytes = counter("removed_bytes", "Allocated bytes removed from the SSD.")
        self._notifications = counter(
            "notifications",
            "Attempts to tell a service of a copy or of news; retry: it did not answer, failed: a person must act.",
            service=SERVICES,
            outcome=OUTCOMES,
        )
        self._held = counter(
            "copy_held_back_seconds",
            "Time in which copies and proofs waited on purpose: for COPY_RATE_LIMIT, or under IO pressure.",
            reason=("rate", "pressure"),
        )
        self._restarts = counter("worker_restarts", "Processes that died and were replaced.", role=(*ROLES, "broker"))
        self._calls = histogram(
            "rtorrent_call_duration_seconds", "Time of calls to rTorrent, failed ones too.", _CALL_SECONDS
        )
        self._call_failures = counter(
            "rtorrent_call_failures", "Calls to rTorrent without a usable answer; all calls: the histogram's count."
        )
        self._writes = histogram(
            "journal_write_duration_seconds", "Time of transactions of the journal, failed ones too.", _CALL_SECONDS
        )
        self._write_failures = counter(
            "journal_write_failures", "Transactions that failed; all of them: the histogram's count."
        )
        self._last = Gauge(
            "seedcache_last_success_timestamp_seconds",
            "When a step last ended well; 0: not since the start.",
            ["step"],
            registry=registry,
        )
        _at_zero(self._last, {"step": STEPS[1:]})
        self._found = Gauge(
            "seedcache_reconcile_findings",
            "What the last sweep of rTorrent, journal and disks found and left open; see docs/reconcile.md.",
            ["kind"],
            registry=registry,
        )
        self._found_bytes = Gauge(
            "seedcache_reconcile_bytes", "Data that the last sweep found and left open.", ["kind"], registry=registry
        )
        for gauge, kinds in ((self._found, Kind), (self._found_bytes, (Kind.STRAY, Kind.COPY))):
            _at_zero(gauge, {"kind": [kind.value for kind in kinds]})
        self._swept = Gauge(
            "seedcache_last_reconcile_timestamp_seconds",
            "When the last sweep ended; 0: none since the start.",
            registry=registry,
        )
        registry.register(_Standing(snapshot))
        ProcessCollector(namespace="seedcache", registry=registry)

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus' text format; its type is CONTENT_TYPE."""
        return generate_latest(self._registry)

    def families(self) -> list[Metric]:
        """Return all metrics, in order of their names."""
        return sorted(self._registry.collect(), key=lambda metric: metric.name)

    def submission(self, event: str, *, joined: bool) -> None:
        """An entry of the spool is in the journal; joined: its torrent was in work already."""
        self._submissions.labels(event, "joined" if joined else "new").inc()

    def unannounced(self) -> None:
        """A finished torrent was found that no hook told of."""
        self._unannounced.inc()

    def rtorrent_call(self, seconds: float, *, failed: bool) -> None:
        """A call to rTorrent ended."""
        self._calls.observe(seconds)
        self._call_failures.inc(failed)

    def copied(self, result: Copied) -> None:
        """A copy stands."""
        self._copies.labels(result.proof.value).inc()
        self._adopted.inc(result.adopted)
        self._copied_bytes.inc(result.bytes_written)
        self._resumed_bytes.inc(result.bytes_resumed)
        self._proofs.inc()
        if not result.adopted:
            self._copy_seconds.observe(result.copy_seconds)
        if result.proof is Proof.READ_BACK:
            self._proof_seconds.observe(result.prove_seconds)
        self._last.labels("copy").set(clock.now())

    def proven(self, result: Proven) -> None:
        """A published copy was read back again."""
        self._proofs.inc()
        self._proof_seconds.observe(result.prove_seconds)
        self._last.labels("prove").set(clock.now())

    def relocated(self, result: Relocated) -> None:
        """A torrent left the SSD."""
        self._relocations.inc()
        self._removed_bytes.inc(result.bytes_removed)
        if result.outage_seconds is not None:
            self._outage.observe(result.outage_seconds)
        self._last.labels("relocate").set(clock.now())

    def admitted(self, change: str) -> None:
        """An unfinished torrent was held, released, redirected, revived or disowned."""
        self._admissions.labels(change).inc()

    def failed(
        self, step: str, *, final: bool, proof: bool = False, rolled_back: bool = False, foreign: bool = False
    ) -> None:
        """An attempt at a step (locate, copy, prove, relocate) failed; final: it will not be tried again by itself."""
        self._failures.labels(step).inc()
        (self._given_up if final else self._retries).labels(step).inc()
        self._proofs.inc(proof)
        self._proof_failures.inc(proof)
        self._rollbacks.inc(rolled_back)
        self._foreign.inc(foreign)

    def swept(self, at: float, count: Mapping[str, int], size: Mapping[str, int]) -> None:
        """A sweep ended; given how many findings of each kind it left open, and how many bytes of data."""
        for kind in Kind:
            self._found.labels(kind.value).set(count.get(kind, 0))
        for kind in (Kind.STRAY, Kind.COPY):
            self._found_bytes.labels(kind.value).set(size.get(kind, 0))
        self._swept.set(at)

    def attempt(self, step: str) -> None:
        """An attempt at a step was begun."""
        self._attempts.labels(step).inc()

    def notified(self, service: str, outcome: str) -> None:
        """A service was told: outcome is sent, retry or failed."""
        self._notifications.labels(service, outcome).inc()
        if outcome == "sent":
            self._last.labels("notify").set(clock.now())
        else:
            self.failed("notify", final=outcome == "failed")

    def held_back(self, reason: str, seconds: float) -> None:
        """A copy waited on purpose, for so many seconds; reason is rate or pressure."""
        self._held.labels(reason).inc(seconds)

    def worker_lost(self, role: str) -> None:
        """A worker (copier, space, notifier) or the broker died and is replaced."""
        self._restarts.labels(role).inc()

    def journal_write(self, seconds: float, *, failed: bool) -> None:
        """A transaction ended."""
        self._writes.observe(seconds)
        self._write_failures.inc(failed)


class _Standing(Collector):
    """Turns the latest snapshot into gauges."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        snapshot = self._snapshot()
        for reading in READINGS:
            family = GaugeMetricFamily(f"seedcache_{reading.name}", reading.text, labels=reading.labels)
            for labels, value in reading.read(snapshot):
                family.add_metric(labels, value)
            yield family
        yield from _of_workers(snapshot)
        about = GaugeMetricFamily("seedcache_build_info", "1, with the versions.", labels=("version", "python_version"))
        about.add_metric((snapshot.version, platform.python_version()), 1)
        yield about


def _of_workers(snapshot: Snapshot) -> Iterator[Metric]:
    """Ask the kernel what each worker uses. A process that has just gone has no samples."""
    import psutil  # noqa: PLC0415  (8 MB: only when somebody scrapes)

    memory = GaugeMetricFamily(
        "seedcache_worker_resident_memory_bytes", "Resident memory of a worker process.", labels=("worker",)
    )
    cpu = CounterMetricFamily(
        "seedcache_worker_cpu_seconds", "CPU time of a worker process since it was started.", labels=("worker",)
    )
    for worker in snapshot.workers:
        if not worker.pid:
            continue
        try:
            process = psutil.Process(worker.pid)
            resident, times = process.memory_info().rss, process.cpu_times()
        except psutil.Error:
            continue
        memory.add_metric((worker.name,), resident)
        cpu.add_metric((worker.name,), times.user + times.system)
    yield memory
    yield cpu


_M = TypeVar("_M", Counter, Gauge)


def _at_zero(metric: _M, labels: Mapping[str, Iterable[str]]) -> _M:
    """Make every known label set, so that a first failure is an increase and not a new series."""
    for values in itertools.product(*labels.values()) if labels else ():
        metric.labels(*values)
    return metric


def reference() -> list[str]:
    """Return the lines of the table in `docs/metrics.md`."""
    disks = tuple(Disk(role, "/", 0, 0, trusted=True) for role in ("ssd", "hdd"))
    workers = (Worker("space", "space", os.getpid(), up=True, heard=0),)
    example = Snapshot(0, 0, 0, "", True, False, "", workers, disks, RTorrent(reachable=True, since=0))
    lines = ["| Metric | Type | Labels | Meaning |", "|---|---|---|---|"]
    for metric in Metrics(lambda: example).families():
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        labels = [label for label in (metric.samples[0].labels if metric.samples else ()) if label != "le"]
        lines.append(f"| `{name}` | {metric.type} | {', '.join(labels)} | {metric.documentation} |")
    return lines


if __name__ == "__main__":
    print("\n".join(reference()))  # noqa: T201  (this is what it is run for)
