"""The container and the users' compose file: two rTorrents, a stand-in Sonarr and Prometheus on a private network."""

import json
import os
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.arr import KEY
from tests.support.needs import ROOT, lacking
from tests.support.rtorrents import OLD, RTorrentProcess, until
from tests.support.torrents import contents, make_torrent, write_tree

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(300)]

COMPOSE = os.path.join(ROOT, ".cache", "ansible-venv", "bin", "docker-compose")
FILE = os.path.join(ROOT, "tests", "deploy", "compose.yaml")
USER = 1000
HOOK = (
    'method.set_key = event.download.finished, seedcache, "execute.nothrow.bg='
    '/opt/seedcache/bin/seedcache-submit,-d,/var/lib/seedcache,$d.hash="\n'
)
RC = """\
session.path.set = {session}
directory.default.set = {data}
network.scgi.open_local = {socket}
network.port_range.set = 20000-25000
dht.mode.set = disable
protocol.pex.set = no
trackers.use_udp.set = no
system.daemon.set = true
"""
PROMETHEUS = """\
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.d/*.yml]
scrape_configs:
  - job_name: seedcache
    static_configs: [{targets: ["seedcache:9797"]}]
"""


# -- pytest-docker's ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """What the containers share. Its name is short: sockets are in it."""
    if (
        not os.access(COMPOSE, os.X_OK)
        or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode
    ):
        lacking("needs Docker and what script/test-deploy installs")
    path = Path(tempfile.mkdtemp(prefix="sc-"))
    for name in ("ssd", "hdd", "session", "run", "state", "seeder/session", "seeder/data"):
        (path / name).mkdir(parents=True)
    path.chmod(0o755)
    rc = {"session": "/session", "data": "/downloads", "socket": "/run/rtorrent/rpc.socket"}
    (path / "box.rc").write_text(RC.format(**rc) + HOOK)
    rc = {"session": "/seeder/session", "data": "/seeder/data", "socket": "/seeder/rpc.socket"}
    (path / "seeder.rc").write_text(RC.format(**rc))
    (path / "prometheus.yml").write_text(PROMETHEUS)
    for entry in (path, *path.rglob("*")):
        os.chown(entry, USER, USER)
    os.environ |= {"TEST_HOME": str(path), "TEST_KEY": KEY}
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def docker_compose_command() -> str:
    return COMPOSE


@pytest.fixture(scope="session")
def docker_compose_file() -> str:
    return FILE


@pytest.fixture(scope="session")
def docker_setup(home: Path) -> list[str]:  # noqa: ARG001 - it must be there before the containers are
    return ["up -d --wait --wait-timeout 90"]


@pytest.fixture(scope="session")
def docker_cleanup() -> list[str]:
    return ["down -v --remove-orphans -t 40"]


# -- what the tests ask ------------------------------------------------------------------------------------------------


