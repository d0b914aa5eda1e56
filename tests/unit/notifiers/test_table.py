import pytest

from supervisor.jobs import Job, State
from supervisor.messages import News
from supervisor.notifiers.base import Messenger, Notifier
from supervisor.notifiers.table import MESSENGERS, NOTIFIERS, announcement, map_path, messengers, task, which
from supervisor.settings import Settings

HASH = "A" * 40


def settings(**changes: object) -> Settings:
    fields = {"download_path_ssd": "/ssd", "final_dest_base_hdd": ("/hdd",), "scgi_url": "/rpc"}
    services = {"sonarr_url": "http://s", "sonarr_api_key": "ks", "radarr_url": "http://r", "radarr_api_key": "kr"}
    return Settings(**fields | services | changes)


def job(**changes: object) -> Job:
    return Job(hash=HASH, state=State.COPIED, submitted=0.0, changed=0.0, **changes)


def test_every_service_has_its_settings():
    for service in NOTIFIERS:
        for name in ("url", "api_key", "tag", "path_map"):
            assert hasattr(settings(), f"{service}_{name}")


def test_every_entry_is_a_notifier():
    entries: list[Notifier] = list(NOTIFIERS.values())
    assert all(callable(entry.notify) and callable(entry.probe) for entry in entries)


def test_every_messenger_has_its_settings_and_is_one():
    for service in MESSENGERS:
        for name in ("url", "events"):
            assert hasattr(settings(), f"{service}_{name}")
    entries: list[Messenger] = list(MESSENGERS.values())
    assert all(callable(entry.announce) for entry in entries)


def test_a_messenger_with_an_address_is_told_with_its_secret_if_it_has_one():
    configured = settings(webhook_url="http://w", webhook_secret="k")
    assert messengers(settings()) == ()
    assert messengers(configured) == ("webhook",)
    news = News(1, "failed", 1.0, HASH, "Show", "x")
    made = announcement(7, "webhook", news, configured)
    assert (made.token, made.hash, made.url, made.secret, made.news) == (7, HASH, "http://w", "k", news)
    assert announcement(8, "apprise", news, settings(apprise_url="http://a")).secret == ""


@pytest.mark.parametrize(
    ("label", "told"),
    [
        ("sonarr", ("sonarr",)),
        ("Sonarr", ("sonarr",)),
        ("radarr", ("radarr",)),
        ("sonarr/hd", ("sonarr",)),
        ("sonarr2", ()),
        ("hd/sonarr", ()),
        ("", ()),
        ("music", ()),
    ],
)
def test_a_label_or_its_first_part_names_the_service(label, told):
    assert which(settings(), label) == told


def test_a_service_may_have_several_tags_with_slashes_and_letters_of_either_case():
    configured = settings(sonarr_tag="TV, Anime ,tv/uhd", radarr_tag="films")
    assert [which(configured, label) for label in ("tv", "ANIME", "tv/uhd", "tv/x", "films", "sonarr")] == [
        ("sonarr",),
        ("sonarr",),
        ("sonarr",),
        ("sonarr",),
        ("radarr",),
        (),
    ]


def test_two_services_with_one_tag_are_both_told():
    assert which(settings(sonarr_tag="media", radarr_tag="media"), "media") == ("sonarr", "radarr")


def test_nobody_is_told_without_an_address_or_when_it_is_switched_off():
    assert which(settings(sonarr_url=""), "sonarr") == ()
    assert which(settings(notify_arr_enabled=False), "sonarr") == ()


def test_the_task_of_a_directory_names_the_directory_as_the_service_sees_it():
    configured = settings(sonarr_path_map=(("/hdd", "/data"),))
    made = task(7, job(multi=True, destination=b"/hdd/tv/Show \xf0\x9f\x98\x80", name="Show"), "sonarr", configured)
    assert (made.token, made.hash, made.service, made.url, made.api_key) == (7, HASH, "sonarr", "http://s", "ks")
    assert made.path == "/data/tv/Show \N{GRINNING FACE}"


def test_the_task_of_a_single_file_names_the_file_and_not_the_directory_of_its_label():
    made = task(7, job(multi=False, destination=b"/hdd/films", name="Film.mkv"), "radarr", settings())
    assert made.path == "/hdd/films/Film.mkv"


def test_a_path_that_is_no_utf_8_makes_a_task_all_the_same():
    made = task(7, job(multi=True, destination=b"/hdd/tv/caf\xe9", name="x"), "sonarr", settings())
    assert made.path == "/hdd/tv/caf\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    ("pairs", "path", "theirs"),
    [
        ([], "/hdd/tv/x", "/hdd/tv/x"),
        ([("/hdd", "/data")], "/hdd/tv/x", "/data/tv/x"),
        ([("/hdd", "/data")], "/hdd", "/data"),
        ([("/hdd", "/data")], "/hdd2/tv/x", "/hdd2/tv/x"),
        ([("/hdd/", "/data/")], "/hdd/tv/x", "/data/tv/x"),
        ([("/hdd", "/data"), ("/hdd/tv", "/tv")], "/hdd/tv/x", "/tv/x"),
        ([("/hdd/tv", "/tv"), ("/hdd", "/data")], "/hdd/tv/x", "/tv/x"),
        ([("/hdd/tv", "/tv"), ("/hdd", "/data")], "/hdd/tv2/x", "/data/tv2/x"),
        ([("/", "/host")], "/hdd/x", "/host/hdd/x"),
        ([("/hdd", "/")], "/hdd/x", "/x"),
        ([("/hdd", "/")], "/hdd", "/"),
        ([("/hdd", "D:\\media\\")], "/hdd/tv/x", "D:\\media\\tv\\x"),
        ([("/hdd", "\\\\nas\\media")], "/hdd/tv/x", "\\\\nas\\media\\tv\\x"),
    ],
)
def test_a_path_is_mapped_by_the_longest_directory_that_holds_it(pairs, path, theirs):
    assert map_path(pairs, path) == theirs
