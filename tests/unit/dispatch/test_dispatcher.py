"""What the dispatcher decides, makes durable and gives out, whatever happens in between."""

import os
import sqlite3
from dataclasses import replace

import pytest

from supervisor.adapters import clock
from supervisor.dispatch import disks
from supervisor.dispatch.dispatcher import Submission, WorkerLost
from supervisor.dispatch.inquirer import Located, Surveyed, Unlisted, metainfo_path
from supervisor.jobs import Proof, State, Telling
from supervisor.journal import JournalUnwritable
from supervisor.messages import Copy, Done, Failed, Kin, Notified, Notify, Prove, Proven, Relocate, Started
from tests.unit.office import COPIED, Office, a_hash, relocated, seen

A, B = a_hash(0xA), a_hash(0xB)
ARR = {"sonarr_url": "http://127.0.0.1:1", "sonarr_api_key": "k", "sonarr_tag": "tv"}


@pytest.fixture
def office(tmp_path):
    made = Office(tmp_path)
    made.hire()
    return made


def broken(office):
    """Make the journal unwritable, as a full disk does; return what mends it."""
    office.journal._database.execute("PRAGMA query_only = ON")
    return lambda: office.journal._database.execute("PRAGMA query_only = OFF")


def test_a_submission_is_looked_up_located_and_given_to_one_copier(office):
    office.ask(A)
    assert office.questions.asked == [A]
    ((worker, task),) = office.locate(A)
    assert worker == "copier-1"
    assert isinstance(task, Copy)
    assert (task.source, task.destination) == (os.fsencode(office.ssd / A), os.fsencode(office.hdd / "tv" / A))
    assert office.state(A) is State.COPYING


def test_one_device_is_written_by_one_copier_at_a_time(office):
    office.ask(A)
    office.ask(B)
    assert len(office.locate(A)) == 1
    assert office.locate(B) == []
    assert [task.hash for _, task in office.answer("copier-1", COPIED)] == [B]


def test_a_second_submission_of_a_running_job_makes_no_second_copy(office):
    office.ask(A)
    office.locate(A)
    assert office.ask(A) == []
    assert office.locate(A) == []
    assert office.count("submissions_total", outcome="joined") == 1


def test_a_submission_in_the_moment_of_finishing_is_a_new_one(office):
    office.copied(A)
    office.ask(A)
    assert office.state(A) is State.SUBMITTED
    assert office.questions.asked == [A, A]


def test_one_that_was_cancelled_and_submitted_again_waits_until_the_first_copy_has_stopped(office):
    office.dispatcher.settings = replace(office.settings, writers_per_device=2)
    office.ask(A)
    office.locate(A)
    office.ask(A, "cancel")
    assert office.dispatcher.desk.to_stop == ["copier-1"]
    office.ask(A)
    assert office.locate(A) == []
    ((worker, task),) = office.answer("copier-1", Failed("stopped", retry=True, counts=False))
    assert (worker, task.hash, office.state(A)) == ("copier-1", A, State.COPYING)


def test_one_that_is_being_proven_is_not_relocated_at_the_same_time(office):
    office.copied(A)
    office.ask(A, "verify")
    assert isinstance(office.task("copier-1"), Prove)
    assert office.relocate(A) == []
    assert office.state(A) is State.CACHED
    ((worker, task),) = office.answer("copier-1", Proven(0.1))
    assert worker == "space"
    assert isinstance(task, Relocate)


def test_one_whose_copy_proves_wrong_is_not_relocated_though_it_was_asked_for(office):
    office.copied(A)
    office.ask(A, "verify")
    office.relocate(A)
    assert office.answer("copier-1", Failed("piece 3", retry=True, proof=True)) == []
    assert (office.state(A), office.job(A).proof) == (State.FAILED, Proof.NONE)


def test_a_proof_of_one_that_was_submitted_again_says_nothing_of_the_new_copy(office):
    office.copied(A)
    office.ask(A, "verify")
    office.ask(A)
    office.answer("copier-1", Proven(0.1))
    assert (office.state(A), office.job(A).proof) == (State.SUBMITTED, Proof.NONE)


