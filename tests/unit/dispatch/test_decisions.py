"""What becomes of a job when something happens to it."""

from dataclasses import dataclass, replace
from datetime import date

import pytest

from supervisor.dispatch import decisions, destinations
from supervisor.dispatch.decisions import Limits
from supervisor.dispatch.destinations import Root, Rules
from supervisor.jobs import Job, Notice, Proof, State, Telling
from supervisor.messages import Copied, Failed

HASH = "A" * 40
LIMITS = Limits(attempts=3, delay=10.0)
SSD, HDD = b"/ssd", b"/hdd"


@dataclass(frozen=True)
class Seen:
    """What rTorrent says of a torrent: the part that decisions look at."""

    hash: str = HASH
    name: str = "Show"
    directory: bytes = b"/ssd/Show"
    multi: bool = True
    size: int = 100
    label: str = "tv"
    tracker: str = ""
    finished: float = 50.0
    complete: bool = True
    hashing: int = 0
    meta: bool = False
    left_bytes: int = 0


def job(state=State.SUBMITTED, **changes):
    return replace(Job(HASH, state, submitted=1.0, changed=1.0), **changes)


def locate(job, **seen):
    return decisions.located(job, Seen(**seen), SSD, [HDD, b"/hdd2"], placed, LIMITS, 9.0)


def placed(torrent):
    """Where a new copy goes."""
    return destinations.decide(torrent, date(2024, 5, 1), Rules("{label}"), [Root(HDD, 1000.0)], lambda _path: False)


def test_a_first_submission_makes_a_job():
    assert decisions.submitted(None, HASH, 5.0) == Job(HASH, State.SUBMITTED, submitted=5.0, changed=5.0)


@pytest.mark.parametrize("state", [State.SUBMITTED, State.COPYING, State.RELOCATING])
def test_a_second_submission_joins_a_job_that_is_running(state):
    running = job(state)
    assert decisions.submitted(running, HASH, 5.0) is running


def test_a_second_submission_brings_a_waiting_job_forward():
    assert decisions.submitted(job(State.WAITING, due=99.0), HASH, 5.0).due == 5.0


@pytest.mark.parametrize("state", [State.COPIED, State.CACHED, State.RELOCATED, State.FAILED, State.CANCELLED])
def test_one_that_arrives_when_the_first_is_finished_is_not_lost(state):
    again = decisions.submitted(job(state, proof=Proof.READ_BACK, attempts=2, reason="x"), HASH, 5.0)
    assert (again.state, again.proof, again.attempts, again.reason) == (State.SUBMITTED, Proof.NONE, 0, "")


def test_one_that_was_erased_and_added_again_is_decided_afresh():
    assert decisions.submitted(job(State.GONE, destination=b"/hdd/old"), HASH, 5.0).destination == b""


def test_the_destination_is_decided_by_the_label():
    located = locate(job())
    assert (located.state, located.source, located.destination) == (State.SUBMITTED, b"/ssd/Show", b"/hdd/tv/Show")


def test_the_destination_is_decided_once():
    decided = locate(job())
    assert locate(decided, label="tv-imported").destination == decided.destination


def test_one_that_was_to_go_to_a_disk_that_is_no_longer_configured_is_decided_anew():
    elsewhere = locate(job(source=b"/ssd/Show", destination=b"/old/tv/Show", label="films"))
    assert (elsewhere.destination, elsewhere.label) == (b"/hdd/tv/Show", "tv")


def test_data_on_any_of_the_hdds_needs_no_copy():
    assert locate(job(), directory=b"/hdd2/tv/Show").state is State.RELOCATED


def test_one_without_room_waits_ever_longer_and_never_fails_for_it():
    full = Failed("full", retry=True, counts=False, lacking=7)
    waits = [decisions.waiting(job(State.COPYING, attempts=2), full, LIMITS, 0.0, tries) for tries in (1, 2, 3, 99)]
    assert {(waiting.state, waiting.attempts, waiting.reason) for waiting in waits} == {(State.WAITING, 2, "full")}
    assert [waiting.due for waiting in waits] == [10.0, 20.0, 40.0, 900.0]


def test_the_raw_name_is_kept_to_the_last_space():
    assert locate(job(), directory=b"/ssd/ Show ").destination == b"/hdd/tv/ Show "


def test_a_label_that_leads_outside_fails_with_the_reason():
    refused = locate(job(), label="../../x")
    assert refused.state is State.FAILED
    assert "../../x" in refused.reason


def test_data_beside_the_ssd_root_is_not_on_the_ssd():
    outside = locate(job(), directory=b"/ssd2/Show")
    assert outside.state is State.FAILED
    assert "/ssd2/Show" in outside.reason


def test_data_that_is_on_the_hdd_already_needs_no_copy():
    assert locate(job(), directory=b"/hdd/tv/Show").state is State.RELOCATED


def test_one_that_somebody_moved_is_left_alone():
    moved = locate(job(source=b"/ssd/Show", destination=b"/hdd/tv/Show"), directory=b"/hdd/elsewhere/Show")
    assert moved.state is State.FAILED


def test_one_that_an_earlier_run_switched_goes_on_to_its_proof():
    switched = job(source=b"/ssd/Show", destination=b"/hdd/tv/Show")
    assert locate(switched, directory=b"/hdd/tv/Show") is switched


