"""Whatever is killed, whenever: after a restart everything ends right, and only the work at hand is done again."""

import contextlib
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from functools import partial

import psutil
import pytest

from supervisor.adapters.http import TIMEOUT
from supervisor.jobs import State
from supervisor.messages import Place, Relocate
from tests.fakes.arr import KEY, FakeArr, Mode
from tests.support.needs import ROOT, need_program
from tests.support.rtorrents import VERSIONS, until
from tests.support.seedbox import MIB, Seedbox, slowly_written
from tests.support.torrents import contents

pytestmark = pytest.mark.real

FILES = {b"%d/file %d" % (number % 3, number): 50_000 + number for number in range(12)}
BIG = 24 * MIB
AGES = 300  # seconds of grace: longer than `stop` waits, which fails if anybody needs them


@pytest.fixture
def box(tmp_path):
    with Seedbox(tmp_path, ssd_mib=128, hdd_mib=256) as made:
        yield made


@pytest.fixture
def arr():
    with FakeArr("sonarr") as made:
        yield made


def original(box, torrent):
    return contents(box.path(box.ssd, torrent))


def is_cached(box, torrent, expected, label=""):
    """Wait until it lies on both disks, and seeds from the SSD."""
    box.supervisor.wait_for(torrent.hash, State.CACHED)
    assert contents(box.path(box.hdd, torrent, label)) == expected
    assert contents(box.path(box.ssd, torrent)) == expected
    assert box.seeds_from(box.ssd, torrent)
    assert not any(torrent.hash in partial.name for partial in box.partials())


def relocate(box, torrent, expected, label=""):
    box.supervisor.ask(torrent.hash, "relocate")
    box.relocated(torrent, expected, label)


def counted(box, name, **labels):
    """Wait until something was counted: that is a moment after it is in the journal."""
    until(lambda: box.supervisor.metric(name, **labels) > 0, f"{name} was counted")


def complete(box, copiers=2):
    """Wait until all workers are up, and see that there is no process beside them."""
    workers = copiers + 2  # with the space worker and the notifier
    until(lambda: sum(worker["up"] for worker in box.supervisor.crew()) == workers, "all workers are up")
    expected = workers + 4  # the parent, multiprocessing's two helpers, the Manager
    until(lambda: len(box.processes()) == expected, f"there are {expected} processes")


def kill(box, name):
    """Kill a process by its name, if there is one at the moment; return whether there was."""
    assert box.supervisor.alive, box.supervisor.said()[-2000:]
    with contextlib.suppress(StopIteration, psutil.NoSuchProcess):
        box.supervisor.victim(name).kill()
        return True
    return False


# -- in the middle of a copy ------------------------------------------------------------------------------------------


def test_a_parent_that_is_killed_in_mid_copy_takes_its_children_along_and_the_next_resumes(box):
    box.start()
    torrent = box.seed("film.mkv", BIG, submit=False)
    expected = original(box, torrent)
    with box.copying(torrent):
        box.supervisor.kill()
        until(lambda: not box.processes(), "its children have ended")
    assert box.supervisor.state_of(torrent.hash) is State.COPYING
    assert not box.path(box.hdd, torrent).exists()
    box.supervisor.start()
    is_cached(box, torrent, expected)
    counted(box, "seedcache_resumed_bytes_total")
    relocate(box, torrent, expected)


def test_a_copier_that_is_killed_in_mid_copy_is_counted_and_replaced_and_its_copy_resumed(box):
    box.start()
    torrent = box.seed("film.mkv", BIG, submit=False)
    expected = original(box, torrent)
    with box.copying(torrent):
        worker = next(worker for worker in box.supervisor.crew() if worker["hash"] == torrent.hash)
        os.kill(worker["pid"], signal.SIGKILL)
        assert "signal 9" in box.supervisor.wait_for_event(torrent.hash, State.WAITING).text
    is_cached(box, torrent, expected)
    assert box.supervisor.metric("seedcache_worker_restarts_total", role="copier") == 1
    assert box.supervisor.metric("seedcache_step_attempts_total", step="copy") == 2
    counted(box, "seedcache_resumed_bytes_total")
    complete(box)
    assert box.supervisor.stop() == 0  # and its successor's end is noticed, too