def test_a_worker_that_dies_gives_its_task_back(office):
    office.ask(A)
    office.locate(A)
    office.handle(WorkerLost("copier-1", "killed by signal 9"))
    assert office.state(A) is State.WAITING
    assert "signal 9" in office.job(A).reason
    assert office.count("worker_restarts_total", role="copier") == 1
    office.now += 60
    office.handle()
    assert office.state(A) is State.SUBMITTED
    assert [worker for worker, _ in office.locate(A)] == ["copier-2"]


def test_who_waits_for_a_disk_that_does_not_answer_is_replaced_and_keeps_his_torrent_until_he_is_gone(
    office, monkeypatch
):
    office.ask(A)
    office.locate(A)
    since, facts = clock.monotonic(), disks._facts

    def silent(path):
        if away and path in (os.fsencode(office.hdd), os.fsencode(office.ssd)):
            raise TimeoutError
        return facts(path)

    def look(seconds):
        monkeypatch.setattr(clock, "monotonic", lambda: since + seconds)
        office.relief.look(office.now, office.settings)
        killed = []
        office.dispatcher.give_up_hung(lambda *of: killed.append(of) or f"{of[0]}-killed-100")
        return killed

    monkeypatch.setattr(disks, "_facts", silent)
    away = True
    assert (look(0), look(60)) == ([], [])
    assert look(61) == [("copier-1", f"{office.hdd} has not answered for 61 s")]
    assert look(62) == []
    office.hire("copier-1")
    away = False
    assert look(63) == []
    office.ask(A, "cancel")
    office.ask(A, "retry")
    assert office.locate(A) == []
    assert list(office.crew.idle("copier")) == ["copier-2", "copier-1"]
    assert [task.hash for _, task in office.handle(WorkerLost("copier-1-killed-100", "it hung", ours=True))] == [A]


def test_a_worker_that_we_have_killed_costs_no_attempt(office):
    office.ask(A)
    office.locate(A)
    office.handle(WorkerLost("copier-1", "it hung", ours=True))
    assert (office.job(A).attempts, office.job(A).reason) == (0, "its worker process ended (it hung)")


def test_an_answer_that_is_said_twice_counts_once(office):
    office.ask(A)
    office.locate(A)
    said = office.task("copier-1").token
    office.answer("copier-1", COPIED)
    office.handle(Done("copier-1", said, COPIED))
    assert office.count("copies_total", proof="read-back") == 1
    office.ask(B)
    office.locate(B)
    office.handle(Done("copier-1", said, COPIED))  # it is about A, whatever the copier has now
    assert office.state(B) is State.COPYING
    assert office.count("copies_total", proof="read-back") == 1


def test_a_manager_that_died_is_told_again_who_has_what(office):
    office.ask(A)
    office.locate(A)
    again = []
    office.dispatcher.resend(lambda worker, task: again.append((worker, task)))
    assert again == office.sent


# -- the journal cannot be written ------------------------------------------------------------------------------------


def test_nothing_is_sent_and_nothing_changes_while_the_journal_cannot_be_written(office):
    mend = broken(office)
    with pytest.raises(JournalUnwritable):
        office.ask(A)
    assert (office.sent, office.questions.asked, office.board.living) == ([], [], {})
    mend()
    office.ask(A)
    assert office.questions.asked == [A]


def test_a_worker_that_dies_while_the_journal_cannot_be_written_still_gives_its_task_back(office):
    office.ask(A)
    office.locate(A)
    mend = broken(office)
    with pytest.raises(JournalUnwritable):
        office.handle(WorkerLost("copier-1", "killed by signal 9"))
    assert office.state(A) is State.COPYING
    mend()
    office.handle(WorkerLost("copier-1", "killed by signal 9"))
    assert office.state(A) is State.WAITING
    assert "copier-1" not in office.crew.tasks()


def test_an_answer_that_could_not_be_made_durable_is_taken_later(office):
    office.ask(A)
    office.locate(A)
    token = office.task("copier-1").token
    mend = broken(office)
    with pytest.raises(JournalUnwritable):
        office.answer("copier-1", COPIED)
    assert office.task("copier-1").token == token
    mend()
    office.answer("copier-1", COPIED)
    assert office.state(A) is State.CACHED


def test_a_job_whose_time_comes_while_the_journal_cannot_be_written_goes_on_later(office):
    office.ask(A)
    office.locate(A, complete=False)
    assert office.state(A) is State.WAITING
    office.now += 60
    mend = broken(office)
    with pytest.raises(JournalUnwritable):
        office.handle()
    mend()
    office.handle()
    assert office.state(A) is State.SUBMITTED