def test_an_unfinished_one_is_tried_again_and_fails_in_the_end():
    unfinished = locate(job(), complete=False, left_bytes=7)
    assert unfinished.state is State.WAITING
    assert "7 bytes" in unfinished.reason
    assert locate(job(attempts=2), complete=False).state is State.FAILED


def test_being_checked_costs_no_attempt():
    assert locate(job(attempts=2), complete=False, hashing=1).state is State.WAITING


def test_a_failure_waits_longer_each_time_and_ends():
    failure = Failed("disk", retry=True)
    first = decisions.waiting(job(State.COPYING), failure, LIMITS, 0.0)
    second = decisions.waiting(replace(first, state=State.COPYING), failure, LIMITS, 0.0)
    third = decisions.waiting(replace(second, state=State.COPYING), failure, LIMITS, 0.0)
    assert [(j.state, j.due) for j in (first, second)] == [(State.WAITING, 10.0), (State.WAITING, 20.0)]
    assert (third.state, third.reason) == (State.FAILED, "disk")


def test_no_delay_is_longer_than_a_quarter_of_an_hour():
    assert decisions.delay(LIMITS, 1000) == 900.0


def test_what_cannot_succeed_is_not_tried_again():
    assert decisions.waiting(job(State.COPYING), Failed("foreign", retry=False), LIMITS, 0.0).state is State.FAILED


def test_an_rtorrent_that_is_away_for_a_night_costs_no_attempt():
    away = job(State.RELOCATING, proof=Proof.READ_BACK)
    for _ in range(1000):
        away = decisions.waiting(away, Failed("away", retry=True, counts=False), LIMITS, 0.0)
        assert away.state is State.WAITING
        away = decisions.resumed(away, 0.0)
    assert away.attempts == 0


def test_one_denial_is_not_an_erasure():
    denied = decisions.absent(job(), LIMITS, 0.0)
    assert denied.state is State.WAITING
    denied = decisions.absent(decisions.resumed(denied, 10.0), LIMITS, 10.0)
    assert denied.state is State.WAITING
    assert decisions.absent(decisions.resumed(denied, 20.0), LIMITS, 20.0).state is State.GONE


def test_denials_are_counted_in_a_row():
    denied = decisions.absent(job(), LIMITS, 0.0)
    denied = decisions.absent(decisions.resumed(denied, 10.0), LIMITS, 10.0)
    seen_again = locate(decisions.resumed(denied, 20.0))
    assert seen_again.attempts == 0
    assert decisions.absent(seen_again, LIMITS, 30.0).state is State.WAITING


def test_a_copy_that_waited_starts_over_and_a_switch_that_waited_goes_on():
    assert decisions.resumed(job(State.WAITING), 5.0).state is State.SUBMITTED
    assert decisions.resumed(job(State.WAITING, proof=Proof.READ_BACK), 5.0).state is State.RELOCATING


def test_a_copied_job_is_cached_once_everybody_was_told():
    copied, notices = decisions.copied(
        job(State.COPYING), Copied(Proof.READ_BACK, False, 1, 0, 0.1, 0.1), ("sonarr",), 5.0
    )
    assert copied.state is State.COPIED
    assert [(n.service, n.state) for n in notices] == [("sonarr", Telling.PENDING)]
    assert [step.state for step in decisions.settled(copied, 6.0)] == [State.NOTIFIED, State.CACHED]


def test_a_service_that_is_down_is_told_for_ever_and_later_each_time():
    notice = Notice(HASH, "sonarr", Telling.PENDING, 0.0)
    for _ in range(50):
        notice = decisions.told(notice, Failed("down", retry=True), LIMITS, 0.0)
        assert notice.state is Telling.PENDING
    assert notice.due == 900.0


def test_a_wrong_key_is_not_hammered():
    notice = decisions.told(
        Notice(HASH, "sonarr", Telling.PENDING, 0.0), Failed("401", retry=False, configuration=True), LIMITS, 0.0
    )
    assert (notice.state, notice.due) == (Telling.FAILED, 3600.0)


def test_a_copy_that_is_found_wrong_loses_its_proof_and_fails():
    wrong = decisions.disproven(
        job(State.CACHED, proof=Proof.READ_BACK), Failed("piece 3", True, proof=True), LIMITS, 5.0
    )
    assert (wrong.state, wrong.proof) == (State.FAILED, Proof.NONE)


def test_a_relocated_one_that_is_submitted_again_is_proven_where_it_is_and_relocated():
    again = decisions.submitted(job(State.RELOCATED, source=b"/ssd/x", destination=b"/hdd/x"), HASH, 5.0)
    steps = decisions.proven(again.to(State.COPYING, 6.0), 7.0)
    assert [step.state for step in steps] == [State.COPIED, State.RELOCATING]


def test_a_relocated_one_whose_copy_is_wrong_fails_at_once():
    failure = Failed("piece 3", retry=True, proof=True)
    assert decisions.disproven(job(State.COPYING), failure, LIMITS, 5.0).state is State.FAILED


def test_what_is_on_the_hdd_cannot_be_cancelled():
    cached = job(State.CACHED, proof=Proof.READ_BACK)
    assert decisions.cancelled(cached, 5.0) is cached
    assert decisions.cancelled(job(State.COPYING), 5.0).state is State.CANCELLED


def test_an_illegal_change_is_a_defect():
    with pytest.raises(ValueError, match="relocated cannot become copying"):
        job(State.RELOCATED).to(State.COPYING, 5.0)