def test_a_manager_that_is_killed_in_mid_copy_costs_no_work_and_the_queues_are_filled_again(box):
    box.start(stop_grace=AGES)
    torrent = box.seed("film.mkv", BIG, submit=False)
    expected = original(box, torrent)
    with box.copying(torrent):
        box.supervisor.manager().kill()
        second = box.seed("second", FILES)
        until(lambda: box.supervisor.metric("seedcache_worker_restarts_total", role="broker") == 1, "it is replaced")
    is_cached(box, torrent, expected)
    is_cached(box, second, original(box, second))
    until(lambda: box.supervisor.metric("seedcache_copies_total", proof="read-back") == 2, "both were counted")
    assert box.supervisor.metric("seedcache_step_attempts_total", step="copy") == 2  # one each
    assert box.supervisor.metric("seedcache_resumed_bytes_total") == 0
    complete(box)
    assert box.supervisor.stop() == 0  # everybody hears of it


def test_a_fork_server_that_is_killed_in_mid_copy_leaves_nobody_behind(box):
    box.start()
    torrent = box.seed("film.mkv", BIG, submit=False)
    expected = original(box, torrent)
    with box.copying(torrent):
        before = {worker["pid"] for worker in box.supervisor.crew()} | {box.supervisor.manager().pid}
        box.supervisor.fork_server().kill()
        until(lambda: not before & {process.pid for process in box.processes()}, "those it had forked are gone")
    is_cached(box, torrent, expected)
    complete(box)
    assert box.supervisor.metric("seedcache_worker_restarts_total", role="copier") == 2
    relocate(box, torrent, expected)


def test_a_fork_server_that_is_killed_again_and_again_while_it_starts_processes_does_not_end_the_parent(box):
    dice = random.Random(1)
    box.start()
    for _ in range(8):
        until(lambda: kill(box, "forkserver"), "the next one is there")
        time.sleep(dice.uniform(0, 0.2))  # this is the fault: it is at work then, or not yet
    assert box.supervisor.stop() == 0
    until(lambda: not box.processes(), "all have ended")


def test_a_notifier_that_is_killed_while_sonarr_is_busy_tells_it_again(box, arr):
    arr.mode = Mode.NEVER_COMPLETES
    box.start(sonarr_url=arr.url, sonarr_api_key=KEY, sonarr_tag="tv")
    torrent = box.seed("Show", FILES, label="tv")
    until(lambda: arr.commands, "Sonarr was asked")
    box.supervisor.wait_for(torrent.hash, State.COPIED)
    box.supervisor.victim("notifier").kill()
    arr.mode = Mode.WELL
    is_cached(box, torrent, original(box, torrent), "tv")
    assert len(arr.commands) == 2
    assert box.supervisor.metric("seedcache_worker_restarts_total", role="notifier") == 1


# -- signals that are meant well --------------------------------------------------------------------------------------


def test_sigterm_in_mid_copy_drains_within_the_grace_and_the_next_start_resumes(box):
    box.start(stop_grace=AGES)
    torrent = box.seed("film.mkv", BIG, submit=False)
    expected = original(box, torrent)
    with box.copying(torrent):
        assert box.supervisor.stop() == 0
    assert (box.supervisor.state_of(torrent.hash), box.supervisor.job(torrent.hash).attempts) == (State.SUBMITTED, 0)
    until(lambda: not box.processes(), "all have ended")
    box.supervisor.start()
    is_cached(box, torrent, expected)
    counted(box, "seedcache_resumed_bytes_total")


