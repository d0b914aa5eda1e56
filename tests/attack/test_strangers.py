"""Another user of the machine, and what a reader of logs, status, process lists and files can find of a key."""

import contextlib
import os
import subprocess
import sys
import tempfile
from multiprocessing import AuthenticationError
from pathlib import Path

import psutil
import pytest

from supervisor import broker
from supervisor.messages import Notify
from tests.fakes.arr import KEY, FakeArr
from tests.support.needs import need_program, need_root
from tests.support.rtorrents import until
from tests.support.supervisors import SupervisorProcess

STRANGER = "65534"

# As the other user: reach each of the paths in each way there is; say which could be reached.
REACH = """
import os, socket, sys
for path in sys.argv[1:]:
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
        print("connected", path)
    except OSError:
        pass
    for way, flags in (("read", os.O_RDONLY), ("wrote", os.O_WRONLY)):
        try:
            os.close(os.open(path, flags | os.O_NONBLOCK))
            print(way, path)
        except OSError:
            pass
"""


@pytest.fixture
def supervisor():
    """One in a place that everybody can get to, of a careless service manager: nothing is masked out of its modes."""
    need_root()
    before = os.umask(0)
    try:
        with tempfile.TemporaryDirectory(prefix="seedcache-strangers-") as home, FakeArr("sonarr") as arr:
            os.chmod(home, 0o755)
            ssd, hdd = Path(home, "ssd"), Path(home, "hdd")
            ssd.mkdir()
            hdd.mkdir()
            with SupervisorProcess(
                Path(home, "of"), ssd, hdd, f"{home}/rpc", sonarr_url=arr.url, sonarr_api_key=KEY
            ) as made:
                yield made
    finally:
        os.umask(before)


def content(path):
    """Return what a file holds; nothing if it was a temporary, and has its own name by now."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        assert path.suffix == ".new", path
        return b""


def processes(supervisor):
    parent = psutil.Process(supervisor.pid)
    return [parent, *parent.children(recursive=True)]


def test_another_user_reaches_neither_the_broker_nor_the_fork_server(supervisor):
    need_program("setpriv")
    sockets = {
        Path(supervisor.state, broker.ADDRESS) if "broker" in connection.laddr else Path(connection.laddr)
        for process in processes(supervisor)
        for connection in process.net_connections("unix")
        if connection.laddr
    }
    assert len(sockets) >= 2, "the broker's and the fork server's"
    private = [*sockets, supervisor.state / "run" / "live.json", supervisor.state / "run" / "supervisor.lock"]
    for process in processes(supervisor):
        private += [Path(f"/proc/{process.pid}/{name}") for name in ("environ", "mem")]
    told = subprocess.run(
        ["setpriv", "--reuid", STRANGER, "--regid", STRANGER, "--clear-groups", sys.executable, "-c", REACH, *private],
        capture_output=True, text=True, check=False, cwd="/",
    )  # fmt: skip
    assert (told.stdout, told.stderr) == ("", "")
    assert (supervisor.state / "run").stat().st_mode & 0o777 == 0o700


def test_who_does_not_know_the_key_is_not_served_and_the_broker_lives(supervisor, monkeypatch):
    monkeypatch.chdir(supervisor.state)
    for _ in range(5):
        with pytest.raises((AuthenticationError, EOFError, OSError)):
            broker.Broker(broker.ADDRESS, authkey=b"guessed").connect()
    manager = supervisor.manager().pid
    until(lambda: all(worker["up"] for worker in supervisor.crew()), "the workers are served")
    assert supervisor.manager().pid == manager


def test_a_key_is_in_nothing_that_can_be_read(supervisor):
    supervisor.submit("0" * 40)
    until(lambda: supervisor.job("0" * 40), "it was read")
    said = [
        supervisor.run(*words).stdout + supervisor.run(*words).stderr
        for words in (("config", "show"), ("config", "show", "--json"), ("status",), ("status", "--json"), ("check",))
    ]
    said += [supervisor.get(page)[1] for page in ("/", "/metrics", "/-/ready", "/-/healthy")]
    for process in processes(supervisor):
        with contextlib.suppress(psutil.NoSuchProcess):
            said += [*process.cmdline(), *process.environ().values()]
    assert "sonarr" in said[0]
    assert not [text for text in said if KEY in text]
    kept = [path for path in supervisor.home.rglob("*") if path.is_file() and path != supervisor.config]
    assert supervisor.state / "journal.sqlite" in kept
    assert supervisor.log in kept
    assert not [path for path in kept if KEY.encode() in content(path)]


def test_no_process_leaves_a_core_dump(supervisor):
    limits = [Path(f"/proc/{process.pid}/limits").read_text() for process in processes(supervisor)]
    assert len(limits) > 4
    for text in limits:
        (line,) = [line for line in text.splitlines() if line.startswith("Max core file size")]
        assert line.split()[4:6] == ["0", "0"]


def test_neither_a_task_nor_the_settings_show_a_key():
    assert KEY not in repr(Notify(1, "0" * 40, "sonarr", "http://x", KEY, "/p"))
    assert KEY not in f"{Notify(1, '0' * 40, 'sonarr', 'http://x', KEY, '/p')}"
