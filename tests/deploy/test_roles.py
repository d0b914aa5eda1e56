"""What can be known of the roles without a host: that they say what the program says."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from supervisor.commands import hook
from supervisor.settings import specs
from tests.support.needs import ROOT

_spec = importlib.util.spec_from_file_location("role_variables", Path(ROOT, "packaging", "role_variables.py"))
role_variables = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(role_variables)

ROLES = Path(ROOT, "ansible", "roles")


def variables(role: str) -> set[str]:
    """The variables that a role has defaults for, or that its comments call required."""
    text = (ROLES / role / "defaults" / "main.yml").read_text()
    return set(re.findall(r"^(?:# )?(\w+):", text, re.MULTILINE))


def test_each_setting_is_a_variable_of_the_role_with_its_default_and_its_row():
    done = subprocess.run(
        [sys.executable, Path(ROOT, "packaging", "role_variables.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert {f"seedcache_{name}" for name in specs()} <= variables("seedcache")


def test_what_stands_between_the_markers_is_replaced_and_indented():
    assert role_variables.between("a\n  # b\n  old\n  # e\n", "# b", "# e", ["new"]) == "a\n  # b\n  new\n  # e\n"


@pytest.mark.parametrize("role", sorted(path.name for path in ROLES.iterdir()))
def test_every_variable_of_a_role_is_specified_and_described(role):
    specified = set(
        re.findall(rf"^ +({role}_\w+):", (ROLES / role / "meta" / "argument_specs.yml").read_text(), re.MULTILINE)
    )
    described = set(re.findall(rf"^\| `({role}_\w+)`", (ROLES / role / "README.md").read_text(), re.MULTILINE))
    assert variables(role) == specified == described
    assert all(name.startswith(f"{role}_") for name in variables(role))


def test_the_hook_role_writes_the_lines_that_hook_print_says():
    text = (ROLES / "rtorrent_hook" / "vars" / "main.yml").read_text()
    text = text.replace("{{ rtorrent_hook_submit }}", "/opt/s/bin/seedcache-submit")
    text = text.replace("{{ rtorrent_hook_state_dir }}", "/var/lib/seedcache")
    lines = [" ".join(folded.split()) for folded in re.findall(r"  - >-\n((?:    .*\n)+)", text)]
    settings = type("S", (), {"state_dir": "/var/lib/seedcache"})
    assert lines == hook.print_lines(settings, "/opt/s/bin/seedcache-submit")


def test_the_hook_roles_markers_are_those_of_hook_install():
    tasks = (ROLES / "rtorrent_hook" / "tasks" / "files.yml").read_text()
    marker, begin, end = (
        re.search(rf"{key}: \"?([^\"\n]+)", tasks)[1] for key in ("marker", "marker_begin", "marker_end")
    )
    assert f"{marker.format(mark=begin)}\n".encode() == hook.BEGIN
    assert f"{marker.format(mark=end)}\n".encode() == hook.END