def test_sigterm_does_not_wait_longer_than_the_grace_for_a_service(box, arr):
    arr.mode = Mode.SLOW
    box.start(stop_grace=1, sonarr_url=arr.url, sonarr_api_key=KEY, sonarr_tag="tv")
    torrent = box.seed("Show", FILES, label="tv")
    until(lambda: arr.requests, "Sonarr was asked")
    began = time.monotonic()
    assert box.supervisor.stop() == 0
    assert time.monotonic() - began < TIMEOUT[1] / 2  # of its answer
    assert box.supervisor.state_of(torrent.hash) is State.COPIED
    arr.stopped.set()
    arr.mode = Mode.WELL
    box.supervisor.start()
    is_cached(box, torrent, original(box, torrent), "tv")


def test_sighup_takes_new_settings_and_broken_ones_leave_the_old_in_force(box):
    box.start(max_concurrent_processes=1)
    supervisor = box.supervisor
    before = supervisor.pid
    supervisor.configure(max_concurrent_processes=3)
    supervisor.signal(signal.SIGHUP)
    complete(box, copiers=3)
    supervisor.config.write_text("max_concurrent_processes = nonsense\n")
    supervisor.signal(signal.SIGHUP)
    until(lambda: "action=reload-refused" in supervisor.said(), "it says what is wrong")
    supervisor.configure(max_concurrent_processes=1)
    supervisor.signal(signal.SIGHUP)
    complete(box, copiers=1)
    torrent = box.seed("Show", FILES)
    is_cached(box, torrent, original(box, torrent))
    assert supervisor.pid == before


def test_a_second_one_on_the_same_state_directory_is_refused_and_does_no_harm(box):
    box.start()
    lock = box.state / "run" / "supervisor.lock"
    before = lock.stat().st_ino
    for _ in range(2):
        second = box.supervisor.run("run")
        assert second.returncode == 5
        assert f"process {box.supervisor.pid}" in second.stderr
    assert lock.stat().st_ino == before
    torrent = box.seed("Show", FILES)
    is_cached(box, torrent, original(box, torrent))


# -- submissions ------------------------------------------------------------------------------------------------------


def test_what_is_submitted_while_nobody_supervises_is_done_at_the_next_start(box):
    box.start()
    box.supervisor.stop()
    torrents = [box.seed(f"Show {number}", FILES) for number in range(3)]
    box.supervisor.start()
    for torrent in torrents:
        is_cached(box, torrent, original(box, torrent))


def test_a_submission_returns_before_it_is_read_and_survives_a_kill_of_everything(box):
    box.start()
    parent = psutil.Process(box.supervisor.pid)
    parent.suspend()
    torrent = box.seed("Show", FILES)  # or it would wait for ever
    for process in box.processes():
        process.kill()
    box.supervisor.kill()
    assert os.listdir(box.state / "spool") == [f"{torrent.hash}.finished"]
    box.supervisor.start()
    is_cached(box, torrent, original(box, torrent))
    assert os.listdir(box.state / "spool") == []


