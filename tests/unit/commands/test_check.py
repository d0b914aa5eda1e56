import ast
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from supervisor.adapters import clock, files, mounts
from supervisor.commands import check, check_host, hook
from supervisor.commands.findings import Finding, Level, error, ok, warning
from supervisor.errors import Exit
from supervisor.journal import Journal, place
from supervisor.notifiers.table import MESSENGERS, NOTIFIERS
from tests.fakes.arr import KEY, FakeArr, Mode
from tests.support.needs import ROOT
from tests.support.torrents import make_torrent

SUBMIT = os.path.join(ROOT, "bin", "seedcache-submit")


@pytest.fixture
def host(tmp_path):
    """A host where all is well, but rTorrent is away."""
    for name in ("ssd", "hdd", "state/spool", "state/locks"):
        (tmp_path / name).mkdir(parents=True)
    Journal(place(str(tmp_path / "state"))).close()
    return SimpleNamespace(
        root=tmp_path,
        state=tmp_path / "state",
        environ={
            "DOWNLOAD_PATH_SSD": str(tmp_path / "ssd"),
            "FINAL_DEST_BASE_HDD": str(tmp_path / "hdd"),
            "SCGI_URL": str(tmp_path / "rpc"),
            "SEEDCACHE_STATE_DIR": str(tmp_path / "state"),
            "DISK_SPACE_THRESHOLD_GB": "2",
        },
    )


def findings(host, now=None, **more):
    return list(check.run(None, host.environ | more, now or time.time()))


def of(found, what):
    return [finding for finding in found if finding.what == what]


def only(found, what):
    (finding,) = of(found, what)
    return finding


# -- the frame ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ([ok("a", "")], Exit.DONE),
        ([ok("a", ""), warning("b", "", "r")], Exit.DONE),
        ([error("a", "", "r")], Exit.CONFIGURATION),
        ([Finding(Level.ERROR, "a", "", "r", unreachable=True)], Exit.UNREACHABLE),
        ([Finding(Level.ERROR, "a", "", "r", unreachable=True), error("b", "", "r")], Exit.CONFIGURATION),
    ],
)
def test_the_exit_code_says_whether_only_rtorrent_is_away(found, code):
    assert check.exit_code(found) is code


def test_on_a_host_where_only_rtorrent_is_away_it_is_exit_4_and_all_else_was_looked_at(host):
    found = findings(host)
    assert [finding.what for finding in found if finding.level is Level.ERROR] == ["rTorrent"]
    assert check.exit_code(found) is Exit.UNREACHABLE
    assert only(found, "sonarr").evidence == "not used"
    assert all(finding.remedy for finding in found if finding.level is not Level.OK)


def test_settings_that_cannot_be_loaded_are_one_error_each_and_the_end(host):
    found = findings(host, DOWNLOAD_PATH_SSD="x", SEEDCACHE_METRICS_PORT="x")
    assert len(of(found, "settings")) == 2
    assert found[-1].what == "settings"
    assert check.exit_code(found) is Exit.CONFIGURATION


def test_the_command_prints_a_line_a_finding_with_remedies_and_a_sum(host):
    command = [sys.executable, "-m", "supervisor.cli", "check"]
    environ = host.environ | {"PATH": os.environ["PATH"]}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 4, done.stdout + done.stderr
    assert "error    rTorrent" in done.stdout
    assert " -> see SCGI_URL" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("1 errors, ")
    done = subprocess.run([*command, "--json"], env=environ, capture_output=True, text=True, check=False, cwd=ROOT)
    told = json.loads(done.stdout)
    assert told["version"] == 1
    assert {finding["level"] for finding in told["findings"]} <= {"ok", "warning", "error"}


# -- the package and the clock -----------------------------------------------------------------------------------------


def test_supervisord_in_the_same_environment_is_noticed(monkeypatch):
    assert check.package().level is Level.OK
    assert check.package().evidence.endswith("/supervisor")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: SimpleNamespace(name=name))
    assert check.package().level is Level.ERROR