def test_one_that_is_cancelled_when_its_time_comes_is_cancelled(office):
    office.ask(A)
    office.locate(A, complete=False)
    office.now += 60
    office.ask(A, "cancel")
    assert office.state(A) is State.CANCELLED


def test_a_journal_that_is_locked_by_somebody_is_unwritable_and_no_more(office):
    office.journal._database.execute("PRAGMA busy_timeout = 10")
    other = sqlite3.connect(
        office.journal._database.execute("PRAGMA database_list").fetchone()[2], isolation_level=None
    )
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalUnwritable, match="locked"):
        office.ask(A)
    other.execute("ROLLBACK")
    other.close()
    office.ask(A)
    assert office.state(A) is State.SUBMITTED


# -- notices ----------------------------------------------------------------------------------------------------------


def test_a_notice_in_hand_is_not_waited_for_by_the_clock(tmp_path):
    office = Office(tmp_path, **ARR)
    office.hire()
    office.ask(A)
    office.locate(A)
    office.answer("copier-1", COPIED)
    assert isinstance(office.task("notifier"), Notify)
    assert office.state(A) is State.COPIED
    assert office.dispatcher.next_due > office.now  # or the parent would spin until Sonarr has answered


def test_a_due_notice_without_a_notifier_is_not_waited_for_by_the_clock(tmp_path):
    office = Office(tmp_path, **ARR)
    office.hire("copier-1", "space")
    office.ask(A)
    office.locate(A)
    office.answer("copier-1", COPIED)
    assert office.dispatcher.next_due > office.now


def test_a_service_that_is_down_is_told_later_and_the_copy_is_cached_then(tmp_path):
    office = Office(tmp_path, **ARR)
    office.hire()
    office.ask(A)
    office.locate(A)
    office.answer("copier-1", COPIED)
    office.answer("notifier", Failed("down", retry=True))
    (notice,) = office.journal.notices(None, A)
    assert (notice.state, notice.reason, notice.due > office.now) == (Telling.PENDING, "down", True)
    assert office.dispatcher.next_due == pytest.approx(min(notice.due, office.relief.next_look))
    office.now = notice.due
    office.handle()
    assert isinstance(office.task("notifier"), Notify)


def test_a_service_that_has_answered_is_not_told_again(tmp_path):
    office = Office(tmp_path, **ARR)
    office.hire()
    office.ask(A)
    office.locate(A)
    office.answer("copier-1", COPIED)
    assert office.answer("notifier", Notified()) == []
    assert office.state(A) is State.CACHED
    assert office.count("step_attempts_total", step="notify") == 1


def test_the_services_are_those_of_the_label_at_the_time_of_the_decision(tmp_path):
    office = Office(tmp_path, **ARR)
    office.hire()
    office.ask(A)
    office.locate(A)
    office.answer("copier-1", Failed("IO error", retry=True))
    office.now += 60
    office.handle()
    office.locate(A, label="tv-imported")  # as Sonarr does when it has imported it from the SSD by itself
    office.answer("copier-1", COPIED)
    assert [notice.service for notice in office.journal.notices(None, A)] == ["sonarr"]


def test_a_notifier_that_is_busy_with_a_torrent_holds_up_nothing_else(tmp_path):
    office = Office(tmp_path, **ARR)
    office.hire()
    office.ask(A)
    office.locate(A)
    office.answer("copier-1", COPIED)
    office.relocate(A)
    assert office.task("notifier").hash == A
    relocated(office, A)
    assert office.state(A) is State.RELOCATED


# -- space ------------------------------------------------------------------------------------------------------------


def test_what_a_person_cancelled_is_not_copied_because_space_is_low(office):
    office.ask(A)
    office.ask(A, "cancel")
    office.low(A)
    assert office.state(A) is State.CANCELLED


def test_one_that_no_hook_told_of_is_found_while_space_is_low(office):
    office.low(A)
    assert office.state(A) is State.SUBMITTED
    assert office.questions.asked == [A]


def test_the_next_relocation_begins_when_the_one_before_has_ended_and_space_was_measured_again(office):
    office.copied(A)
    office.copied(B)
    office.low(A, B)
    assert office.task("space").hash == A
    relocated(office, A)  # the measurement says that there is space now: the threshold is 0
    assert "space" not in office.crew.tasks()
    assert office.state(B) is State.CACHED


