"""When which messenger is told what: on a dispatcher with a real journal, and no process around it."""

import pytest

from supervisor.dispatch.announcements import HOUR, notifiers
from supervisor.dispatch.dispatcher import WorkerLost
from supervisor.jobs import State, Telling
from supervisor.messages import SUMMARY, Announce, Failed, Notified, Notify
from tests.unit.office import COPIED, Office, a_hash

URLS = {"webhook_url": "http://hook/T0KEN", "webhook_secret": "s3cret"}
DOWN = Failed("the hook is away", retry=True)
REFUSED = Failed("no such hook", retry=False, configuration=True)


@pytest.fixture
def open_office(tmp_path):
    def opened(**settings):
        office = Office(tmp_path, **URLS | settings)
        office.hire()
        return office

    return opened


def fail(office, number):
    """Have a torrent fail for good: its data is elsewhere."""
    office.ask(a_hash(number))
    office.locate(a_hash(number), directory=b"/elsewhere", name="x")
    assert office.state(a_hash(number)) is State.FAILED


def turn(office):
    """One more turn of the loop, as `next_due` asks for, unless the notifier has something in hand already."""
    if "notifier" not in office.crew.tasks():
        assert office.dispatcher.next_due <= office.now
        office.handle()


def tell(office, result=None):
    """Let the messenger take what it was given, or not; return that."""
    task = office.task("notifier")
    assert isinstance(task, Announce)
    office.answer("notifier", result or Notified())
    return task


def quiet(office):
    office.handle()
    assert "notifier" not in office.crew.tasks()
    return office.dispatcher.next_due > office.now


def test_it_is_told_of_the_events_it_wants_in_their_order_and_of_nothing_else(open_office):
    office = open_office(webhook_events=("failed", "copied"))
    office.copied(a_hash(1))
    fail(office, 2)
    turn(office)
    told = [tell(office), tell(office)]
    assert [(task.news.event, task.hash) for task in told] == [("copied", a_hash(1)), ("failed", a_hash(2))]
    assert [(task.service, task.url, task.secret) for task in told] == [("webhook", "http://hook/T0KEN", "s3cret")] * 2
    assert told[0].news.name == "Show"
    assert "outside" in told[1].news.text
    assert quiet(office)


def test_what_happened_before_it_had_an_address_is_not_told(open_office):
    office = open_office(webhook_url="")
    fail(office, 1)
    assert quiet(office)
    office.dispatcher.settings = open_office().settings
    fail(office, 2)
    turn(office)
    assert tell(office).hash == a_hash(2)
    assert quiet(office)


def test_what_happened_while_it_had_none_for_a_while_is_not_told_either(open_office):
    office = open_office()
    with_address = office.settings
    office.dispatcher.settings = open_office(webhook_url="").settings
    fail(office, 1)
    office.dispatcher.settings = with_address
    office.handle()
    fail(office, 2)
    turn(office)
    assert tell(office).hash == a_hash(2)
    assert quiet(office)


def test_what_was_not_told_yet_is_told_after_a_restart_and_what_was_is_not(open_office):
    office = open_office()
    fail(office, 1)
    fail(office, 2)
    turn(office)
    tell(office)
    again = open_office()
    assert tell(again).hash == a_hash(2)
    assert quiet(again)


def test_one_that_does_not_answer_is_tried_again_later_and_later_until_it_does(open_office):
    office = open_office(retry_delay=10.0)
    fail(office, 1)
    turn(office)
    waits = []
    for _ in range(3):
        tell(office, DOWN)
        assert quiet(office)
        waits.append(office.dispatcher._announcements.next_due - office.now)
        office.now += waits[-1]
        turn(office)
    assert waits == [10.0, 20.0, 40.0]
    assert tell(office).hash == a_hash(1)
    mark = office.journal.bookmarks()[0]
    assert (mark.state, mark.attempts, mark.reason) == (Telling.SENT, 0, "")
    assert office.count("notifications_total", service="webhook", outcome="retry") == 3
    assert office.count("notifications_total", service="webhook", outcome="sent") == 1
    story = [event.text for event in office.journal.events(a_hash(1)) if event.action == "told"]
    assert story == ["webhook: the hook is away"], "once, not at each attempt"


def test_one_that_refuses_is_not_hammered(open_office):
    office = open_office()
    fail(office, 1)
    turn(office)
    tell(office, REFUSED)
    assert quiet(office)
    assert office.dispatcher._announcements.next_due == office.now + HOUR
    assert office.journal.bookmarks()[0].state is Telling.FAILED


