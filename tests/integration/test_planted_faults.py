"""What goes wrong in practice, planted one at a time on a host that is well: `seedcache check` names it and the remedy.

Real mounts, a real rTorrent, the real command; only Sonarr is a stand-in, and an rTorrent too old to be had.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from supervisor import spool
from supervisor.adapters import mounts
from supervisor.commands import hook
from supervisor.journal import Journal, place
from tests.fakes.arr import KEY, FakeArr
from tests.support.mounts import loop_mounted
from tests.support.needs import ROOT, need_root
from tests.support.rtorrents import NEW, OLD, RTorrentProcess, program, until
from tests.support.servers import listening, scripted

pytestmark = pytest.mark.real

SUBMIT = os.path.join(ROOT, "bin", "seedcache-submit")
SOMEBODY = 12345  # a user that owns nothing
LOW = 'schedule = low_diskspace, 5, 60, "close_low_diskspace={}"'
QUEUED = "0123456789ABCDEF0123456789ABCDEF01234567"


class Host:
    """Two disks, their state, an rTorrent with the hook and a Sonarr: all is well, but that nobody has started us."""

    def __init__(self, home: Path, stack: contextlib.ExitStack) -> None:
        self.home, self._stack = home, stack
        self.ssd = stack.enter_context(loop_mounted(home, "ssd"))
        self.hdd = stack.enter_context(loop_mounted(home, "hdd"))
        self.state = home / "state"
        for directory in (spool.directory(str(self.state)), self.state / "locks", home / "bin"):
            os.makedirs(directory)
        journal = Journal(place(str(self.state)))
        for root in (self.ssd, self.hdd):
            journal.trust(os.fsencode(root), mounts.identity(os.fsencode(root)))
        journal.close()
        self.sonarr = stack.enter_context(FakeArr())
        self.rtorrent: RTorrentProcess | None = None
        self.environ = {
            "PATH": os.environ["PATH"],
            "SEEDCACHE_STATE_DIR": str(self.state),
            "DOWNLOAD_PATH_SSD": str(self.ssd),
            "FINAL_DEST_BASE_HDD": str(self.hdd),
            "DISK_SPACE_THRESHOLD_GB": "0.01",
            "SONARR_URL": self.sonarr.url,
            "SONARR_API_KEY": KEY,
        }

    @property
    def hook(self) -> str:
        return hook.print_lines(SimpleNamespace(state_dir=str(self.state)), SUBMIT)[0]

    @property
    def second_hook(self) -> str:
        return hook.print_lines(SimpleNamespace(state_dir=str(self.state)), SUBMIT)[1]

    def start(self, *lines: str, version: str = OLD) -> RTorrentProcess:
        """Start rTorrent, with other lines instead of the hook if any are given; always with that of new torrents."""
        program(version)
        lines = (
            *(lines or (self.hook,)),
            self.second_hook,
            *([] if any("low_diskspace" in line for line in lines) else [LOW.format("1M")]),
        )
        self.rtorrent = self._stack.enter_context(RTorrentProcess(version, self.home / "rtorrent", "\n".join(lines)))
        self.environ["SCGI_URL"] = self.rtorrent.socket
        return self.rtorrent

    def check(self, **environ: str) -> tuple[int, dict[str, dict[str, Any]]]:
        """Run the command; return the exit code, and by `what` the findings that are not ok."""
        if "SCGI_URL" not in self.environ:
            self.start()
        done = subprocess.run(
            [sys.executable, "-m", "supervisor.cli", "check", "--json"],
            env=self.environ | environ, capture_output=True, text=True, check=False, cwd=ROOT,
        )  # fmt: skip
        assert done.stderr == ""
        told = json.loads(done.stdout)
        assert told["version"] == 1
        bad = {finding["what"]: finding for finding in told["findings"] if finding["level"] != "ok"}
        assert all(finding["remedy"] for finding in bad.values())
        # Nobody has started us, and whoever runs the tests may have supervisors of their own.
        assert bad.pop("supervisor")["level"] == "warning"
        others = [finding for finding in told["findings"] if finding["what"] == "other supervisors"]
        bad.pop("other supervisors", None)
        self.others = " ".join(finding["evidence"] for finding in others)
        return done.returncode, bad


@pytest.fixture
def host() -> Iterator[Host]:
    need_root()
    home = Path(tempfile.mkdtemp(prefix="seedcache-faults-"))
    home.chmod(0o755)  # other users come through here
    try:
        with contextlib.ExitStack() as stack:
            yield Host(home, stack)
    finally:
        shutil.rmtree(home)


def only(found: tuple[int, dict[str, dict[str, Any]]], what: str, code: int = 3) -> SimpleNamespace:
    """Return the one finding that is not ok."""
    assert found[0] == code, found
    assert list(found[1]) == [what], found
    return SimpleNamespace(**found[1][what])


@pytest.mark.parametrize("version", [OLD, NEW])
def test_nothing_is_found_where_nothing_is_wrong(host, version):
    host.start(version=version)
    assert host.check() == (0, {})


def test_a_wrong_path(host):
    found = only(host.check(DOWNLOAD_PATH_SSD=f"{host.ssd}/donwloads"), "SSD")
    assert "does not exist" in found.evidence
    assert "DOWNLOAD_PATH_SSD" in found.remedy


def test_an_hdd_that_is_not_mounted(host):
    subprocess.run(["umount", host.hdd], check=True)
    code, bad = host.check()
    assert code == 3
    assert bad["HDD identity"]["level"] == "error"
    assert "mount the right disk" in bad["HDD identity"]["remedy"]
    subprocess.run(["mount", "-o", "loop", f"{host.hdd}.image", host.hdd], check=True)
    assert host.check() == (0, {})


def test_one_file_system_for_both(host):
    inside = host.ssd / "downloads", host.ssd / "media"
    for directory in inside:
        directory.mkdir()
    code, bad = host.check(DOWNLOAD_PATH_SSD=str(inside[0]), FINAL_DEST_BASE_HDD=str(inside[1]))
    assert code == 0
    assert "not mounted" in bad["two disks"]["remedy"]


def give(path: Path) -> None:
    for where, names, files in os.walk(path):
        for name in (".", *names, *files):
            os.chown(os.path.join(where, name), SOMEBODY, SOMEBODY)


def test_a_disk_that_the_services_user_may_not_write_to_although_root_looks(host):
    for path in (host.state, host.ssd):
        give(path)
    rtorrent = host.start()
    os.chmod(rtorrent._short, 0o755)
    os.chmod(rtorrent.socket, 0o777)
    found = only(host.check(), "HDD")
    assert found.evidence == f"{host.hdd} cannot be written by user {SOMEBODY}"
    assert "service's user" in found.remedy
    give(host.hdd)
    assert host.check() == (0, {})


def test_settings_that_only_root_can_read(host):
    for path in (host.state, host.ssd, host.hdd):
        give(path)
    rtorrent = host.start()
    os.chmod(rtorrent._short, 0o755)
    os.chmod(rtorrent.socket, 0o777)
    key = host.home / "sonarr.key"
    key.write_text(KEY)
    key.chmod(0o600)
    found = only(host.check(SONARR_API_KEY=f"file:{key}"), "settings")
    assert str(key) in found.evidence
    assert f"let {SOMEBODY} read" in found.remedy


def test_a_socket_that_the_services_user_may_not_use(host):
    for path in (host.state, host.ssd, host.hdd):
        give(path)
    rtorrent = host.start()
    os.chmod(rtorrent._short, 0o755)
    os.chmod(rtorrent.socket, 0o700)
    found = only(host.check(), "rTorrent")
    assert f"user {SOMEBODY}" in found.evidence
    assert "chmod,g+w" in found.remedy


def test_an_rtorrent_that_is_down(host):
    host.start().kill()
    found = only(host.check(), "rTorrent", code=4)
    assert "SCGI_URL" in found.remedy


def test_a_hook_that_is_missing(host):
    host.start("# no hook")
    assert "hook install" in only(host.check(), "hook").remedy


@pytest.mark.parametrize("version", [OLD, NEW])
def test_a_hook_that_blocks(host, version):
    host.start(host.hook.replace("execute.nothrow.bg", "execute.nothrow"), version=version)
    found = only(host.check(), "hook", code=0)
    assert "stands still" in found.evidence
    assert "execute.nothrow.bg" in found.remedy


def test_a_hook_that_is_registered_twice(host):
    host.start(host.hook, host.hook.replace(", seedcache,", ", again,"))
    found = only(host.check(), "hook", code=0)
    assert found.evidence == "it is registered 2 times"
    assert "rc file" in found.remedy


@pytest.mark.parametrize("event", ["event.download.finished", "event.download.inserted_new"])
def test_the_hook_of_the_predecessor(host, event):
    command = "execute.nothrow=python3,/app/pyrosimple-manager/main.py,$d.hash="
    host.start(host.hook, f'method.set_key = {event}, process_complete, "{command}"')
    found = only(host.check(), "predecessor's hook")
    assert event in found.evidence
    assert "process_complete" in found.remedy


def test_an_rtorrent_that_is_too_old(host):
    def old(method: str, *_: Any) -> Any:
        return {"system.client_version": "0.9.6", "system.library_version": "0.13.6"}.get(method, 0)

    where = os.path.join(host.home, "rpc")
    with listening(scripted(old), where):
        host.environ["SCGI_URL"] = where
        code, bad = host.check()
    assert code == 3
    assert "0.9.6" in bad["rTorrent"]["evidence"]
    assert "upgrade" in bad["rTorrent"]["remedy"]


def test_a_session_that_is_in_memory(host):
    (host.home / "rtorrent").mkdir()
    with loop_mounted(host.home / "rtorrent", "session", "tmpfs"):
        rtorrent = host.start()
        found = only(host.check(), "session")
        rtorrent.close()
    assert "tmpfs" in found.evidence
    assert "session.path.set" in found.remedy


@pytest.mark.parametrize(
    ("limit", "ours", "level", "code"),
    [("2G", "1", "error", 3), ("700M", "1", "warning", 0), ("2G", "0", "warning", 0)],
)
def test_an_rtorrent_that_closes_downloads_before_we_make_room(host, limit, ours, level, code):
    host.start(host.hook, LOW.format(limit), f"# {LOW.format('9G')}")
    big = host.home / "big"  # our loop mounts are smaller than what it wants free
    big.mkdir()
    code_now, bad = host.check(DISK_SPACE_THRESHOLD_GB=ours, DOWNLOAD_PATH_SSD=str(big))
    assert (code_now, bad["low disk"]["level"]) == (code, level)
    assert str(host.home / "rtorrent" / "rtorrent.rc") in bad["low disk"]["evidence"]
    assert "close_low_diskspace" in bad["low disk"]["remedy"]


def test_downloads_that_leave_less_free_than_rtorrent_wants(host):
    host.start(host.hook, LOW.format("1G"))
    big = host.home / "big"
    big.mkdir()
    wanted = {"DISK_SPACE_THRESHOLD_GB": "3", "DOWNLOAD_PATH_SSD": str(big)}
    assert "low disk" not in host.check(**wanted)[1], "they leave 2 GiB"
    code, bad = host.check(SEEDCACHE_ADMISSION_RESERVE="1", **wanted)
    assert (code, bad["low disk"]["level"]) == (0, "warning")
    assert "they leave 1.0 GiB free" in bad["low disk"]["evidence"]
    assert "ADMISSION_RESERVE" in bad["low disk"]["remedy"]
    assert "low disk" not in host.check(SEEDCACHE_ADMISSION_RESERVE="1", SEEDCACHE_ADMISSION="false", **wanted)[1]


def test_a_key_that_sonarr_does_not_take(host):
    found = only(host.check(SONARR_API_KEY="f" * 32), "sonarr")
    assert "does not accept the API key" in found.evidence
    assert "SONARR_API_KEY" in found.remedy


def test_a_path_that_sonarr_does_not_see(host):
    container = host.home / "container"
    (container / "data").mkdir(parents=True)
    host.sonarr.root = str(container)
    found = only(host.check(), "sonarr paths")
    assert str(host.hdd) in found.evidence
    assert f'SONARR_PATH_MAP = ["{host.hdd}:' in found.remedy
    assert host.check(SEEDCACHE_SONARR_PATH_MAP=f"{host.hdd}:/data") == (0, {})
    assert "for it /dta," in only(host.check(SEEDCACHE_SONARR_PATH_MAP=f"{host.hdd}:/dta"), "sonarr paths").evidence


def test_a_sonarr_that_imports_by_itself(host):
    host.sonarr.completed_download_handling = True
    found = only(host.check(), "sonarr imports", code=0)
    assert "switch it off" in found.remedy


def test_another_supervisor(host):
    other = host.home / "other"
    environ = host.environ | {"SCGI_URL": str(host.home / "rpc"), "SEEDCACHE_STATE_DIR": str(other)}
    for name in ("ssd2", "hdd2"):
        (host.home / name).mkdir()
    environ |= {"DOWNLOAD_PATH_SSD": str(host.home / "ssd2"), "FINAL_DEST_BASE_HDD": str(host.home / "hdd2")}
    command = [os.path.join(os.path.dirname(sys.executable), "seedcache"), "run"]
    with subprocess.Popen(command, env=environ | {"SEEDCACHE_METRICS_PORT": "0"}, stderr=subprocess.DEVNULL) as process:
        try:
            until((other / "run" / "live.json").exists, "it is up")
            host.check()
            assert f"pid {process.pid} is one" in host.others
            assert f"state in {other}" in host.others
        finally:
            process.terminate()


def test_a_predecessor_that_is_at_work(host):
    script = host.home / "main.py"
    script.write_text("import sys; print(flush=True); sys.stdin.read()")
    with subprocess.Popen(
        [sys.executable, script, "--space-management"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        found = only(host.check(), "predecessor")
        process.stdin.close()
    assert f"pid {process.pid}" in found.evidence
    assert "without a proof" in found.remedy


def test_torrents_that_wait_in_the_predecessors_queue(host):
    queue = host.home / "locks" / "queue"
    queue.mkdir(parents=True)
    (queue / f"{QUEUED.lower()}_1700000000.queue").write_text(f"{QUEUED.lower()}\n1700000000\n")
    found = only(host.check(LOCK_DIR=str(host.home / "locks")), "predecessor's queue", code=0)
    assert QUEUED in found.evidence
    assert f"seedcache import-legacy --queue {queue}" in found.remedy


def test_supervisord_in_our_environment(host):
    dist = host.home / "packages" / "supervisor-4.2.5.dist-info"
    dist.mkdir(parents=True)
    (dist / "METADATA").write_text("Metadata-Version: 2.1\nName: supervisor\nVersion: 4.2.5\n")
    found = only(host.check(PYTHONPATH=str(dist.parent)), "package")
    assert "virtual environment" in found.remedy
