"""The whole watch, nothing played: rTorrent, the supervisor, Debian's Prometheus, faults, and what is seen of them."""

import os
import shutil
import signal
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from xml.etree import ElementTree as ET

import pytest

from grafana.build import BOARDS
from grafana.frame import MARKS, build
from grafana.picture import draw
from grafana.reference import plain
from supervisor.jobs import State, Telling
from tests.fakes.arr import KEY, FakeArr, Mode
from tests.observability.watch import hastened, prometheus
from tests.support.mounts import loop_mounted
from tests.support.rtorrents import until
from tests.support.seedbox import MIB, Seedbox, fill, free

pytestmark = [pytest.mark.real, pytest.mark.timeout(420)]

ENOUGH = {"disk_space_threshold_gb": 0.0005, "verification_enabled": True}  # half a MiB: the marks are there
SIZE = 300_000

# What is made to fail, and the alerts that are to fire then: all of these, and no other.
RUNNING = {
    ("SeedcacheProofFailed",),
    ("SeedcacheCopyFailing", "step=copy"),
    ("SeedcacheTorrentFailed", "state=failed"),
    ("SeedcacheNotificationFailing", "service=sonarr"),
    ("SeedcacheNotificationRefused", "state=failed"),
    ("SeedcacheWorkerRestarting", "role=copier"),
    ("SeedcacheHookSilent",),
    ("SeedcacheSpaceNotRelieved",),
    ("SeedcacheVerificationOff",),
    ("SeedcacheSsdFillingUp", "disk=ssd"),
    ("SeedcacheSsdFillingUpFast", "disk=ssd"),
    ("SeedcacheSsdCritical", "disk=ssd"),
}
AWAY = {
    ("SeedcacheRtorrentUnreachable",),
    ("SeedcacheDiskMissingOrChanged", "disk=hdd"),
    ("SeedcacheJournalUnwritable",),
    ("SeedcacheNotReady",),
    ("SeedcacheSpoolNotRead",),
}
KILLED = {("SeedcacheTargetDown",)}


class Site:
    """A seedbox with everything a dashboard shows, what watches it, and what was seen of each kind of fault."""

    def __init__(self, stack, home):
        self.began = time.time()
        # The journal is on a disk of its own, which can be filled.
        self.state = stack.enter_context(loop_mounted(home / "seedcache", "state", "tmpfs", mib=16))
        self.box = stack.enter_context(Seedbox(home))
        self.sonarr, self.radarr = (stack.enter_context(FakeArr(name)) for name in ("sonarr", "radarr"))
        self.box.start(
            sonarr_url=self.sonarr.url,
            sonarr_api_key=KEY,
            radarr_url=self.radarr.url,
            radarr_api_key=KEY,
            copy_retry_attempts=3,
            **ENOUGH,
        )
        self.supervisor = self.box.supervisor
        self.watch = stack.enter_context(prometheus(home / "prometheus", f"127.0.0.1:{self.supervisor.port}"))
        self.fired = {}
        self.left = {}  # what still fires once the fault is mended

    def configure(self, **settings):
        self.supervisor.configure(**settings)
        self.supervisor.signal(signal.SIGHUP)

    @contextmanager
    def faults(self, name, expected):
        """Remember what fires while the block lasts, which waits for all that is expected."""
        with self.watch.remembering() as fired:
            yield lambda: self._wait(fired, expected)
        self.fired[name] = frozenset(fired)  # what fires while it is mended is not of the fault

    def _wait(self, fired, expected):
        with suppress(AssertionError):  # the test says what is missing
            until(lambda: fired >= expected, "all fire", 120)

    @property
    def past(self):
        """Return the range of all that was seen, as Prometheus writes it: how long that took depends on the machine."""
        return f"[{int(time.time() - self.began) + 60}s]"

    def mended(self, name):
        self.left[name] = self.watch.settle()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """What has copied, adopted, told, switched, failed, been killed, and come back."""
    with ExitStack() as stack:
        made = Site(stack, tmp_path_factory.mktemp("watched"))
        _work(made)
        _fail_while_running(made)
        _go_away(made)
        _be_killed(made)
        yield made


