"""Which downloads run, which are held, and that it never comes to more than there is room for."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from supervisor.dispatch import admission
from supervisor.dispatch.admission import Budget, decide, everyone_runs, wanted
from supervisor.dispatch.downloads import Download
from supervisor.messages import MARK, OWN, Move, Place
from tests.unit.office import a_hash, seen

SSD = b"/ssd"
HDD = Place(b"/hdd", "uuid")
BUDGET = Budget(size=1000, free=300, reserve=50)
MARKED = "5 no room"


def download(number, to_come, taken=0, mark="", **changes):
    """Return one that runs, the lower its number the older; marked, it is held."""
    running = not mark or mark == OWN
    told = {"complete": False, "size": taken + to_come, "left_bytes": to_come, "wanted_chunks": 1, "added": number}
    told |= {"open": running, "active": running, "started": running, "name": f"n{number}"}
    return Download(seen(a_hash(number), **({"directory": SSD} | told | changes)), mark, taken, to_come)


def closed(number, to_come, **changes):
    """Return one that rTorrent has closed."""
    told = {"open": False, "active": False, "message": "Low diskspace."} | changes
    return replace(download(number, to_come, **told), failed=True)


def nowhere(torrent):
    return f"no place for {torrent.name}"


def moves(*downloads, budget=BUDGET, elsewhere=nowhere, resting=()):
    verdict = decide(downloads, budget, SSD, elsewhere, frozenset(resting))
    return {int(order.hash, 16): order.move for order in verdict.orders}


def whys(*downloads, budget=BUDGET):
    return {int(held.hash, 16): held.why for held in decide(downloads, budget, SSD, nowhere).held}


def test_what_fits_is_left_alone():
    assert moves(download(1, 100), download(2, 150)) == {}


def test_the_newest_are_held_as_many_as_it_takes():
    assert moves(download(3, 100), download(1, 100), download(2, 100), download(4, 0)) == {3: Move.HOLD}
    assert moves(download(1, 200), download(2, 200), download(3, 10)) == {2: Move.HOLD, 3: Move.HOLD}


def test_what_can_leave_at_once_is_counted_on_until_the_reserve_is_touched():
    downloads = download(1, 200), download(2, 200)
    assert moves(*downloads, budget=replace(BUDGET, leaving=150)) == {}
    assert moves(*downloads, budget=replace(BUDGET, leaving=150, free=50)) == {1: Move.HOLD, 2: Move.HOLD}


def test_a_held_one_runs_when_it_fits_and_the_oldest_first():
    assert moves(download(1, 100), download(2, 100, mark=MARKED)) == {2: Move.RELEASE}
    assert moves(download(2, 200, mark=MARKED), download(1, 200, mark=MARKED)) == {1: Move.RELEASE}


def test_a_younger_one_waits_behind_an_older_one_that_will_fit():
    budget = replace(BUDGET, in_sight=100)
    waiting = download(1, 300, mark=MARKED), download(2, 10, mark=MARKED)
    assert moves(*waiting, budget=budget) == {}
    assert whys(*waiting, budget=budget)[2] == "after n1"


def test_a_younger_one_passes_an_older_one_that_nothing_can_make_room_for():
    waiting = download(1, 300, mark=MARKED), download(2, 10, mark=MARKED)
    assert moves(*waiting) == {2: Move.RELEASE}
    assert "can become free" in whys(*waiting)[1]


def test_one_that_rtorrent_closed_for_low_space_is_revived_when_it_fits():
    assert moves(closed(1, 100)) == {1: Move.REVIVE}
    assert moves(closed(1, 100, message="Tracker: [Could not connect to server]")) == {1: Move.REVIVE}
    assert moves(closed(1, 100, message="Storage error: [File chunk write error: Input/output error]")) == {}
    assert moves(replace(closed(1, 100, message="Tracker: [down]"), failed=False)) == {}
    assert moves(closed(1, 260), budget=replace(BUDGET, in_sight=500)) == {}
    assert whys(closed(1, 260), budget=replace(BUDGET, in_sight=500)).keys() == {1}


def test_what_a_person_stopped_paused_or_closed_is_neither_counted_nor_touched():
    idle = [
        download(1, 500, started=False, active=False),
        download(2, 500, active=False),
        download(3, 500, open=False, active=False),
    ]
    assert moves(*idle, download(4, 250)) == {}
    assert wanted([*idle], BUDGET, SSD) == 0


def test_what_a_person_started_is_counted_and_not_held_again():
    started = download(9, 240, mark=MARKED, started=True, active=True, open=True)
    assert moves(started) == {9: Move.DISOWN}
    assert moves(started, download(1, 100)) == {9: Move.DISOWN, 1: Move.HOLD}
    assert moves(download(9, 2000, mark=OWN)) == {}


def test_a_magnet_a_torrent_elsewhere_and_one_that_is_checked_are_not_held():
    assert moves(download(1, 500, meta=True)) == {}
    assert moves(download(1, 500, directory=b"/hdd/tv")) == {}
    assert moves(download(1, 500, hashing=1, active=False), download(2, 10)) == {2: Move.HOLD}


def test_the_newest_is_held_though_it_is_still_checked_and_no_older_one_in_its_place():
    checked = {"hashing": 1, "active": False}
    verdict = decide([download(1, 100), download(2, 200, **checked)], BUDGET, SSD, nowhere)
    assert (verdict.orders, verdict.waiting) == ((), True)
    verdict = decide([download(1, 100), download(2, 100, **checked)], BUDGET, SSD, nowhere)
    assert (verdict.orders, verdict.waiting) == ((), False)
    assert moves(download(1, 200), download(2, 200), download(3, 200, **checked)) == {2: Move.HOLD}
    verdict = decide([download(1, 951, **checked)], BUDGET, SSD, nowhere)
    assert (verdict.orders, verdict.waiting) == ((), True)
    verdict = decide([download(1, 951, mark=MARKED, hashing=1)], BUDGET, SSD, nowhere)
    assert (verdict.orders, verdict.waiting) == ((), False)


def test_a_held_one_whose_data_is_elsewhere_now_is_started():
    assert moves(download(1, 500, mark=MARKED, directory=b"/ssd2/tv")) == {1: Move.RELEASE}


def test_one_larger_than_the_ssd_goes_elsewhere_before_its_first_byte():
    def elsewhere(_torrent):
        return HDD, b"/hdd/tv"

    verdict = decide([download(1, 951)], BUDGET, SSD, elsewhere)
    assert [(order.move, order.hdd, order.destination) for order in verdict.orders] == [
        (Move.REDIRECT, HDD, b"/hdd/tv")
    ]
    assert moves(download(1, 951, mark=MARKED), elsewhere=elsewhere) == {1: Move.REDIRECT}
    assert moves(download(1, 950, taken=1), elsewhere=elsewhere) == {1: Move.HOLD}


def test_one_that_has_no_place_elsewhere_is_held_and_says_why():
    assert moves(download(1, 951)) == {1: Move.HOLD}
    assert "no place for n1" in whys(download(1, 951, mark=MARKED))[1]


def test_one_that_was_just_started_is_not_stopped_yet():
    assert moves(download(1, 200), download(2, 200), resting=[a_hash(2)]) == {1: Move.HOLD}


def test_what_is_wanted_is_all_that_runs_or_waits_and_the_reserve_and_no_more_than_the_ssd():
    assert wanted([download(1, 100), download(2, 30, mark=MARKED), closed(3, 7)], BUDGET, SSD) == 187
    assert wanted([download(1, 900), download(2, 900)], BUDGET, SSD) == 1000
    assert wanted([download(1, 5000)], BUDGET, SSD) == 0
    assert wanted([], BUDGET, SSD) == 0


def test_switched_off_it_starts_what_is_held():
    verdict = everyone_runs([download(1, 500), download(2, 500, mark=MARKED), download(3, 5, started=False)])
    assert [(order.hash, order.move) for order in verdict.orders] == [(a_hash(2), Move.RELEASE)]


def test_where_unfinished_torrents_alone_fill_the_ssd_the_oldest_that_can_be_finished_uses_the_reserve():
    full = replace(BUDGET, free=60)
    waiting = download(1, 40, mark=MARKED), download(2, 20, mark=MARKED), download(3, 30, mark=MARKED)
    assert moves(*waiting, budget=full) == {2: Move.RELEASE}
    assert moves(download(2, 20), *waiting[::2], budget=full) == {}
    assert moves(*waiting, budget=replace(full, in_sight=100)) == {}


kinds = st.sampled_from(["runs", "held", "closed"])


@given(
    st.lists(st.tuples(kinds, st.integers(0, 900)), max_size=12),
    st.integers(0, 1000),
    st.integers(0, 500),
    st.randoms(use_true_random=False),
)
def test_whatever_there_is_those_that_run_afterwards_fit(drawn, free, leaving, random):
    downloads = []
    for number, (kind, to_come) in enumerate(drawn, 1):
        made = (
            closed(number, to_come) if kind == "closed" else download(number, to_come, mark=MARKED * (kind == "held"))
        )
        downloads.append(made)
    budget = Budget(1000, free, 50, leaving, leaving)
    verdict = decide(downloads, budget, SSD, nowhere)
    shuffled = random.sample(downloads, len(downloads))
    assert decide(shuffled, budget, SSD, nowhere) == verdict
    change = {order.hash: order.move for order in verdict.orders}
    assert len(change) == len(verdict.orders)
    runs = [each for each in downloads if admission.running(each, SSD) and each.torrent.hash not in change]
    started = [each for each in downloads if change.get(each.torrent.hash) in (Move.RELEASE, Move.REVIVE)]
    coming = sum(each.to_come for each in runs + started)
    # One alone may use half of the reserve, if nothing can leave the SSD before it is finished.
    alone = not leaving and len([each for each in runs + started if each.to_come]) == 1 and coming <= free - 25
    assert alone or coming == 0 or coming <= free - 50 + (leaving if free > 50 else 0)
    if any(each.to_come for each in started):
        assert alone or coming <= free - 50
    waits = {each.torrent.hash for each in downloads} - {each.torrent.hash for each in runs + started}
    assert {held.hash for held in verdict.held} == waits
    assert MARK not in change
