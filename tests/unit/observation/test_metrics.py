import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import Counter

from supervisor.jobs import State
from supervisor.messages import Copied, Phase, Proof, Proven, Relocated
from supervisor.notifiers import table
from supervisor.observation import metrics as module
from supervisor.observation.metrics import Metrics
from supervisor.observation.snapshot import Disk, RTorrent, Snapshot, Worker
from tests.support.needs import need_program

DOCS = Path(__file__).parents[3] / "docs" / "metrics.md"
START = Snapshot(100.0, 1, 50.0, "1.2.3", False, False, "", (), (), RTorrent(reachable=False, since=0))
HASH = "A" * 40
BUSY = replace(
    START,
    ready=True,
    workers=(
        Worker("copier-1", "copier", os.getpid(), up=True, heard=90.0, hash=HASH, phase="copy", done=30, total=100),
        Worker("copier-2", "copier", 0, up=False, heard=80.0),
        Worker("space", "space", 2**22 + 1, up=True, heard=70.0),  # above pid_max: a process that is gone
    ),
    disks=(
        Disk("ssd", "/ssd", 1000, 10, trusted=True),
        Disk("hdd", "/hdd", 5000, 20, trusted=False),
        Disk("hdd", "/hdd2", 7000, 30, trusted=True),
    ),
    rtorrent=RTorrent(reachable=True, since=60.0, back_off=8.0),
    jobs={"cached": 7},
    oldest={"cached": 40.0},
    queue_depth=3,
    oldest_queued=20.0,
    notices={"pending": 2, "failed": 1},
    waiting_since={"copy": 30.0},
    waiting_for={"room": 2},
    journal_bytes=8192,
    verdicts={"relocate": 6, "kept": 9},
    spool_depth=4,
    bytes_at_risk=55,
    low_mark=500,
    high_mark=700,
    low_space=True,
    relocations_planned=6,
    read_back=False,
    late_proof=True,
    unproven=3,
)


def values(metrics):
    """Return the samples of the text format: 'name{labels}' -> value."""
    lines = metrics.exposition().decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


@pytest.fixture
def busy():
    """Metrics after a bit of everything."""
    metrics = Metrics(lambda: BUSY)
    metrics.submission("finished", joined=False)
    metrics.submission("finished", joined=True)
    metrics.unannounced()
    metrics.attempt("copy")
    metrics.copied(Copied(Proof.READ_BACK, False, bytes_written=100, bytes_resumed=20, copy_seconds=3, prove_seconds=2))
    metrics.copied(Copied(Proof.READ_BACK, True, bytes_written=0, bytes_resumed=0, copy_seconds=0, prove_seconds=9))
    metrics.copied(Copied(Proof.SOURCE, False, bytes_written=7, bytes_resumed=0, copy_seconds=1, prove_seconds=0))
    metrics.proven(Proven(4))
    metrics.relocated(Relocated(0.003, 4096))
    metrics.relocated(Relocated(None, 4096))
    metrics.failed("copy", final=False, proof=True)
    metrics.failed("relocate", final=True, rolled_back=True)
    metrics.failed("copy", final=True, foreign=True)
    metrics.notified("sonarr", "sent")
    metrics.notified("radarr", "retry")
    metrics.worker_lost("broker")
    metrics.rtorrent_call(0.0002, failed=False)
    metrics.rtorrent_call(10.0, failed=True)
    metrics.journal_write(0.002, failed=False)
    metrics.journal_write(0.002, failed=True)
    return metrics


