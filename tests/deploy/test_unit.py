"""The systemd unit, looked at by systemd's own tools; they need no running systemd."""

import re
import subprocess
from pathlib import Path

from supervisor.settings import Settings
from tests.support.needs import ROOT, need_program

UNIT = Path(ROOT, "packaging", "seedcache.service")


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    program = need_program("systemd-analyze")
    return subprocess.run([program, *words], capture_output=True, text=True, check=False)


def test_the_units_exposure_is_at_most_2_0():
    done = analyze("security", "--offline=true", "--threshold=20", "--no-pager", str(UNIT))
    assert done.returncode == 0, done.stdout
    (score,) = re.findall(r"exposure level for seedcache.service: ([\d.]+)", done.stdout)
    assert float(score) <= 2.0


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path):
    # Its program is not installed here: put one in the place.
    text = UNIT.read_text().replace("ExecStart=/opt/seedcache/current/bin/seedcache", "ExecStart=/bin/true")
    unit = tmp_path / UNIT.name
    unit.write_text(text)
    done = analyze("verify", "--man=no", str(unit))
    assert (done.returncode, done.stderr) == (0, "")


def test_the_grace_to_stop_is_longer_than_the_supervisors_own():
    grace = Settings.__dataclass_fields__["stop_grace"].default
    (timeout,) = re.findall(r"^TimeoutStopSec=(\d+)$", UNIT.read_text(), re.MULTILINE)
    assert int(timeout) > grace


def test_a_wrong_word_in_the_unit_would_be_found(tmp_path):
    unit = tmp_path / UNIT.name
    unit.write_text("[Service]\nExecStart=/bin/true\nProtectSytem=strict\n")
    assert "ProtectSytem" in analyze("verify", "--man=no", str(unit)).stderr