def test_supervisord_that_is_really_installed_beside_us_is_noticed(tmp_path):
    dist = tmp_path / "supervisor-4.2.5.dist-info"
    dist.mkdir()
    (dist / "METADATA").write_text("Metadata-Version: 2.1\nName: supervisor\nVersion: 4.2.5\n")
    code = "from supervisor.commands.check import package; print(package().level)"
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == "error\n"


def test_a_clock_that_was_never_set_is_an_error(host):
    assert only(findings(host, now=86400.0), "clock").level is Level.ERROR
    assert only(findings(host), "clock").level is Level.OK


# -- disks -------------------------------------------------------------------------------------------------------------


def test_a_root_that_is_missing_or_no_directory_is_an_error_with_its_setting(host):
    (host.root / "ssd").rmdir()
    (host.root / "hdd").rmdir()
    (host.root / "hdd").touch()
    found = findings(host)
    assert "does not exist" in only(found, "SSD").evidence
    assert "DOWNLOAD_PATH_SSD" in only(found, "SSD").remedy
    assert "is not a directory" in only(found, "HDD").evidence
    assert not of(found, "two disks")


def test_two_roots_on_one_file_system_are_a_warning(host):
    assert only(findings(host), "two disks").level is Level.WARNING


@pytest.mark.real
def test_two_mounted_disks_are_well_and_the_wrong_one_is_not(host, loop_mount):
    host.environ |= {
        "DOWNLOAD_PATH_SSD": str(loop_mount("disk-ssd", "ext4", 64)),
        "FINAL_DEST_BASE_HDD": str(loop_mount("disk-hdd", "xfs", 300)),
        "DISK_SPACE_THRESHOLD_GB": "0.01",
    }
    journal = Journal(place(str(host.state)))
    ssd, hdd = (os.fsencode(host.environ[name]) for name in ("DOWNLOAD_PATH_SSD", "FINAL_DEST_BASE_HDD"))
    journal.trust(ssd, mounts.identity(ssd))
    journal.trust(hdd, "uuid=1234 fsid=1")
    journal.close()
    found = findings(host)
    assert only(found, "two disks").level is Level.OK
    assert only(found, "SSD").evidence.endswith("on ext4")
    assert only(found, "HDD").evidence.endswith("on xfs")
    assert (only(found, "SSD mount").level, only(found, "HDD mount").level) == (Level.OK, Level.OK)
    assert only(found, "SSD identity").level is Level.OK
    assert only(found, "HDD identity").level is Level.ERROR
    assert "check --trust" in only(found, "HDD identity").remedy


@pytest.mark.real
def test_a_read_only_disk_is_an_error(host, loop_mount):
    where = loop_mount("disk-hdd", "ext4", 64)
    subprocess.run(["mount", "-o", "remount,ro", where], check=True)
    assert "cannot be written" in only(findings(host, FINAL_DEST_BASE_HDD=str(where)), "HDD").evidence


def test_a_threshold_above_the_disk_and_one_above_what_is_free_are_different_warnings(host):
    usage = files.usage(os.fsencode(host.root))
    more = only(findings(host, DISK_SPACE_THRESHOLD_GB=str(usage.size / 2**30 + 1)), "SSD space")
    assert "the whole disk or more" in more.remedy
    low = only(findings(host, DISK_SPACE_THRESHOLD_GB=str((usage.free + usage.size) / 2 / 2**30)), "SSD space")
    assert "space plan" in low.remedy


# -- state -------------------------------------------------------------------------------------------------------------


def test_state_that_is_missing_is_an_error_and_a_missing_spool_too(host):
    (host.state / "spool").rmdir()
    assert only(findings(host), "spool").level is Level.ERROR
    assert only(findings(host, SEEDCACHE_STATE_DIR=str(host.root / "no")), "state").level is Level.ERROR


