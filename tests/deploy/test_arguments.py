"""A wrong variable is refused by name, before a host is asked for anything."""

import json
import os
import subprocess

import pytest

from tests.support.needs import ROOT, lacking

pytestmark = pytest.mark.deploy

ANSIBLE = os.path.join(ROOT, ".cache", "ansible-venv", "bin", "ansible-playbook")
REQUIRED = {
    "seedcache_download_path_ssd": "/srv/ssd",
    "seedcache_final_dest_base_hdd": "/srv/hdd",
    "seedcache_scgi_url": "/run/rpc",
}


@pytest.mark.parametrize(
    ("role", "variables", "said"),
    [
        ("seedcache", {**REQUIRED, "seedcache_metrics_port": "many"}, "seedcache_metrics_port"),
        ("seedcache", {**REQUIRED, "seedcache_require_mounts": "perhaps"}, "seedcache_require_mounts"),
        ("seedcache", {"seedcache_download_path_ssd": "/srv/ssd"}, "seedcache_final_dest_base_hdd, seedcache_scgi_url"),
        ("rtorrent_hook", {"rtorrent_hook_state": "maybe"}, "rtorrent_hook_state"),
        ("prometheus", {"prometheus_remote_write": {"url": 1}}, "prometheus_remote_write"),
        ("alertmanager", {"alertmanager_install": "some"}, "alertmanager_install"),
        ("grafana", {"grafana_install": "some"}, "grafana_install"),
    ],
)
def test_a_wrong_variable_is_refused_with_its_name(tmp_path, role, variables, said):
    if not os.access(ANSIBLE, os.X_OK):
        lacking("needs what script/test-deploy installs")
    playbook = tmp_path / "playbook.yml"
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "roles": [role]}
    playbook.write_text(json.dumps([play]))
    done = subprocess.run(
        [ANSIBLE, "-i", "localhost,", "--check", "-e", json.dumps(variables), str(playbook)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ANSIBLE_ROLES_PATH": os.path.join(ROOT, "ansible", "roles"), "COLUMNS": "400"},
    )
    assert done.returncode == 2
    assert "Validating arguments against arg spec" in done.stdout
    assert said in done.stdout + done.stderr
    assert "ok=0" in done.stdout  # nothing was done before