def _work(site):
    box, supervisor = site.box, site.supervisor
    told = box.seed("told", SIZE, label="sonarr")
    adopted = box.make("adopted", SIZE)
    shutil.copy2(box.ssd / "adopted", box.hdd / "adopted")
    box.client.seed(adopted, box.ssd)
    supervisor.submit(adopted.hash)
    moved = box.seed("moved", {b"a": SIZE, b"b/c": 5})
    for torrent in (told, adopted, moved):
        supervisor.wait_for(torrent.hash, State.CACHED)
    supervisor.run("relocate", moved.hash)
    supervisor.wait_for(moved.hash, State.RELOCATED)
    watchdog = 'ALERTS{alertname="SeedcacheWatchdog", alertstate="firing"}'
    until(lambda: site.watch.query(watchdog)["result"], "the watchdog fires")
    site.mended("nothing")


def _fail_while_running(site):
    box, supervisor = site.box, site.supervisor
    damaged = box.seed("damaged", SIZE, submit=False)
    _damage(box.ssd / "damaged")
    box.seed("nobody told", SIZE, submit=False)
    with site.faults("running", RUNNING) as all_have_fired:
        site.sonarr.mode, site.radarr.mode = Mode.BROKEN, Mode.REFUSES_KEY
        not_told = [box.seed("to sonarr", SIZE, label="sonarr"), box.seed("to radarr", SIZE, label="radarr")]
        supervisor.submit(damaged.hash)
        supervisor.wait_for(damaged.hash, State.FAILED)
        site.configure(disk_space_threshold_gb=1000, verification_enabled=False)
        for _ in range(3):
            victim = until(lambda: _pid(supervisor, "copier-1", up=True), "a copier is there")
            os.kill(victim, signal.SIGKILL)
            until(lambda gone=victim: _pid(supervisor, "copier-1") != gone, "its end is noticed")
        with _filling_up(box.ssd):
            all_have_fired()
    site.sonarr.mode = site.radarr.mode = Mode.WELL
    site.configure(**ENOUGH)
    supervisor.run("queue", "process")
    supervisor.run("queue", "cancel", damaged.hash)
    for torrent in not_told:
        until(lambda found=torrent: not _untold(supervisor, found.hash), "the services are told")
    site.mended("running")


def _go_away(site):
    box, supervisor = site.box, site.supervisor
    late = box.seed("late", SIZE, submit=False)
    with site.faults("away", AWAY) as all_have_fired:
        box.client.kill()
        # Again, if the supervisor is looking at it at that moment.
        until(lambda: subprocess.run(["umount", box.hdd], check=False).returncode == 0, "it is unmounted")
        supervisor.submit(late.hash)
        until(lambda: site.watch.value("seedcache_rtorrent_reachable") == 0, "it is missed")
        ballast = fill(site.state, 0)
        supervisor.submit("F" * 40)
        all_have_fired()
    ballast.unlink()
    subprocess.run(["mount", "-o", "loop", f"{box.hdd}.image", box.hdd], check=True)
    box.client.start()
    supervisor.wait_for(late.hash, State.CACHED)
    site.mended("away")


def _be_killed(site):
    with site.faults("killed", KILLED) as all_have_fired:
        site.supervisor.kill()
        all_have_fired()
    site.supervisor.start()
    site.mended("killed")
    until(lambda: site.watch.value("seedcache_ready") == 1, "it is ready")


def test_only_durations_are_hastened():
    assert (
        hastened("  expr: a[30m] > 3600\n  for: 10m\n  x: 10m") == "  expr: a[8000ms] > 3600\n  for: 4000ms\n  x: 10m"
    )
    assert hastened("rate(a[5m])") == "rate(a[4000ms])"


def test_a_site_that_is_all_right_fires_only_the_watchdog(site):
    assert site.left["nothing"] == set()


def test_what_fails_while_it_runs_fires_its_alerts_and_no_other(site):
    assert site.fired["running"] == RUNNING


def test_what_is_away_fires_its_alerts_and_no_other(site):
    assert site.fired["away"] == AWAY


def test_a_supervisor_that_is_killed_fires_one_alert(site):
    assert site.fired["killed"] == KILLED


@pytest.mark.parametrize("fault", ["running", "away", "killed"])
def test_every_alert_is_resolved_once_the_fault_is_mended(site, fault):
    assert site.left[fault] == set()


def _queries():
    for board in BOARDS:
        for panel in build(board)["panels"]:
            for target in panel["targets"]:
                yield f"{board.uid}/{panel['id']}{target['refId']}", panel, target


