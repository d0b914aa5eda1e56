import pytest

from supervisor.adapters.http import ServiceRefused, ServiceUnavailable
from supervisor.messages import SUMMARY, Announce, News
from supervisor.notifiers.apprise import Apprise, kind
from tests.fakes.receiver import Receiver

HASH = "A" * 40


@pytest.fixture
def far():
    with Receiver(apprise_keys={"home"}) as receiver:
        yield receiver


def announce(far, news, key="home"):
    Apprise().announce(Announce(1, news.hash, "apprise", f"{far.url}/notify/{key}", "", news))


def test_a_person_reads_what_happened_to_which_torrent_on_which_host(far):
    announce(far, News(7, "failed", 1.0, HASH, "Show", "no space"))
    (post,) = far.posts
    assert post.path == "/notify/home"
    assert post.body["title"].startswith("seedcache on ")
    assert post.body["title"].endswith(": failed")
    assert post.body["body"] == "Show: no space"
    assert post.body["type"] == "failure"


def test_a_torrent_without_a_name_is_its_hash_and_a_summary_is_of_none(far):
    announce(far, News(7, "gone", 1.0, HASH, "", "erased"))
    announce(far, News(8, SUMMARY, 1.0, "", "", "12 failed", (("failed", 12),)))
    assert [post.body["body"] for post in far.posts] == [f"{HASH}: erased", "12 failed"]


def test_a_key_without_a_configuration_is_for_a_person_to_mend(far):
    with pytest.raises(ServiceRefused, match="APPRISE_URL") as caught:
        announce(far, News(7, "failed", 1.0, HASH, "Show", "x"), key="other")
    assert "other" not in str(caught.value)
    assert caught.value.configuration


@pytest.mark.parametrize(("status", "error"), [(424, ServiceRefused), (500, ServiceUnavailable)])
def test_a_service_behind_it_that_cannot_be_told_is_not_hammered(far, status, error):
    far.status = status
    with pytest.raises(error):
        announce(far, News(7, "failed", 1.0, HASH, "Show", "x"))


@pytest.mark.parametrize(
    ("event", "counts", "expected"),
    [
        ("failed", (), "failure"),
        ("proof-failed", (), "failure"),
        ("held", (), "warning"),
        ("relocated", (), "success"),
        ("gone", (), "info"),
        (SUMMARY, (("held", 1), ("relocated", 9)), "warning"),
        (SUMMARY, (("failed", 1), ("relocated", 9)), "failure"),
        (SUMMARY, (("gone", 1),), "info"),
    ],
)
def test_the_type_is_as_bad_as_the_worst(event, counts, expected):
    assert kind(News(1, event, 1.0, "", "", "", counts)) == expected