def test_a_worker_that_dies_with_it_costs_no_news(open_office):
    office = open_office()
    fail(office, 1)
    turn(office)
    office.handle(WorkerLost("notifier", "killed"))
    office.now += 60.0
    office.hire("notifier")
    assert tell(office).hash == a_hash(1)


def test_more_than_the_limit_in_an_hour_are_one_summary_when_it_is_over(open_office):
    office = open_office(announce_limit=2, webhook_events=("failed", "copied"))
    for number in range(1, 6):
        fail(office, number)
    office.copied(a_hash(9))
    turn(office)
    assert [tell(office).hash, tell(office).hash] == [a_hash(1), a_hash(2)]
    assert quiet(office)
    begun = office.now
    office.now += HOUR - 1
    assert quiet(office)
    assert office.dispatcher._announcements.next_due == begun + HOUR
    office.now += 1
    turn(office)
    news = tell(office).news
    assert (news.event, news.counts) == (SUMMARY, (("copied", 1), ("failed", 3)))
    assert "1 copied, 3 failed" in news.text
    fail(office, 10)
    turn(office)
    assert tell(office).hash == a_hash(10), "the next hour has begun"
    assert quiet(office)


def test_the_limit_holds_over_a_restart(open_office):
    office = open_office(announce_limit=1)
    fail(office, 1)
    fail(office, 2)
    turn(office)
    tell(office)
    again = open_office(announce_limit=1)
    assert quiet(again)


def test_news_of_a_new_hour_are_no_summary(open_office):
    office = open_office(announce_limit=1)
    fail(office, 1)
    turn(office)
    tell(office)
    office.handle(WorkerLost("notifier", "killed"))  # so that both are there to be told at once
    office.now += 2 * HOUR
    fail(office, 2)
    fail(office, 3)
    office.hire("notifier")
    assert tell(office).hash == a_hash(2)


def test_one_messenger_that_is_down_does_not_keep_the_other_from_the_news(open_office):
    office = open_office(apprise_url="http://apprise/notify/k")
    fail(office, 1)
    turn(office)
    first = tell(office, DOWN)
    second = tell(office)
    assert {first.service, second.service} == {"webhook", "apprise"}


def test_a_service_that_hangs_keeps_one_notifier_and_no_other_service(open_office):
    office = open_office(
        webhook_events=("copied", "failed"), sonarr_url="http://s", sonarr_api_key="k", sonarr_tag="tv",
        radarr_url="http://r", radarr_api_key="k", radarr_tag="tv",
    )  # fmt: skip
    fail(office, 1)
    turn(office)
    assert isinstance(office.task("notifier"), Announce), "the webhook hangs"
    fail(office, 2)
    office.hire("notifier-2")
    assert "notifier-2" not in office.crew.tasks(), "it is not told by both"
    assert office.dispatcher.next_due > office.now, "nor is the loop kept busy"
    office.ask(a_hash(3))
    office.locate(a_hash(3))
    office.answer("copier-1", COPIED)
    first = office.task("notifier-2")
    office.answer("notifier-2", Notified())
    second = office.task("notifier-2")
    assert {first.service, second.service} == {"sonarr", "radarr"}
    office.answer("notifier-2", Notified())
    assert office.state(a_hash(3)) is State.CACHED
    assert "notifier-2" not in office.crew.tasks()


def test_with_several_services_there_are_two_notifiers(open_office):
    assert notifiers(open_office(webhook_url="").settings) == 1
    assert notifiers(open_office().settings) == 1
    assert notifiers(open_office(sonarr_url="http://s", sonarr_api_key="k").settings) == 2
    assert notifiers(open_office(apprise_url="http://a/k", sonarr_url="http://s", sonarr_api_key="k").settings) == 2


def test_sonarr_goes_first_and_a_copy_waits_for_no_messenger(open_office):
    office = open_office(webhook_events=("copied",), sonarr_url="http://s", sonarr_api_key="k", sonarr_tag="tv")
    office.ask(a_hash(1))
    office.locate(a_hash(1))
    office.answer("copier-1", COPIED)
    assert isinstance(office.task("notifier"), Notify)
    office.answer("notifier", Notified())
    assert office.state(a_hash(1)) is State.CACHED
    office.handle()
    assert tell(office).news.event == "copied"


def test_a_proof_that_fails_is_an_event_of_its_own(open_office):
    office = open_office(webhook_events=("proof-failed",))
    office.ask(a_hash(1))
    office.locate(a_hash(1))
    office.answer("copier-1", Failed("piece 3 is wrong", retry=True, proof=True))
    turn(office)
    assert tell(office).news.text == "piece 3 is wrong"