def test_submissions_that_come_while_jobs_finish_are_each_joined_or_done_again(box):
    box.start(max_concurrent_processes=2)
    torrents = [box.seed(f"Show {number}", FILES, submit=False) for number in range(3)]
    done = threading.Event()
    last = {}

    def hammer():
        while not done.is_set():
            for torrent in torrents:
                began = time.time()
                box.supervisor.submit(torrent.hash)
                last[torrent.hash] = began

    threads = [threading.Thread(target=hammer) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        finished = partial(box.supervisor.metric, "seedcache_copies_total", proof="read-back")
        until(lambda: finished() >= 15, "fifteen have finished", 150)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    for torrent in torrents:
        until(lambda: not os.listdir(box.state / "spool"), "all are read")
        is_cached(box, torrent, original(box, torrent))
        events = box.supervisor.events(torrent.hash)
        assert [event for event in events if event.action in ("submitted", "joined")][-1].at >= last[torrent.hash]
        assert [event.action for event in events if event.action in set(State)][-1] == "cached"
    assert box.supervisor.metric("seedcache_step_failures_total", step="copy") == 0


# -- in the middle of a switch ----------------------------------------------------------------------------------------

WORK = """
import pickle, sys, types
from supervisor.workers import space
worker = types.SimpleNamespace(report=lambda *_: None, stopping=lambda: False)
space.work_under(sys.argv[1])(pickle.load(sys.stdin.buffer), worker)
"""


def work(box, task, *prefix):
    """Do one relocation in a process of its own; return how it ended."""
    return subprocess.run(
        [*prefix, sys.executable, "-c", WORK, str(box.home / "locks")],
        input=pickle.dumps(task), cwd=ROOT, capture_output=True, check=False,
    )  # fmt: skip


@pytest.mark.timeout(900)  # some forty times two processes, half of them under strace
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("call", ["connect", "unlinkat"])
def test_a_space_worker_that_is_killed_at_any_step_loses_nothing_and_the_next_ends_it(tmp_path, version, call):
    """Each question to rTorrent is a connect(2), each removal an unlinkat(2): strace(1) kills it at the n-th."""
    need_program("strace")
    with Seedbox(tmp_path, version) as box:
        box.client = box.rtorrent("client")
        for step in range(1, 40):
            torrent = box.make(f"Show {step}", {b"a": 30_000, b"b/c": 1, b"b/d": 0})
            box.client.seed(torrent, box.ssd)
            expected = original(box, torrent)
            source, target = box.path(box.ssd, torrent), box.path(box.hdd, torrent)
            shutil.copytree(source, target)
            task = Relocate(
                step, torrent.hash, torrent.metafile, os.fsencode(source), os.fsencode(target),
                Place(os.fsencode(box.ssd), ""), Place(os.fsencode(box.hdd), ""), box.client.url,
            )  # fmt: skip
            inject = f"inject={call}:signal=KILL:when={step}"
            killed = work(box, task, "strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", inject)
            complete_on_ssd = source.exists() and contents(source) == expected
            if not complete_on_ssd:  # then and only then rTorrent must have it on the HDD, also after a restart
                assert box.seeds_from(box.hdd, torrent)
            assert contents(target) == expected
            again = work(box, task)
            assert again.returncode == 0, again.stderr.decode()
            assert box.seeds_from(box.hdd, torrent)
            assert not source.exists()
            assert contents(target) == expected
            if killed.returncode == 0:
                break
            assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
        assert step > 3, f"{call} was called {step - 1} times only"


# -- twenty in a row --------------------------------------------------------------------------------------------------


@pytest.mark.timeout(900)  # most of it would be waiting for what does not come
def test_after_twenty_random_kills_in_a_row_everything_has_ended_right(box, arr):
    seed = random.SystemRandom().randrange(10**6)
    dice = random.Random(seed)
    with contextlib.ExitStack() as stack:
        stack.callback(print, f"seed {seed}")  # pytest shows it if the test fails
        box.start(
            sonarr_url=arr.url,
            sonarr_api_key=KEY,
            sonarr_tag="tv",
            copy_retry_attempts=1000,
            disk_space_threshold_gb=1,  # more than there is: everything leaves the SSD
        )
        supervisor = box.supervisor
        stack.enter_context(slowly_written(box.hdd, 6))
        torrents = {}
        for number in range(4):
            what = 8 * MIB if number % 2 else FILES
            torrent = box.seed(f"Show {number}", what, label="tv", submit=False)
            torrents[torrent.hash] = torrent, original(box, torrent)
        for job_hash in torrents:
            supervisor.submit(job_hash)
        killed = 0
        while killed < 20:
            name = dice.choice(["parent", "manager", "forkserver", "copier-1", "copier-2", "space", "notifier"])
            time.sleep(dice.uniform(0, 0.4))  # this is the fault: the moment is any
            killed += kill(box, name)
            if name == "parent":
                supervisor.wait()
                supervisor.start(ready=False)
                until(supervisor.live, "the next one supervises")
    for job_hash, (torrent, expected) in torrents.items():
        box.relocated(torrent, expected, "tv", 180)
        until(
            lambda job_hash=job_hash: any(command["downloadClientId"] == job_hash for command in arr.commands),
            "Sonarr was told",
        )
    assert box.partials() == []
    complete(box)
    until(lambda: supervisor.get("/-/ready")[0] == 200, "the last one has asked rTorrent, too")
