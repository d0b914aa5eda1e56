"""What would leave the SSD, in which order, and why the others stay."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.dispatch import planning
from supervisor.dispatch.planning import Action
from supervisor.jobs import Job, Proof, State
from tests.unit.office import a_hash, seen

SSD = b"/ssd"
A, B, C = a_hash(1), a_hash(2), a_hash(3)


def job(job_hash, state=State.CACHED, proof=Proof.READ_BACK, **changes):
    source, destination = b"/ssd/" + job_hash.encode(), b"/hdd/" + job_hash.encode()
    made = Job(job_hash, state, submitted=1.0, changed=1.0, source=source, destination=destination, proof=proof)
    return replace(made, **changes)


def torrent(job_hash, **changes):
    return seen(job_hash, changes.pop("directory", b"/ssd/" + job_hash.encode()), **changes)


def plan(torrents, *jobs):
    return planning.plan(torrents, {each.hash: each for each in jobs}, SSD, 100.0)


def only(torrents, *jobs):
    """Return what becomes of the one torrent: an action, or the reason why it stays."""
    made = plan(torrents, *jobs)
    return made.steps[0].action if made.steps else dict(made.kept)[torrents[0].hash]


def test_a_proven_copy_can_be_relocated():
    assert only([torrent(A)], job(A)) is Action.RELOCATE


def test_a_copy_that_was_not_read_back_is_proven_first():
    assert only([torrent(A)], job(A, proof=Proof.SOURCE)) is Action.PROVE


@pytest.mark.parametrize("known", [[], [job(A, State.SUBMITTED, Proof.NONE)], [job(A, State.GONE)]])
def test_one_without_a_copy_is_copied_first(known):
    assert only([torrent(A)], *known) is Action.COPY


def test_one_that_was_switched_already_only_loses_its_ssd_data():
    assert only([torrent(A, directory=b"/hdd/" + A.encode())], job(A)) is Action.FINISH


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"directory": b"/ssd2/x"}, "not on the SSD"),
        ({"directory": b"/elsewhere"}, "not on the SSD"),
        ({"complete": False}, "not finished"),
        ({"meta": True}, "not finished"),
        ({"hashing": 1}, "checking"),
    ],
)
def test_one_stays_for_a_reason(changes, reason):
    assert reason in only([torrent(A, **changes)], job(A))


@pytest.mark.parametrize("state", [State.COPYING, State.WAITING, State.FAILED, State.RELOCATING])
def test_one_that_is_in_work_or_failed_stays_and_says_so(state):
    assert only([torrent(A)], job(A, state, reason="because")) == f"{state}: because"


def test_the_oldest_goes_first_and_what_is_switched_before_all():
    torrents = [torrent(A, finished=30.0), torrent(B, finished=10.0), torrent(C, finished=50.0)]
    assert [step.hash for step in plan(torrents, job(A), job(B), job(C)).steps] == [B, A, C]
    torrents[2] = torrent(C, finished=50.0, directory=b"/hdd/" + C.encode())
    assert [step.hash for step in plan(torrents, job(A), job(B), job(C)).steps] == [C, B, A]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (torrent(A, directory=b"/ssd/x"), torrent(B, directory=b"/ssd/x")),
        (torrent(A, directory=b"/ssd/x"), torrent(B, directory=b"/ssd/x/y")),
        (torrent(A, directory=b"/ssd/x"), torrent(B, directory=b"/ssd/x", multi=False, name="file")),
        (torrent(A, directory=b"/ssd", multi=False, name="f"), torrent(B, directory=b"/ssd", multi=False, name="f")),
    ],
)
def test_torrents_that_use_the_same_files_stay(first, second):
    assert dict(plan([first, second], job(A), job(B)).kept) == {A: planning.SHARED, B: planning.SHARED}


@given(st.lists(st.lists(st.sampled_from([b"a", b"ab", b"a!", b"a0", b"b"]), min_size=1, max_size=3), max_size=6))
def test_sharing_is_found_as_by_comparing_each_with_each(paths):
    torrents = [torrent(a_hash(n), directory=b"/ssd/" + b"/".join(path)) for n, path in enumerate(paths)]
    expected = {
        one.hash
        for one in torrents
        for other in torrents
        if one is not other
        and (planning.inside(one.directory, other.directory) or planning.inside(other.directory, one.directory))
    }
    kept = plan(torrents).kept
    assert {job_hash for job_hash, reason in kept if reason == planning.SHARED} == expected


@given(st.binary(min_size=1, max_size=6), st.binary(max_size=6))
def test_what_begins_alike_is_not_inside(root, rest):
    root = b"/" + root.replace(b"/", b"x")
    assert planning.inside(root + b"/" + rest, root)
    assert planning.inside(root, root)
    assert planning.inside(root + b"x" + rest, root) is False