class Stack:
    """The running containers."""

    def __init__(self, home: Path, services: Any, project: str) -> None:
        self.home, self.services, self.project = home, services, project
        self.box = self._rtorrent("box", home / "run" / "rpc.socket")
        self.seeder = self._rtorrent("seeder", home / "seeder" / "rpc.socket")

    def _rtorrent(self, name: str, socket: Path) -> RTorrentProcess:
        until(socket.exists, f"{name} listens", 30)
        client = RTorrentProcess(OLD, self.home / f"client-{name}")
        os.rmdir(os.path.dirname(client.socket))
        client.socket = str(socket)
        return client

    def compose(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [COMPOSE, "-f", FILE, "-p", self.project, *words]
        return subprocess.run(command, capture_output=True, text=True, check=check)

    def seedcache(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.compose("exec", "-T", "seedcache", "seedcache", *words, check=check)

    def container(self, service: str) -> dict[str, Any]:
        name = self.compose("ps", "-a", "-q", service).stdout.strip()
        done = subprocess.run(["docker", "inspect", name], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)[0]

    def get(self, service: str, port: int, path: str) -> tuple[int, str]:
        url = f"http://127.0.0.1:{self.services.port_for(service, port)}{path}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def query(self, promql: str) -> list[Any]:
        _, body = self.get("prometheus", 9090, f"/api/v1/query?query={urllib.parse.quote(promql)}")
        return json.loads(body)["data"]["result"]

    def state_of(self, info_hash: str) -> str:
        done = self.seedcache("explain", info_hash, "--json", check=False)
        job = json.loads(done.stdout)["job"] if done.returncode == 0 else None
        return job["state"] if job else done.stderr

    def download(self, name: str, sizes: dict[bytes, int]) -> Any:
        """Have the box download a torrent from the seeder; the hook does the rest."""
        data = self.home / "seeder" / "data"
        write_tree(data / name, sizes)
        torrent = make_torrent(data / name, data / f"{name}.torrent")
        for entry in (data / name, *(data / name).rglob("*")):
            os.chown(entry, USER, USER)
        self.seeder.load(torrent, "/seeder/data")
        self.seeder.wait_complete(torrent)
        self.box.load(torrent, "/downloads", extra="d.custom1.set=tv")
        address = next(iter(self.container("seeder")["NetworkSettings"]["Networks"].values()))["IPAddress"]
        self.box.call("add_peer", torrent.hash, f"{address}:{self.seeder.port}")
        self.box.wait_complete(torrent, 60)
        return torrent


@pytest.fixture(scope="session")
def stack(home: Path, docker_services: Any, docker_compose_project_name: str) -> Stack:
    return Stack(home, docker_services, docker_compose_project_name)


# -- the tests ---------------------------------------------------------------------------------------------------------


def test_a_torrent_goes_the_whole_way_in_containers_that_the_ancestors_variables_configure(stack):
    torrent = stack.download("Show S01, it's 100%", {b"e1.mkv": 3_000_000, b"extras/e 2.mkv": 1_000_001, b"empty": 0})
    until(lambda: stack.state_of(torrent.hash) == "cached", "it is copied, and Sonarr told", 60)
    name = os.fsdecode(torrent.name)
    assert contents(stack.home / "hdd" / "tv" / name) == contents(stack.home / "seeder" / "data" / name)
    (told,) = [json.loads(line.partition("| ")[2]) for line in stack.compose("logs", "sonarr").stdout.splitlines()]
    assert told["downloadClientId"] == torrent.hash
    assert told["path"] == f"/data/tv/{name}"  # where Sonarr sees it
    assert stack.seedcache("relocate", torrent.hash).returncode == 0
    until(lambda: stack.state_of(torrent.hash) == "relocated", "it is relocated", 60)
    assert stack.box.call("d.directory", torrent.hash) == f"/media/tv/{name}"
    asked = [(key, torrent.hash) for key in ("d.complete", "d.is_active", "d.hashing")]
    assert stack.box.multi(*asked) == [1, 1, 0]
    assert not (stack.home / "ssd" / name).exists()
    until(lambda: stack.query("seedcache_relocations_total > 0"), "Prometheus has scraped it", 20)


def test_the_container_has_no_root_no_capability_and_no_file_system_to_write_to(stack):
    asked = "id -u; grep -E '^(CapEff|NoNewPrivs)' /proc/1/status"
    told = stack.compose("exec", "-T", "seedcache", "sh", "-c", asked).stdout.split()
    assert told == ["1000", "CapEff:", "0000000000000000", "NoNewPrivs:", "1"]
    assert stack.compose("exec", "-T", "seedcache", "touch", "/opt/seedcache/x", check=False).returncode != 0


def test_the_check_inside_finds_no_error(stack):
    done = stack.seedcache("check", "--json", check=False)
    errors = [found for found in json.loads(done.stdout)["findings"] if found["level"] == "error"]
    assert errors == []


def test_it_stays_healthy_but_is_not_ready_while_rtorrent_is_away(stack):
    assert stack.get("seedcache", 9797, "/-/ready")[0] == 200
    stack.compose("stop", "-t", "5", "box")
    try:
        until(lambda: stack.get("seedcache", 9797, "/-/ready")[0] == 503, "it says that it is not ready", 60)
        assert "rTorrent" in stack.get("seedcache", 9797, "/-/ready")[1]
        assert stack.get("seedcache", 9797, "/-/healthy")[0] == 200
        assert stack.container("seedcache")["State"]["Health"]["Status"] == "healthy"
    finally:
        (stack.home / "session" / "rtorrent.lock").unlink(missing_ok=True)
        stack.compose("start", "box")
    until(lambda: stack.get("seedcache", 9797, "/-/ready")[0] == 200, "it is ready again", 60)


def test_what_finishes_while_the_container_is_down_is_done_when_it_is_up_again(stack):
    stack.compose("stop", "seedcache")
    state = stack.container("seedcache")["State"]
    assert (state["ExitCode"], state["OOMKilled"]) == (0, False)
    torrent = stack.download("Later", {b"a.mkv": 500_000})
    until(lambda: list((stack.home / "state" / "spool").iterdir()), "the hook has put it into the spool", 20)
    stack.compose("start", "seedcache")
    until(lambda: stack.state_of(torrent.hash) == "cached", "it is copied", 60)


def test_the_users_compose_file_is_valid():
    done = subprocess.run(
        [COMPOSE, "-f", os.path.join(ROOT, "compose.yaml"), "config", "-q"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_hook_in_the_compose_files_comment_is_the_one_that_is_tested():
    text = Path(ROOT, "compose.yaml").read_text()
    assert HOOK.strip() in text