@pytest.mark.real
def test_state_in_memory_is_a_warning(host, loop_mount):
    where = loop_mount("memory", "tmpfs", 16)
    found = only(findings(host, SEEDCACHE_STATE_DIR=str(where)), "state")
    assert (found.level, "tmpfs" in found.evidence) == (Level.WARNING, True)


def test_the_kind_of_a_file_system_is_the_kernels(tmp_path):
    assert check_host.file_system("/proc") == "proc"
    assert check_host.file_system("/proc/self") == "proc"
    spoken = subprocess.run(["stat", "-f", "-c", "%T", tmp_path], capture_output=True, text=True, check=True).stdout
    assert check_host.file_system(str(tmp_path))[:3] == spoken[:3]  # stat says ext2/ext3 for ext4


def test_a_supervisor_that_is_down_is_a_warning(host):
    assert "seedcache run" in only(findings(host), "supervisor").remedy


# -- services ----------------------------------------------------------------------------------------------------------


def test_a_service_that_accepts_the_key_is_well(host):
    with FakeArr() as sonarr:
        found = only(findings(host, SONARR_URL=sonarr.url, SONARR_API_KEY=KEY), "sonarr")
    assert (found.level, "4.0.14" in found.evidence) == (Level.OK, True)


@pytest.mark.parametrize("mode", [Mode.REFUSES_KEY, Mode.HTML, Mode.BROKEN])
def test_a_service_that_does_not_is_an_error_that_keeps_the_key_to_itself(host, mode):
    with FakeArr() as sonarr:
        sonarr.mode = mode
        found = only(findings(host, SONARR_URL=sonarr.url, SONARR_API_KEY=KEY), "sonarr")
    assert found.level is Level.ERROR
    assert "SONARR_URL" in found.remedy
    assert KEY not in f"{found}"


def test_services_that_are_not_told_are_not_asked(host):
    found = findings(host, SONARR_URL="http://127.0.0.1:1", SONARR_API_KEY=KEY, NOTIFY_ARR_ENABLED="false")
    assert only(found, "sonarr").level is Level.OK


# -- a real rTorrent ---------------------------------------------------------------------------------------------------


def line(name, method="execute.nothrow.bg", program=SUBMIT, options=""):
    return f'method.set_key = event.download.finished, {name}, "{method}={program}{options},$d.hash="'


@pytest.fixture
def beside(host, rtorrents, rtorrent_version):
    def start(*lines):
        process = rtorrents(rtorrent_version, "\n".join(lines))
        host.environ["SCGI_URL"] = process.socket
        return process

    return start


@pytest.mark.real
def test_a_real_rtorrent_with_the_printed_hook_is_well(host, beside):
    process = beside(*hook.print_lines(SimpleNamespace(state_dir=str(host.state)), SUBMIT))
    data = host.root / "ssd" / "torrent"
    data.mkdir()
    (data / "file").write_bytes(b"x" * 100_000)
    process.seed(make_torrent(data, host.root / "a.torrent"), host.root / "ssd")
    found = findings(host)
    assert [finding for finding in found if finding.level is Level.ERROR] == []
    for what in ("rTorrent", "rTorrent clock", "session", "paths", "hook", "hook rights", "hook of new torrents"):
        assert only(found, what).level is Level.OK
    assert only(found, "paths").evidence.startswith("1 of 1")
    assert check.exit_code(found) is Exit.DONE


@pytest.mark.real
@pytest.mark.parametrize(
    ("lines", "level", "word"),
    [
        ([], Level.ERROR, "does not run"),
        ([line("other", program="/bin/true")], Level.ERROR, "does not run"),
        ([line("seedcache", method="execute.nothrow", options=",-d,{state}")], Level.WARNING, "stands still"),
        ([line("seedcache", program="/no/seedcache-submit")], Level.ERROR, "cannot be run"),
        ([line("seedcache", options=",-d,/other")], Level.ERROR, "submits to /other"),
        ([line("seedcache")], Level.WARNING, "which STATE_DIR"),
        ([line("a", options=",-d,{state}"), line("b", options=",-d,{state}")], Level.WARNING, "2 times"),
    ],
)
def test_a_hook_that_is_wrong_is_named_with_the_remedy(host, beside, lines, level, word):
    beside(*(each.format(state=host.state) for each in lines))
    worst = of(findings(host), "hook")[0]
    assert worst.level is level
    assert word in worst.evidence