def test_a_torrent_that_fails_does_not_stop_the_pass(office):
    office.copied(A)
    office.copied(B)
    office.low(A, B)
    office.dispatcher.settings = replace(office.settings, disk_space_threshold_gb=10**6)
    office.answer("space", Failed("busy", retry=True))
    assert office.state(A) is State.WAITING
    assert office.task("space").hash == B


def test_a_torrent_that_is_erased_before_its_switch_is_gone_after_three_denials_and_nothing_is_removed(office):
    office.copied(A)
    office.relocate(A)
    for _ in range(3):
        office.answer("space", Failed("rTorrent has no torrent", retry=True, gone=True))
        office.now += 1000
        office.handle()
    assert office.state(A) is State.GONE


def test_one_whose_files_another_torrent_still_loads_is_not_relocated_by_hand_either(office):
    office.copied(A)
    assert office.relocate(A, seen(B, os.fsencode(office.ssd / A), complete=False)) == []
    assert office.state(A) is State.CACHED
    assert "it shares files with 00000000 Show, which stays: not finished" in office.journal.events(A)[0].text
    assert len(office.relocate(A)) == 1  # it was erased since


def test_one_that_is_relocated_by_hand_takes_along_what_shares_its_files_once_that_is_copied(office):
    office.copied(A)
    both = seen(A, os.fsencode(office.ssd / A)), seen(B, os.fsencode(office.ssd / A))
    assert office.relocate(A, both[1]) == []
    assert office.state(B) is State.SUBMITTED
    office.handle(Located(B, both[1]))
    office.answer("copier-1", COPIED)
    office.handle(Surveyed(both))
    relocated(office, A)
    office.handle(Surveyed((both[1],)))
    relocated(office, B)
    assert (office.state(A), office.state(B)) == (State.RELOCATED, State.RELOCATED)
    assert any("asked for by hand; with 1 that share" in event.text for event in office.journal.events(A))


def test_a_relocation_by_hand_copies_and_proves_nothing_else(office):
    office.copied(A)
    office.relocate(A, seen(B, os.fsencode(office.ssd / B)))
    assert office.journal.job(B) is None


def test_one_denial_at_the_time_of_the_copy_does_not_end_the_job(office):
    office.ask(A)
    office.handle(Unlisted(A))
    assert office.state(A) is State.WAITING
    office.now += 1000
    office.handle()
    office.locate(A)
    assert office.state(A) is State.COPYING


def test_a_disk_that_is_away_costs_no_attempt(office):
    office.ask(A)
    office.locate(A)
    office.hdd.rmdir()
    for _ in range(5):
        if "copier-1" in office.crew.tasks():
            office.answer("copier-1", Failed("not mounted", retry=False))
        office.now += 1000
        office.handle()
        if office.state(A) is State.SUBMITTED:
            office.locate(A)
    assert office.state(A) is State.SUBMITTED  # it waits for the disk, and is given to nobody
    assert office.job(A).attempts == 0
    assert office.crew.tasks() == {}
    office.hdd.mkdir()
    office.now += 1000
    office.handle()
    assert office.state(A) is State.COPYING


# -- restarts ---------------------------------------------------------------------------------------------------------


def test_after_a_restart_what_was_being_copied_is_looked_up_again_and_what_was_relocated_goes_on(tmp_path):
    first = Office(tmp_path)
    first.hire()
    first.copied(B)
    first.relocate(B)
    first.ask(A)
    first.locate(A)
    first.journal.close()
    second = Office(tmp_path)
    assert second.questions.asked == [A]
    sent = second.hire()
    assert [(worker, task.hash) for worker, task in sent] == [("space", B)]
    assert [task.hash for _, task in second.locate(A)] == [A]


def test_while_draining_a_stopped_copy_goes_back_to_the_queue_without_an_attempt(office):
    office.ask(A)
    office.locate(A)
    office.dispatcher.draining = True
    office.answer("copier-1", Failed("stopped at a safe point", retry=True, counts=False))
    assert (office.state(A), office.job(A).attempts) == (State.SUBMITTED, 0)
    assert office.ask(B) == []


def test_a_survey_of_nothing_ends_nothing(office):
    office.copied(A)
    office.relief.low = True
    office.handle(Surveyed(()))
    assert office.state(A) is State.CACHED


