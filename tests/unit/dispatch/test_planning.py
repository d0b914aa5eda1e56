"""What would leave the SSD, in which order, and why the others stay."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.dispatch import planning
from supervisor.dispatch.planning import Action, Outset, When
from supervisor.jobs import Job, Proof, State
from supervisor.measures import Marks
from supervisor.policies.base import DAY, Rules
from tests.unit.office import a_hash, seen

SSD = b"/ssd"
A, B, C = a_hash(1), a_hash(2), a_hash(3)


def job(job_hash, state=State.CACHED, proof=Proof.READ_BACK, **changes):
    source, destination = b"/ssd/" + job_hash.encode(), b"/hdd/" + job_hash.encode()
    made = Job(job_hash, state, submitted=1.0, changed=1.0, source=source, destination=destination, proof=proof)
    return replace(made, **changes)


def torrent(job_hash, **changes):
    return seen(job_hash, changes.pop("directory", b"/ssd/" + job_hash.encode()), **changes)


def outset(**changes):
    return replace(Outset(SSD, 100.0, 5, Marks(10, 10, 0), low_since=100.0), **changes)


def plan(torrents, *jobs, **changes):
    return planning.plan(torrents, {each.hash: each for each in jobs}, outset(**changes))


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


PAIRS = [
    (torrent(A, directory=b"/ssd/x"), torrent(B, directory=b"/ssd/x")),
    (torrent(A, directory=b"/ssd/x"), torrent(B, directory=b"/ssd/x/y")),
    (torrent(A, directory=b"/ssd/x"), torrent(B, directory=b"/ssd/x", multi=False, name="file")),
    (torrent(A, directory=b"/ssd", multi=False, name="f"), torrent(B, directory=b"/ssd", multi=False, name="f")),
]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_torrents_that_share_data_leave_one_right_after_the_other_and_free_it_once(first, second):
    other = torrent(C, finished=20.0)  # between the two
    first, second = replace(first, finished=10.0, size=7), replace(second, finished=30.0)
    steps = plan([second, other, first], job(A), job(B), job(C)).steps
    assert [(step.hash, step.frees) for step in steps] == [(C, 5), (A, 0), (B, 7)]
    assert [step.unit for step in steps] == [(C,), (A, B), (A, B)]


@pytest.mark.parametrize(("first", "second"), PAIRS)
@pytest.mark.parametrize(
    ("state", "changes", "reason"),
    [
        (State.FAILED, {}, "failed"),
        (State.CACHED, {"complete": False}, "not finished"),
        (State.CACHED, {"label": "keep"}, "its label keep is kept"),
    ],
)
def test_one_that_stays_keeps_all_that_share_its_data_and_is_named(first, second, state, changes, reason):
    made = plan([first, replace(second, **changes)], job(A), job(B, state), rules=Rules(keep_labels=("keep",)))
    kept = dict(made.kept)
    assert made.steps == ()
    assert reason in kept[B]
    assert kept[A].startswith(f"it shares files with {B[:8]} ")
    assert reason in kept[A]


def test_a_unit_waits_for_the_copy_and_the_proof_of_all_its_members():
    torrents = [torrent(each, directory=b"/ssd/x") for each in (A, B, C)]
    made = plan(torrents, job(A), job(B, proof=Proof.SOURCE))
    assert [(step.hash, step.action) for step in made.steps] == [(B, Action.PROVE), (C, Action.COPY)]
    assert "waits for the copy or the proof" in dict(made.kept)[A]


def test_one_that_is_leaving_already_does_not_keep_those_that_share_its_data():
    torrents = [torrent(each, directory=b"/ssd/x") for each in (A, B)]
    assert [step.hash for step in plan(torrents, job(A, State.RELOCATING), job(B)).steps] == [B]
    torrents[0] = replace(torrents[0], directory=b"/hdd/" + A.encode())
    assert [step.hash for step in plan(torrents, job(A, State.RELOCATED), job(B)).steps] == [B]


def test_hard_links_make_a_unit_and_what_a_library_keeps_is_not_counted():
    torrents = [torrent(A), torrent(B, size=9), torrent(C)]
    links = {A: frozenset({B}), B: frozenset({A, "elsewhere"})}
    steps = plan(torrents, job(A), job(B), job(C), links=links, unfreed={B: 3, C: 2}).steps
    assert {(step.hash, step.unit, step.frees) for step in steps} == {(A, (A, B), 0), (B, (A, B), 6), (C, (C,), 3)}


def test_one_that_frees_nothing_stays_unless_a_person_asks():
    made = plan([torrent(A)], job(A), unfreed={A: 5})
    assert "free nothing" in dict(made.kept)[A]
    assert plan([torrent(A)], job(A), unfreed={A: 5}, asked=(A,)).steps[0].when is When.ASKED


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
    assert {step.hash for step in plan(torrents).steps if len(step.unit) > 1} == expected


# -- what waits, and for what ------------------------------------------------------------------------------------------

NOW = 100 * DAY


def at(rules, *torrents, **changes):
    """Return for each torrent, all with a proven copy: what its step waits for, or why it stays."""
    made = plan(torrents, *(job(each.hash) for each in torrents), now=NOW, low_since=NOW - 60, rules=rules, **changes)
    return {step.hash: step.when for step in made.steps} | dict(made.kept)


SOFT = [
    (Rules(min_seed_time=3 * DAY), {"finished": NOW - 2 * DAY}, {}, "may leave in 1 day"),
    (Rules(min_ratio=2.0), {"ratio": 1.99}, {}, "its ratio 1.99 is below"),
    (Rules(import_hold=DAY), {"finished": NOW - 3600}, {"untold": {A: ("sonarr",)}}, "sonarr has not confirmed"),
]


@pytest.mark.parametrize(("rules", "changes", "given_too", "reason"), SOFT)
def test_a_soft_protection_keeps_with_its_reason_and_yields_in_an_emergency(rules, changes, given_too, reason):
    found = torrent(A, **changes)
    assert reason in at(rules, found, **given_too)[A]
    made = plan([found], job(A), now=NOW, rules=rules, marks=Marks(10, 10, 6), **given_too)
    assert made.steps[0].when is When.EMERGENCY
    assert reason in made.steps[0].reason
    assert at(rules, torrent(A, ratio=2.0, finished=NOW - 4 * DAY), **given_too)[A] is When.LOW


def test_soft_protections_yield_in_their_order_and_after_what_is_not_protected():
    rules = Rules(order=("age",), min_seed_time=DAY, min_ratio=1.0, import_hold=7 * DAY)
    free = torrent(a_hash(1), finished=NOW - DAY)
    held = torrent(a_hash(2), finished=NOW - 5 * DAY)
    poor = torrent(a_hash(3), finished=NOW - 6 * DAY, ratio=0.5)
    young = torrent(a_hash(4), finished=NOW - DAY / 2, ratio=0.5)
    untold = dict.fromkeys((held.hash, poor.hash), ("radarr",))
    made = at(rules, young, poor, held, free, untold=untold, marks=Marks(10, 10, 6))
    assert list(made) == [free.hash, held.hash, poor.hash, young.hash]


@pytest.mark.parametrize("free", [0, 5])
@pytest.mark.parametrize(
    ("rules", "changes"),
    [
        (Rules(keep_labels=("Films",)), {"label": "films"}),
        (Rules(keep_trackers=("Example.org",)), {"trackers": ("a.b", "tracker.example.org")}),
        (Rules(keep_trackers=("example.org",), max_stay=1.0), {"trackers": ("example.org",)}),
    ],
)
def test_labels_and_trackers_that_are_kept_never_yield(rules, changes, free):
    assert "kept on the SSD" in at(rules, torrent(A, **changes), free=free, marks=Marks(10, 10, 9))[A]


def test_a_host_that_only_ends_alike_is_another_tracker():
    rules = Rules(keep_trackers=("example.org",))
    assert at(rules, torrent(A, trackers=("notexample.org", "example.org.net")))[A] is When.LOW


@pytest.mark.parametrize(
    ("rules", "changes"), [(Rules(leave_labels=("Later",)), {"label": "later"}), (Rules(max_stay=2 * DAY), {})]
)
def test_some_leave_without_low_space(rules, changes):
    found = torrent(A, finished=NOW - 2 * DAY, **changes)
    made = plan([found], job(A), now=NOW, low_since=0.0, rules=rules)
    assert made.steps[0].when is When.ANYWAY
    assert "POLICY_" in made.steps[0].reason
    assert made.steps[0].due(low=False, emergency=False, now=NOW)
    assert plan([torrent(A, finished=NOW - 1)], job(A), now=NOW, low_since=0.0, rules=rules).steps[0].when is When.LOW


def test_one_that_peers_are_served_from_goes_after_the_quiet_ones_and_does_not_wait_for_ever():
    busy, quiet = torrent(A, up_rate=1, finished=1.0), torrent(B, finished=2.0)
    rules = Rules(order=("age",), patience=120.0)
    assert at(rules, busy, quiet) == {B: When.LOW, A: When.QUIET}
    (step, _) = plan([busy, quiet], job(A), job(B), now=NOW, low_since=NOW - 60, rules=rules).steps[::-1]
    assert step.not_before == NOW + 60
    assert (step.due(low=True, emergency=False, now=NOW + 59), step.due(low=True, emergency=False, now=NOW + 60)) == (
        False,
        True,
    )
    later = plan([busy, quiet], job(A), job(B), now=NOW + 60, low_since=NOW - 60, rules=rules)
    assert [step.hash for step in later.steps] == [A, B]
    for hurry in ({"wanted": 6}, {"marks": Marks(10, 10, 6)}):
        assert list(at(rules, busy, quiet, **hurry).items()) == [(A, When.LOW), (B, When.LOW)]


def test_what_a_person_asks_for_goes_first_with_all_that_share_its_data_whatever_protects_them():
    torrents = [
        torrent(A, directory=b"/ssd/x", label="keep"),
        torrent(B, directory=b"/ssd/x"),
        torrent(C, finished=1.0),
    ]
    made = plan(torrents, job(A), job(B), job(C), asked=(B,), rules=Rules(keep_labels=("keep",)), low_since=0.0)
    assert [(step.hash, step.when) for step in made.steps] == [(A, When.ASKED), (B, When.ASKED), (C, When.LOW)]


def test_what_is_told_of_a_step_has_its_place_its_reason_and_its_unit():
    torrents = [torrent(A, directory=b"/ssd/x"), torrent(B, directory=b"/ssd/x"), torrent(C, finished=-4 * DAY)]
    assert planning.told(plan(torrents, job(A), job(B), job(C))) == {
        C: "number 1 of 3: hardly uploaded of late, finished 4 days ago",
        A: "number 2 of 3: hardly uploaded of late, finished less than a day ago; with 1 that share its files",
        B: "number 3 of 3: hardly uploaded of late, finished less than a day ago; with 1 that share its files",
    }


def test_the_free_space_is_projected_with_hysteresis_and_shared_bytes_once():
    torrents = [torrent(A, directory=b"/ssd/x"), torrent(B, directory=b"/ssd/x"), torrent(C, finished=60.0)]
    start = outset(free=9, marks=Marks(10, 15, 0))
    steps = plan(torrents, job(A), job(B), job(C)).steps
    assert [(free, needed) for _, free, needed in planning.projected(steps, start)] == [
        (9, True),
        (14, True),
        (19, True),
    ]
    start = outset(free=10, marks=Marks(10, 15, 0), low_since=0.0)
    assert [needed for _, _, needed in planning.projected(steps, start)] == [False, False, False]


# -- whatever there is -------------------------------------------------------------------------------------------------


@st.composite
def cases(draw):
    number = draw(st.integers(1, 12))
    torrents = [
        torrent(
            a_hash(n),
            directory=b"/ssd/%d" % draw(st.integers(0, 2 * number)),
            size=draw(st.integers(1, 50)),
            finished=draw(st.integers(0, 100)) * DAY,
            ratio=draw(st.integers(0, 40)) / 10,
            label=draw(st.sampled_from(["tv", "films", "keep", "later"])),
            trackers=(draw(st.sampled_from(["a.org", "kept.org"])),),
            seeders=draw(st.integers(0, 9)),
            up_rate=draw(st.sampled_from([0, 0, 5])),
            complete=draw(st.sampled_from([True, True, True, False])),
        )
        for n in range(number)
    ]
    rules = Rules(
        order=tuple(draw(st.permutations(["age", "ratio", "idle", "size", "seeders"]))[: draw(st.integers(1, 5))]),
        keep_labels=("keep",),
        keep_trackers=("kept.org",),
        leave_labels=("later",),
        min_ratio=draw(st.sampled_from([0.0, 1.0])),
        min_seed_time=draw(st.sampled_from([0.0, 10 * DAY])),
        max_stay=draw(st.sampled_from([0.0, 50 * DAY])),
    )
    low = draw(st.integers(0, 200))
    marks = Marks(low, low + draw(st.integers(0, 100)), draw(st.integers(0, low)))
    lately = {each.hash: float(draw(st.integers(0, 500))) for each in torrents}
    free = draw(st.integers(0, 300))
    return torrents, outset(free=free, marks=marks, rules=rules, lately=lately, now=NOW, low_since=NOW - 3600.0)


def planned(torrents, start):
    return planning.plan(torrents, {each.hash: job(each.hash) for each in torrents}, start)


@given(cases(), st.randoms())
def test_a_plan_is_the_same_whatever_the_order_of_its_input_and_knows_each_torrent_once(case, source):
    torrents, start = case
    made = planned(torrents, start)
    mixed = list(torrents)
    source.shuffle(mixed)
    again = planned(mixed, start)
    assert made.steps == again.steps
    assert sorted(made.kept) == sorted(again.kept)
    hashes = [step.hash for step in made.steps] + [job_hash for job_hash, _ in made.kept]
    assert sorted(hashes) == sorted(each.hash for each in torrents)


@given(cases())
def test_protections_are_never_broken_and_only_an_emergency_lifts_the_soft_ones(case):
    torrents, start = case
    known, rules = {each.hash: each for each in torrents}, start.rules
    for step in planned(torrents, start).steps:
        found = known[step.hash]
        assert found.complete
        assert found.label != "keep"
        assert found.trackers != ("kept.org",)
        young, poor = NOW - found.finished < rules.min_seed_time, found.ratio < rules.min_ratio
        if young or poor:
            assert step.when is When.EMERGENCY
            assert start.free < start.marks.emergency


@given(cases())
def test_the_high_mark_is_reached_whenever_what_may_leave_is_enough(case):
    torrents, start = case
    steps = planned(torrents, start).steps
    free = start.free
    for _, after, needed in planning.projected(steps, start):
        if needed:
            free = after
    unprotected = sum(step.frees for step in steps if step.when is not When.EMERGENCY)
    if start.free < start.marks.low:
        assert free >= min(start.marks.high, start.free + unprotected)


@given(cases())
def test_units_leave_whole_one_after_the_other(case):
    torrents, start = case
    hashes = [step.hash for step in planned(torrents, start).steps]
    for step in planned(torrents, start).steps:
        first = hashes.index(step.unit[0])
        assert tuple(hashes[first : first + len(step.unit)]) == step.unit


@given(cases(), st.integers(0, 11))
def test_one_that_goes_away_changes_nothing_in_the_order_of_those_it_shares_nothing_with(case, which):
    torrents, start = case
    gone = torrents[which % len(torrents)]
    alone = [step.hash for step in planned(torrents, start).steps if gone.hash not in step.unit]
    rest = [each for each in torrents if each.directory != gone.directory]
    assert [step.hash for step in planned(rest, start).steps] == [
        each for each in alone if each in {left.hash for left in rest}
    ]


@given(st.binary(min_size=1, max_size=6), st.binary(max_size=6))
def test_what_begins_alike_is_not_inside(root, rest):
    root = b"/" + root.replace(b"/", b"x")
    assert planning.inside(root + b"/" + rest, root)
    assert planning.inside(root, root)
    assert planning.inside(root + b"x" + rest, root) is False