@pytest.mark.real
@pytest.mark.parametrize(
    ("options", "level", "word"),
    [
        (None, Level.WARNING, "when a torrent is added"),
        (",-d,{state}", Level.ERROR, "it submits -e finished, not -e inserted"),
        (",-d,/other,-e,inserted", Level.ERROR, "submits to /other"),
        (",-d,{state},-e,inserted", Level.OK, "in the background"),
    ],
)
def test_the_hook_of_new_torrents_is_looked_at_too(host, beside, options, level, word):
    state = str(host.state)
    second = line("seedcache", options=(options or "").format(state=state)).replace("finished", "inserted_new")
    beside(line("seedcache", options=f",-d,{state}"), *([] if options is None else [second]))
    found = only(findings(host), "hook of new torrents")
    assert found.level is level
    assert word in found.evidence


@pytest.mark.real
def test_finished_torrents_that_lie_elsewhere_are_a_warning(host, beside):
    process = beside()
    data = host.root / "elsewhere" / "torrent"
    data.mkdir(parents=True)
    (data / "file").write_bytes(b"x" * 100_000)
    process.seed(make_torrent(data, host.root / "a.torrent"), host.root / "elsewhere")
    assert "same paths" in only(findings(host), "paths").remedy


@pytest.mark.real
def test_the_clock_of_rtorrent_is_compared_with_what_ours_says_when_it_is_asked(host, beside, monkeypatch):
    beside()
    begun = time.time() - 60  # a disk and a service that did not answer have taken a minute
    assert only(findings(host, now=begun), "rTorrent clock").level is Level.OK
    for wrong in (-60, 60):
        monkeypatch.setattr(clock, "now", lambda wrong=wrong: time.time() + wrong)
        assert only(findings(host), "rTorrent clock").level is Level.WARNING


@pytest.mark.real
def test_a_frozen_rtorrent_is_exit_4_within_its_timeout(host, beside):
    process = beside()
    process.freeze()
    found, took, before = [], {}, time.monotonic()
    for finding in check.run(None, host.environ | {"SEEDCACHE_RPC_TIMEOUT": "1"}, time.time()):
        found.append(finding)
        took[finding.what], before = time.monotonic() - before, time.monotonic()
    process.thaw()
    assert took["rTorrent"] < 8  # by default it would have 10
    assert check.exit_code(found) is Exit.UNREACHABLE


# -- docs/check.md -----------------------------------------------------------------------------------------------------

EACH = {"what": ["hook", "hook of new torrents"], "role": ["SSD", "HDD"], "service": list(NOTIFIERS)}


def names(node):
    """Return what a finding's name may be, given how it is written in the source."""
    if isinstance(node, ast.Constant):
        return {node.value}
    if isinstance(node, ast.Name):
        return {*EACH[node.id], *(MESSENGERS if node.id == "service" else ())}
    (placeholder,), (rest,) = (
        [part.value.id for part in node.values if isinstance(part, ast.FormattedValue)],
        [part.value for part in node.values if isinstance(part, ast.Constant)],
    )
    return {each + rest for each in EACH[placeholder]}


def test_every_finding_is_documented_and_every_documented_one_is_looked_for():
    made = set()
    for path in Path(ROOT, "supervisor", "commands").glob("check*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"ok", "warning", "error"}:
                made |= names(node.args[0])
    rows = [line.split("|")[1] for line in Path(ROOT, "docs", "check.md").read_text().splitlines() if line[:3] == "| `"]
    documented = [what for row in rows for what in re.findall("`([^`]+)`", row)]
    assert sorted(documented) == sorted(made)