def test_one_that_is_submitted_again_in_the_turn_in_which_it_ended_is_looked_up_again(office):
    office.ask(A)
    ended = Located(A, seen(A, os.fsencode(office.hdd / "elsewhere")))
    office.handle(ended, Submission(((f"{A}.finished", A, "finished"),)))
    assert office.state(A) is State.SUBMITTED
    assert office.questions.asked == [A, A]


def test_a_relocated_one_that_lies_on_the_ssd_again_is_copied_again(office):
    office.copied(A)
    office.relocate(A)
    relocated(office, A)
    office.low(A)
    assert office.state(A) is State.SUBMITTED
    assert [type(task) for _, task in office.locate(A)] == [Copy]


def test_a_relocated_one_that_is_submitted_again_is_proven_where_it_is(office):
    office.copied(A)
    office.relocate(A)
    relocated(office, A)
    office.ask(A)
    destination = office.job(A).destination
    assert [type(task) for _, task in office.locate(A, directory=destination)] == [Prove]
    assert [type(task) for _, task in office.answer("copier-1", Proven(0.1))] == [Relocate]


def test_a_queue_that_is_cleared_is_given_up_but_for_what_runs(office):
    office.ask(A)
    office.locate(A)
    office.ask(B)
    office.ask("all", "clear")
    assert (office.state(A), office.state(B)) == (State.COPYING, State.CANCELLED)


def test_a_failed_one_that_is_retried_by_hand_starts_over(office):
    office.ask(A)
    office.locate(A, label="../../x")
    assert office.state(A) is State.FAILED
    office.ask(A, "retry")
    assert office.state(A) is State.SUBMITTED
    assert office.journal.events(A)[0].action == "submitted"


def test_what_is_wanted_for_downloads_is_a_water_mark_for_the_time_being(office):
    office.copied(A)
    office.relief.wanted = 1 << 62
    office.now = office.relief.next_look
    office.handle()
    assert office.relief.surveying
    ((_, task),) = office.handle(Surveyed((seen(A, os.fsencode(office.ssd / A)),)))
    assert isinstance(task, Relocate)
    assert office.relief.in_sight == {A: 5}
    office.relief.wanted = 0
    office.relief.look(office.now, office.settings)
    assert not office.relief.low


def test_a_torrent_waits_for_the_copy_of_its_kin_and_is_told_where_it_stands(office):
    office.dispatcher.settings = replace(office.settings, writers_per_device=2)
    office.ask(A)
    office.locate(A)
    office.ask(B)
    directory = os.fsencode(office.ssd / "linked")
    assert office.handle(Located(B, seen(B, directory), kin=(A,))) == []
    ((worker, task), *_) = office.answer("copier-1", COPIED)
    first = office.job(A)
    kin = Kin(A, metainfo_path(office.settings.state_dir, A), first.source, first.destination)
    assert (worker.startswith("copier"), task.hash, task.kin) == (True, B, (kin,))


def test_a_torrent_whose_kin_failed_is_copied_itself(office):
    office.ask(A)
    office.locate(A)
    office.ask(B)
    office.handle(Located(B, seen(B, os.fsencode(office.ssd / "linked")), kin=(A,)))
    ((_, task),) = office.answer("copier-1", Failed("a disk error", retry=True))
    assert (task.hash, task.kin) == (B, ())


def test_a_torrent_on_the_same_paths_goes_where_the_first_went_whatever_its_label(office):
    office.ask(A)
    office.locate(A)
    office.ask(B)
    there = os.fsencode(office.ssd / A)
    office.handle(Located(B, seen(B, there, label="cross-seed"), kin=(A,)))
    ((_, task), *_) = office.answer("copier-1", COPIED)
    assert (task.hash, task.destination) == (B, office.job(A).destination)
    assert office.job(B).label == "cross-seed"


def test_a_label_of_10_mb_fails_its_torrent_and_is_cut_short_wherever_it_is_told(office):
    office.ask(a_hash(1))
    office.locate(a_hash(1), label="../" + "x" * 10_000_000)
    job = office.job(a_hash(1))
    assert job.state is State.FAILED
    assert len(job.reason) <= 2000
    assert all(len(event.text) <= 2000 for event in office.journal.events(a_hash(1)))


