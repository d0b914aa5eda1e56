"""Settings that are loaded in an interpreter of their own are the same, and so are the complaints."""

import json
import os
import subprocess
import sys

import pytest

from supervisor import arbiter, cli, settings
from supervisor.apart import load_apart
from supervisor.errors import ConfigurationError


@pytest.fixture
def file(tmp_path):
    for name in ("ssd", "hdd"):
        (tmp_path / name).mkdir()
    values = {
        "download_path_ssd": str(tmp_path / "ssd"),
        "final_dest_base_hdd": str(tmp_path / "hdd"),
        "scgi_url": "/run/rpc",
        "state_dir": str(tmp_path / "state"),
    }
    where = tmp_path / "settings.toml"
    where.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items()))
    return where


def test_they_are_the_same_and_from_the_same_sources(file):
    environ = {"SEEDCACHE_SPACE_CHECK_INTERVAL": "7", "SONARR_TAG": "tv,\N{ROCKET}"}
    apart, here = load_apart(str(file), environ), settings.load(str(file), environ)
    assert apart == here
    assert apart.explain() == here.explain()
    assert apart.space_check_interval == 7


def test_all_problems_are_told_as_they_would_be_here(file):
    environ = {"SEEDCACHE_SPACE_CHECK_INTERVAL": "often", "SEEDCACHE_SCGI_URLS": "x"}
    with pytest.raises(ConfigurationError) as here:
        settings.load(str(file), environ)
    with pytest.raises(ConfigurationError) as apart:
        load_apart(str(file), environ)
    assert str(apart.value) == str(here.value)
    assert len(str(apart.value).splitlines()) == 2


def test_an_interpreter_that_dies_is_a_complaint_and_no_defect(file, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ConfigurationError, match="could not be loaded"):
        load_apart(str(file), {})


def test_who_loads_them_so_never_has_dynaconf(file):
    code = "import sys; from supervisor.apart import load_apart; load_apart(sys.argv[1], {}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, file], capture_output=True, text=True, check=True)
    assert not {"dynaconf", "tomllib"} & set(done.stdout.split())


def test_what_lies_where_the_supervisor_works_is_not_imported(file, tmp_path, monkeypatch):
    (tmp_path / "supervisor").mkdir()
    (tmp_path / "supervisor" / "__init__.py").write_text("raise RuntimeError('not ours')")
    monkeypatch.chdir(tmp_path)
    assert load_apart(str(file), {}).scgi_url


@pytest.mark.parametrize("named", ["option", "environment"])
def test_a_file_that_was_named_from_where_it_was_started_is_found_again_on_a_reload(file, tmp_path, monkeypatch, named):
    given = []
    monkeypatch.setattr(arbiter, "run", lambda *both: given.extend(both) or 0)
    monkeypatch.chdir(tmp_path)
    if named == "environment":
        monkeypatch.setenv("SEEDCACHE_CONFIG", file.name)
    assert cli.main([*(["--config", file.name] if named == "option" else []), "run"]) == 0
    first, reload = given
    os.chdir("/")
    assert reload() == first
