"""What every test gets: a scrubbed environment, nothing left running, real rTorrents and file systems on demand."""

import contextlib
import itertools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import psutil
import pytest

from tests.support.mounts import loop_mounted
from tests.support.needs import MUST_NOT_SKIP, ROOT
from tests.support.rtorrents import OLD, VERSIONS, RTorrentProcess, program

# The settings' names without a prefix, which the program takes from the environment.
_SETTINGS = {
    "DOWNLOAD_PATH_SSD",
    "FINAL_DEST_BASE_HDD",
    "SCGI_URL",
    "MAX_CONCURRENT_PROCESSES",
    "DISK_SPACE_THRESHOLD_GB",
    "COPY_RETRY_ATTEMPTS",
    "VERIFICATION_ENABLED",
    "NOTIFY_ARR_ENABLED",
    "SONARR_URL",
    "SONARR_API_KEY",
    "SONARR_TAG",
    "RADARR_URL",
    "RADARR_API_KEY",
    "RADARR_TAG",
    "LOG_LEVEL",
    "LOG_FILE",
    "LOCK_DIR",
    "STATE_DIR",
    "METRICS_ADDRESS",
    "METRICS_PORT",
    "SPACE_CHECK_INTERVAL",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
}

# mkfs lives in sbin; promtool is where script/bootstrap unpacks it.
os.environ["PATH"] += f":{ROOT}/.cache/prometheus/usr/bin:/usr/sbin:/sbin"

# A shell without job control ignores SIGINT in what it starts in the background, and that is inherited: what a test
# starts would not end at Ctrl-C (POSIX, Shell Command Language 2.11).
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says nothing while other tests run beside it.
hypothesis.settings.register_profile(
    "beside others", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("beside others")

_skipped: list[str] = []


@pytest.fixture(scope="session")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def _scrubbed_environment(monkeypatch: pytest.MonkeyPatch, _home: Path) -> None:
    """No setting of the person who runs the tests reaches them, and no file of theirs is read or written."""
    for name in list(os.environ):
        if name in _SETTINGS or (name.startswith("SEEDCACHE_") and name != "SEEDCACHE_TESTS_MUST_NOT_SKIP"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(_home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)


def _children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def _serves_multiprocessing(process: psutil.Process) -> bool:
    """Say whether it is one of multiprocessing's own helpers, which live as long as the interpreter."""
    try:
        command = " ".join(process.cmdline())
    except psutil.Error:
        return False
    return "multiprocessing.resource_tracker" in command or "multiprocessing.forkserver" in command


@pytest.fixture(autouse=True)
def _reaped() -> Iterator[None]:
    """Fail a test that leaves a process running, and end the process."""
    before = _children()
    yield
    left = [child for child in _children() - before if not _serves_multiprocessing(child)]
    _, alive = psutil.wait_procs(left, timeout=20)
    names = []
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            names.append(f"{process.pid} {' '.join(process.cmdline())}")
            process.kill()
    psutil.wait_procs(alive, timeout=5)
    assert not names, f"the test left running: {names}"


@pytest.fixture
def threads_left() -> Callable[[], list[threading.Thread]]:
    """Return threads_left() -> the threads that the test has started and that still run.

    Others may be there: of pytest-xdist, and what an earlier test could not end.
    """
    before = set(threading.enumerate())
    return lambda: [thread for thread in threading.enumerate() if thread not in before]


@pytest.fixture
def loop_mount(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Return loop_mount(name, filesystem="ext4", mib=64) -> mount point; all unmounted after the test."""
    with contextlib.ExitStack() as stack:

        def mount(name: str, filesystem: str = "ext4", mib: int = 64) -> Path:
            return stack.enter_context(loop_mounted(tmp_path, name, filesystem, mib))

        yield mount


@pytest.fixture
def rtorrents(tmp_path: Path, loop_mount: object) -> Iterator[Callable[..., RTorrentProcess]]:  # noqa: ARG001 - unmounted after they end
    """Return rtorrents(version="0.9.8", extra="") -> a started RTorrentProcess; all are killed after the test."""
    numbers = itertools.count(1)
    with contextlib.ExitStack() as stack:

        def start(version: str = OLD, extra: str = "") -> RTorrentProcess:
            program(version)
            return stack.enter_context(RTorrentProcess(version, tmp_path / f"rtorrent-{next(numbers)}", extra))

        yield start


@pytest.fixture(params=VERSIONS)
def rtorrent_version(request: pytest.FixtureRequest) -> str:
    """Return each version of rTorrent that is supported, in turn."""
    return request.param


# -- where nothing may be skipped, a skipped test fails the run --------------------------------------------------------


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped.append(report.nodeid)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped:
        _skipped.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if MUST_NOT_SKIP and _skipped and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if MUST_NOT_SKIP and _skipped:
        terminalreporter.section("skipped, which is a failure here", red=True)
        for name in _skipped:
            terminalreporter.write_line(name)