def _as_grafana(expr, site):
    """Put in what Grafana does: four scrapes as the interval of a rate, and one host that was chosen, or all."""
    return (
        expr.replace("$__rate_interval", "4s")
        .replace("$job", "seedcache")
        .replace("$instance", f"127.0.0.1:{site.supervisor.port}|other")
    )


def test_every_panel_of_every_dashboard_has_data_of_the_right_type(site):
    empty = []
    now = time.time()
    for name, panel, target in _queries():
        for expr in (_as_grafana(target["expr"], site), plain(target["expr"]).replace("[1m]", "[4s]")):
            if target["instant"]:
                found = site.watch.query(expr)
                assert found["resultType"] == "vector", name
            else:
                found = site.watch.ask("query_range", query=expr, start=site.began, end=now, step=1)
                assert found["resultType"] == "matrix", name
            if not found["result"]:
                empty.append((name, panel["title"], expr))
    assert empty == []


def test_every_variable_offers_what_there_is(site):
    for board in BOARDS:
        for variable in build(board)["templating"]["list"][1:]:
            selector, label = variable["query"]["query"].removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
            series = site.watch.ask("series", **{"match[]": _as_grafana(selector, site)})
            offered = {"job": "seedcache", "instance": f"127.0.0.1:{site.supervisor.port}"}
            assert {found[label] for found in series} == {offered[label]}


def test_starts_deaths_and_switches_are_marked(site):
    now = time.time()
    for name, _, expr in MARKS:
        found = site.watch.ask("query_range", query=_as_grafana(expr, site), start=site.began, end=now, step=1)
        assert found["result"], name
        if name == "Supervisor started":  # the values are the times, in milliseconds: at first, and after it was killed
            times = {float(value) / 1000 for _, value in found["result"][0]["values"]}
            assert len(times) == 2
            assert all(site.began - 1 < at < now for at in times)


def test_metrics_are_numbers_that_went_up(site):
    """The same queries would return data if nothing had happened: what did is seen."""
    for name in ("copied_bytes", "adopted_copies", "relocations", "proof_failures", "unannounced_torrents"):
        assert site.watch.value(f"max_over_time(seedcache_{name}_total{site.past})") > 0, name
    for name in ("rtorrent_back_off_seconds", "journal_size_bytes", "switch_outage_seconds_count", "at_risk_bytes"):
        assert site.watch.value(f"max_over_time(seedcache_{name}{site.past})") > 0, name
    for step in ("copy", "notify", "relocate"):
        name = f'seedcache_step_waiting_since_timestamp_seconds{{step="{step}"}}'
        assert site.watch.value(f"max_over_time({name}{site.past})") > 0 or step == "relocate"  # too quick for a scrape
    assert site.watch.value(f"max(max_over_time(seedcache_space_plan_torrents{site.past}))") > 0


def test_the_overview_can_be_drawn_from_what_prometheus_says(site):
    now = time.time()

    def ask(expr, instant):
        expr = _as_grafana(expr, site)
        words = {"query": expr} if instant else {"query": expr, "start": site.began, "end": now, "step": 1}
        return site.watch.ask("query" if instant else "query_range", **words)["result"]

    overview = build(BOARDS[0])
    drawn = draw(overview, ask, "a test")
    texts = [element.text for element in ET.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]
    assert {panel["title"] for panel in overview["panels"]} <= set(texts)
    assert "ready" in texts
    assert f"127.0.0.1:{site.supervisor.port}" in texts


@contextmanager
def _filling_up(where):
    """Leave 2 % of a file system free, and less and less."""
    done = threading.Event()
    ballast = fill(where, free(where) // 20)

    def go_on():
        while not done.wait(0.3):
            if free(where) > MIB:
                with ballast.open("ab") as file:
                    file.write(bytes(32768))
                    file.flush()
                    os.fsync(file.fileno())

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        ballast.unlink()


def _damage(path):
    """Change one byte, as a bad disk does; the time of the last change stays."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(1000)
        byte = file.read(1)
        file.seek(1000)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _pid(supervisor, name, *, up=False):
    """The worker's pid, if it is there; if wanted, only if it waits for tasks."""
    found = [worker for worker in supervisor.crew() if worker["name"] == name and (worker["up"] or not up)]
    return found[0]["pid"] if found else 0


def _untold(supervisor, job_hash):
    return [notice for notice in supervisor.notices(job_hash) if notice.state is not Telling.SENT]