@pytest.mark.parametrize("when", ["at the start", "after a bit of everything"])
def test_promtool_has_nothing_to_say(when, busy):
    text = (Metrics(lambda: START) if when == "at the start" else busy).exposition()
    done = subprocess.run([need_program("promtool"), "check", "metrics"], input=text, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_promtool_would_say_something(busy):
    text = busy.exposition().replace(b"seedcache_rollbacks_total", b"seedcache_rollbacks")
    done = subprocess.run([need_program("promtool"), "check", "metrics"], input=text, capture_output=True, check=False)
    assert done.stdout + done.stderr


def test_events_are_counted(busy):
    found = values(busy)
    assert found['seedcache_submissions_total{event="finished",outcome="new"}'] == 1
    assert found['seedcache_submissions_total{event="finished",outcome="joined"}'] == 1
    assert found["seedcache_unannounced_torrents_total"] == 1
    assert found['seedcache_step_attempts_total{step="copy"}'] == 1
    assert found['seedcache_step_failures_total{step="copy"}'] == 2
    assert found["seedcache_foreign_targets_total"] == 1
    assert found['seedcache_step_retries_total{step="copy"}'] == 1
    assert found['seedcache_step_given_up_total{step="copy"}'] == 1
    assert found['seedcache_step_given_up_total{step="relocate"}'] == 1
    assert found['seedcache_copies_total{proof="read-back"}'] == 2
    assert found['seedcache_copies_total{proof="source"}'] == 1
    assert found["seedcache_adopted_copies_total"] == 1
    assert found["seedcache_copied_bytes_total"] == 107
    assert found["seedcache_resumed_bytes_total"] == 20
    assert found["seedcache_copy_duration_seconds_count"] == 2
    assert found["seedcache_copy_duration_seconds_sum"] == 4
    assert found["seedcache_proof_duration_seconds_sum"] == 15
    assert found["seedcache_proof_attempts_total"] == 5
    assert found["seedcache_proof_failures_total"] == 1
    assert found["seedcache_relocations_total"] == 2
    assert found["seedcache_switch_outage_seconds_count"] == 1
    assert found['seedcache_switch_outage_seconds_bucket{le="0.005"}'] == 1
    assert found["seedcache_rollbacks_total"] == 1
    assert found["seedcache_removed_bytes_total"] == 8192
    assert found['seedcache_notifications_total{outcome="sent",service="sonarr"}'] == 1
    assert found['seedcache_worker_restarts_total{role="broker"}'] == 1
    assert found["seedcache_rtorrent_call_failures_total"] == 1
    assert found["seedcache_rtorrent_call_duration_seconds_count"] == 2
    assert found["seedcache_journal_write_failures_total"] == 1
    assert found['seedcache_last_success_timestamp_seconds{step="relocate"}'] == pytest.approx(time.time(), abs=60)


def test_a_snapshot_is_read_when_it_is_asked_for():
    latest = [START]
    metrics = Metrics(lambda: latest[0])
    assert values(metrics)["seedcache_queue_jobs"] == 0
    latest[0] = BUSY
    found = values(metrics)
    assert found["seedcache_queue_jobs"] == 3
    assert found["seedcache_queue_oldest_timestamp_seconds"] == 20
    assert found['seedcache_jobs{state="cached"}'] == 7
    assert found['seedcache_oldest_job_timestamp_seconds{state="cached"}'] == 40
    assert found['seedcache_disk_size_bytes{disk="ssd",path="/ssd"}'] == 1000
    assert found['seedcache_disk_free_bytes{disk="hdd",path="/hdd"}'] == 20
    assert (
        found['seedcache_disk_trusted{disk="ssd",path="/ssd"}'],
        found['seedcache_disk_trusted{disk="hdd",path="/hdd"}'],
    ) == (1, 0)
    assert found['seedcache_disk_free_bytes{disk="hdd",path="/hdd2"}'] == 30
    assert found['seedcache_notices{state="failed"}'] == 1
    assert (found["seedcache_spool_entries"], found["seedcache_at_risk_bytes"]) == (4, 55)
    assert (found["seedcache_space_low"], found['seedcache_space_mark_bytes{mark="high"}']) == (1, 700)
    assert (found["seedcache_verification_enabled"], found["seedcache_relocations_planned"]) == (0, 6)
    assert (found["seedcache_late_proof_enabled"], found["seedcache_unproven_copies"]) == (1, 3)
    assert found["seedcache_rtorrent_reachable"] == 1
    assert found["seedcache_rtorrent_back_off_seconds"] == 8
    assert found["seedcache_journal_size_bytes"] == 8192
    assert found['seedcache_step_waiting_since_timestamp_seconds{step="copy"}'] == 30
    assert found['seedcache_step_waiting_since_timestamp_seconds{step="relocate"}'] == 0
    assert found['seedcache_torrents_waiting{reason="room"}'] == 2
    assert found['seedcache_torrents_waiting{reason="copy-hours"}'] == 0
    assert found['seedcache_space_plan_torrents{verdict="relocate"}'] == 6
    assert found['seedcache_space_plan_torrents{verdict="prove"}'] == 0
    assert found['seedcache_space_plan_torrents{verdict="kept"}'] == 9
    assert found[f'seedcache_build_info{{python_version="{sys.version.split()[0]}",version="1.2.3"}}'] == 1


def test_workers_are_counted_by_role_and_a_dead_one_is_not_up(busy):
    found = values(busy)
    assert found['seedcache_workers{role="copier"}'] == 2
    assert found['seedcache_workers_up{role="copier"}'] == 1
    assert found['seedcache_workers_busy{role="copier"}'] == 1
    assert found['seedcache_workers{role="notifier"}'] == 0
    assert found['seedcache_worker_heartbeat_timestamp_seconds{worker="space"}'] == 70
    assert found['seedcache_in_hand_bytes{phase="copy"}'] == 100
    assert found['seedcache_in_hand_done_bytes{phase="copy"}'] == 30


def test_a_worker_that_has_just_died_costs_its_own_samples_and_not_the_scrape(busy):
    found = values(busy)
    assert found['seedcache_worker_resident_memory_bytes{worker="copier-1"}'] > 1e6
    assert 'seedcache_worker_resident_memory_bytes{worker="space"}' not in found


def test_every_known_label_set_is_there_at_zero_from_the_first_scrape():
    found = values(Metrics(lambda: START))
    for step in ("locate", "copy", "prove", "relocate", "notify"):
        for what in ("attempts", "failures", "retries", "given_up"):
            assert found[f'seedcache_step_{what}_total{{step="{step}"}}'] == 0
    for service in ("sonarr", "radarr"):
        for outcome in ("sent", "retry", "failed"):
            assert found[f'seedcache_notifications_total{{outcome="{outcome}",service="{service}"}}'] == 0
    for role in ("copier", "space", "notifier", "broker"):
        assert found[f'seedcache_worker_restarts_total{{role="{role}"}}'] == 0
    for state in State:
        assert found[f'seedcache_jobs{{state="{state}"}}'] == 0
    for phase in Phase:
        assert (f'seedcache_in_hand_bytes{{phase="{phase}"}}' in found) == (phase is not Phase.NOTIFY)


def test_every_metric_has_our_prefix_and_a_help_and_no_hash_is_a_label(busy):
    text = busy.exposition().decode()
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    helped = {line.split()[2] for line in text.splitlines() if line.startswith("# HELP") and len(line.split()) > 3}
    assert names == helped
    assert all(name.startswith("seedcache_") for name in names)
    assert not any(name.endswith("_created") for name in names)
    assert HASH not in text


def test_only_our_own_registry_is_shown():
    Counter("alien_things", "Of another library, in the default registry.").inc()
    assert b"alien" not in Metrics(lambda: START).exposition()


def test_every_service_there_is_has_its_series_from_the_start():
    assert set(module.SERVICES) == table.NOTIFIERS.keys() | table.MESSENGERS.keys()


def test_a_notification_that_fails_is_a_failed_step(busy):
    busy.notified("sonarr", "failed")
    found = values(busy)
    assert found['seedcache_step_retries_total{step="notify"}'] == 1
    assert found['seedcache_step_given_up_total{step="notify"}'] == 1
    assert found['seedcache_step_failures_total{step="notify"}'] == 2


def test_two_can_live_side_by_side():
    one, other = Metrics(lambda: START), Metrics(lambda: START)
    one.attempt("copy")
    assert values(other)['seedcache_step_attempts_total{step="copy"}'] == 0


def test_a_scrape_takes_milliseconds(busy):
    busy.exposition()
    started = time.process_time()  # of the processor: the machine may be busy with other things
    for _ in range(10):
        busy.exposition()
    assert (time.process_time() - started) / 10 < 0.1


def test_the_documentation_is_what_the_code_says():
    shown = [line.rpartition(" | ")[0] + " |" for line in DOCS.read_text().splitlines() if line.startswith("| `")]
    assert shown == module.reference()[2:], "run: python -m grafana.reference"


def test_every_metric_named_in_the_text_of_the_documentation_exists():
    table = "\n".join(module.reference())
    prose = "\n".join(line for line in DOCS.read_text().splitlines() if not line.startswith("|"))
    for name in re.findall(r"seedcache_[a-z_]+", prose):
        base = re.sub(r"_(count|sum|bucket)$", "", name)
        assert f"`{base}`" in table, name
