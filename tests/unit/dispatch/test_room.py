"""Several HDDs, and room on them: as the dispatcher sees it."""

import os
import subprocess

import pytest

from supervisor.jobs import State
from supervisor.messages import Copy, Failed, Phase, Progress
from tests.support.needs import need_root
from tests.unit.office import COPIED, Office, a_hash

A, B, C = a_hash(0xA), a_hash(0xB), a_hash(0xC)
MIB = 1 << 20


@pytest.fixture
def two(tmp_path):
    """An office with two HDDs that are file systems of their own: 64 MiB each, nothing in them."""
    need_root()
    for name in ("hdd", "hdd2"):
        (tmp_path / name).mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", tmp_path / name], check=True)
    made = Office(tmp_path, hdds=2, destination_choice="first-fit")
    made.hire()
    yield made
    for name in ("hdd", "hdd2"):
        subprocess.run(["umount", "-q", tmp_path / name], check=False)


def look(office):
    """Let the time of the next look at the disks come."""
    office.now = office.relief.next_look
    return office.handle()


def goes_to(task):
    assert isinstance(task, Copy)
    assert task.destination.startswith(task.hdd.path)
    return os.path.basename(task.hdd.path.decode())


@pytest.mark.real
def test_copies_to_different_hdds_run_side_by_side_and_to_one_after_another(two):
    for job_hash in (A, B, C):
        two.ask(job_hash)
    ((_, first),) = two.locate(A, size=40 * MIB)
    ((_, second),) = two.locate(B, size=40 * MIB)
    assert (goes_to(first), goes_to(second)) == ("hdd", "hdd2")
    assert two.locate(C, size=20 * MIB) == []
    ((_, third),) = two.answer("copier-2", COPIED)[:1] or two.answer("copier-1", COPIED)
    assert third.hash == C
    assert goes_to(third) == "hdd"


@pytest.mark.real
def test_an_hdd_that_is_away_stops_only_its_own_copies(two, tmp_path):
    for job_hash in (A, B, C):
        two.ask(job_hash)
    two.locate(A, size=40 * MIB)
    two.locate(B, size=20 * MIB)  # waits for A: one writer
    subprocess.run(["umount", tmp_path / "hdd"], check=True)
    look(two)
    two.answer("copier-1", Failed("not mounted", retry=False))
    assert two.state(A) is State.WAITING
    assert two.job(A).attempts == 0
    assert two.state(B) is State.SUBMITTED
    ((_, task),) = two.locate(C, size=5 * MIB)
    assert goes_to(task) == "hdd2"
    two.answer("copier-1", COPIED)
    assert two.state(C) is State.CACHED
    two.relocate(C)
    assert two.task("space").hash == C
    assert two.task("space").hdd.path.endswith(b"/hdd2")


@pytest.mark.real
def test_one_that_fits_nowhere_waits_uncounted_while_others_go_on_and_is_copied_when_there_is_room(two, tmp_path):
    ballast = tmp_path / "hdd2" / "ballast"
    for job_hash in (A, B):
        two.ask(job_hash)
    ballast.write_bytes(bytes(30 * MIB))
    look(two)
    assert two.locate(A, size=70 * MIB) == []
    job = two.job(A)
    assert (job.state, job.attempts, job.destination) == (State.WAITING, 0, b"")
    assert "none of the HDDs: 0.01 GiB more must be free on " in job.reason
    assert str(tmp_path / "hdd") in job.reason
    assert len(two.room.waiting()) == 1
    ((_, task),) = two.locate(B, size=50 * MIB)
    assert goes_to(task) == "hdd"
    asked = len(two.questions.asked)
    for _ in range(20):  # it is due again and again, and nobody is asked in vain
        two.now = max(two.job(A).due, two.relief.next_look)
        two.handle()
        assert two.state(A) is State.WAITING
    assert len(two.questions.asked) == asked
    assert two.job(A).due - two.now > 800
    events = len(two.journal.events(A, 100))
    subprocess.run(["mount", "-o", "remount,size=128m", tmp_path / "hdd2"], check=True)
    look(two)
    assert len(two.questions.asked) == asked + 1
    assert len(two.journal.events(A, 100)) == events + 1
    ((_, task),) = two.locate(A, size=70 * MIB)
    assert goes_to(task) == "hdd2"
    two.answer("copier-2", COPIED)
    assert two.room.waiting() == []


@pytest.mark.real
def test_what_is_promised_is_not_promised_twice_and_what_is_written_is_not_counted_twice(two, tmp_path):
    for job_hash in (A, B, C):
        two.ask(job_hash)
    two.locate(A, size=40 * MIB)
    (tmp_path / "hdd" / "written").write_bytes(bytes(30 * MIB))
    two.handle(Progress("copier-1", two.task("copier-1").token, Phase.COPY, 30 * MIB, 40 * MIB))
    look(two)
    assert two.locate(B, size=30 * MIB)[0][1].hdd.path.endswith(b"/hdd2")  # 24 MiB are free on the first
    two.locate(C, size=20 * MIB)
    assert two.job(C).state is State.SUBMITTED
    assert two.job(C).destination.startswith(os.fsencode(tmp_path / "hdd" / "tv"))


@pytest.mark.real
def test_a_disk_that_fills_up_in_mid_copy_costs_no_attempt_and_keeps_the_destination(two, tmp_path):
    two.ask(A)
    two.locate(A, size=20 * MIB)
    ballast = tmp_path / "hdd" / "ballast"
    ballast.write_bytes(bytes(60 * MIB))
    two.answer("copier-1", Failed("hdd/x: no space is left", retry=True, counts=False, lacking=0))
    assert (two.state(A), two.job(A).attempts) == (State.WAITING, 0)
    two.now = two.job(A).due
    two.handle()
    ((_, again),) = two.locate(A, size=20 * MIB)
    two.answer("copier-1", Failed("16 MiB more must be free", retry=True, counts=False, lacking=16 * MIB))
    assert two.job(A).due == two.now + 20
    ballast.write_bytes(bytes(50 * MIB))
    look(two)
    assert two.state(A) is State.WAITING
    ballast.unlink()
    look(two)
    assert two.state(A) is State.SUBMITTED
    ((_, last),) = two.locate(A, size=20 * MIB)
    assert (goes_to(again), goes_to(last)) == ("hdd", "hdd")


@pytest.mark.real
def test_how_much_a_quota_lacks_is_unknown_so_only_time_tells(two):
    two.ask(A)
    two.locate(A, size=20 * MIB)
    delays = []
    for _ in range(9):
        two.answer("copier-1", Failed("the quota is used up", retry=True, counts=False, lacking=0))
        delays.append(two.job(A).due - two.now)
        assert two.job(A).state is State.WAITING
        two.now = two.job(A).due
        two.handle()
        assert len(two.locate(A, size=20 * MIB)) == 1
    assert delays == [10, 20, 40, 80, 160, 320, 640, 900, 900]
    assert two.job(A).attempts == 0


def test_a_label_may_be_tied_to_an_hdd(tmp_path):
    office = Office(tmp_path, hdds=2, destinations=(("tv", f"{tmp_path}/hdd2/series/{{year}}"),), time_zone="UTC")
    office.hire()
    office.ask(A)
    ((_, task),) = office.locate(A)
    assert task.destination == os.fsencode(tmp_path / "hdd2" / "series" / "1970" / A)