def missing(office, times, saved=frozenset()):
    """Survey rTorrent so many times, 300 s apart: it has another torrent only."""
    for _ in range(times):
        office.now += 300.0
        office.handle(Surveyed((seen(a_hash(99), b"/elsewhere"),), saved=saved))


def test_a_torrent_that_was_erased_while_it_was_cached_is_gone(office):
    office.copied(A)
    missing(office, 2)
    assert office.state(A) is State.CACHED
    missing(office, 1)
    assert office.state(A) is State.GONE
    assert "erased in rTorrent" in office.job(A).reason


def test_a_torrent_that_was_erased_while_it_is_copied_is_gone_and_its_copier_is_stopped(office):
    office.ask(A)
    office.locate(A)
    missing(office, 3)
    assert office.state(A) is State.GONE
    assert office.dispatcher.desk.to_stop == ["copier-1"]
    office.answer("copier-1", Failed("stopped", retry=True, counts=False))
    assert office.state(A) is State.GONE


def test_rtorrent_is_asked_again_for_what_it_lacked_once_it_is_time(office):
    office.copied(A)
    missing(office, 1)
    asked = office.questions.surveys
    assert office.dispatcher.next_due <= office.now + 300.0
    office.now += 300.0
    office.handle()
    office.handle()
    assert office.questions.surveys == asked + 1
    missing(office, 3, saved=None)
    assert office.state(A) is State.CACHED, "the session cannot be read: nothing is concluded"


def test_a_clock_that_is_put_back_puts_off_nothing(office):
    """A board without a battery starts with any time; so may the next boot of what then stands in the journal."""
    office.now += 400 * 86400
    office.ask(A)
    office.locate(A)
    office.answer("copier-1", Failed("no space is left", retry=True))
    assert office.state(A) is State.WAITING
    office.dispatcher.handle([], office.now, lambda *_: None)
    looked = office.relief.looked
    office.now -= 400 * 86400
    office.handle()
    assert office.state(A) is State.SUBMITTED
    assert office.relief.looked == office.now < looked


def test_one_whose_copy_was_not_read_back_is_not_relocated_though_it_was_planned(office, monkeypatch):
    """It may have been submitted again, and copied without a read-back, since the plan was made."""
    office.ask(A)
    office.locate(A)
    office.answer("copier-1", replace(COPIED, proof=Proof.SOURCE))
    assert office.state(A) is State.CACHED
    planned = [(A, "space is low")]
    monkeypatch.setattr(office.relief, "next", lambda *_, **__: planned.pop() if planned else None)
    office.handle()
    assert not planned
    assert "space" not in office.crew.tasks()
    assert office.state(A) is State.CACHED


def test_what_a_person_asked_for_outlives_a_restart(tmp_path):
    office = Office(tmp_path)
    office.hire("copier-1")
    office.copied(A)
    office.copied(B)
    office.ask(A, "relocate")
    office.crew.lose("copier-1")
    office.ask(B, "verify")
    again = Office(tmp_path)
    assert again.questions.surveys == 1
    assert [task.hash for _, task in again.hire("copier-1")] == [B]
    again.answer("copier-1", Proven(0.1))
    there = (seen(A, os.fsencode(office.ssd / A)), seen(B, os.fsencode(office.ssd / B)))
    again.hire("space")
    sent = again.handle(Surveyed(there))
    assert [task.hash for _, task in sent] == [A]
    third = Office(tmp_path)
    assert third.questions.surveys == 0, "one is relocating, and the other was proven"
    assert list(third.relief.to_prove) == []


def test_a_proof_of_one_that_has_left_the_ssd_outlives_a_restart(tmp_path):
    office = Office(tmp_path)
    office.hire("copier-1", "space")
    office.copied(A)
    office.relocate(A)
    relocated(office, A)
    office.crew.lose("copier-1")
    office.ask(A, "verify")
    again = Office(tmp_path)
    ((_, task),) = again.hire("copier-1")
    assert isinstance(task, Prove)
    again.answer("copier-1", Proven(0.1))
    assert again.state(A) is State.RELOCATED
    assert Office(tmp_path).hire("copier-1") == []


def test_a_worker_that_lost_its_connection_is_given_its_task_again(office):
    office.ask(A)
    ((worker, task),) = office.locate(A)
    again = Started(worker, office.crew._members[worker].pid)
    assert office.handle(again) == [(worker, task)]
