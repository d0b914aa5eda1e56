import threading
import time
from collections import Counter

import pytest

from supervisor.adapters.http import ServiceRefused, ServiceUnavailable
from supervisor.errors import Refused, Retryable, Stopped
from supervisor.messages import Notify
from supervisor.notifiers.arr import Arr
from supervisor.notifiers.table import NOTIFIERS
from tests.fakes.arr import COMMANDS, KEY, FakeArr, Mode

HASH = "ABCDEF0123456789ABCDEF0123456789ABCDEF01"


def never() -> bool:
    return False


@pytest.fixture(params=sorted(COMMANDS))
def fake(request):
    with FakeArr(request.param) as server:
        yield server


@pytest.fixture
def sonarr():
    with FakeArr("sonarr") as server:
        yield server


def task(server: FakeArr, **changes: object) -> Notify:
    fields = {
        "token": 1,
        "hash": HASH,
        "service": server.service,
        "url": server.url,
        "api_key": KEY,
        "path": "/data/tv/Show S01",
    }
    return Notify(**fields | changes)


def test_the_service_is_told_to_copy_that_download_from_that_path(fake):
    NOTIFIERS[fake.service].notify(task(fake, hash=HASH.lower()), never)
    assert fake.commands == [
        {"name": COMMANDS[fake.service], "downloadClientId": HASH, "path": "/data/tv/Show S01", "importMode": "Copy"}
    ]


def test_it_is_asked_until_the_command_has_ended(sonarr):
    sonarr.polls_until_done = 4
    NOTIFIERS["sonarr"].notify(task(sonarr), never)
    assert [method for method, _, _ in sonarr.requests] == ["POST", "GET", "GET", "GET", "GET"]


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        (Mode.UNSUCCESSFUL, r"did not import /data/tv/Show S01 \(unsuccessful: Failed to import: no files found\)"),
        (Mode.FAILS, r"\(failed: Failed; System.IO.IOException: no such path\)"),
    ],
)
def test_a_command_that_ends_without_success_is_a_failure_that_can_be_retried_and_says_why(fake, mode, said):
    fake.mode = mode
    with pytest.raises(Retryable, match=said) as caught:
        NOTIFIERS[fake.service].notify(task(fake), never)
    assert f"{fake.service.upper()}_PATH_MAP" in str(caught.value)


def test_a_command_that_never_ends_is_given_up_after_the_patience_and_asked_for_ever_less_often(sonarr):
    sonarr.mode = Mode.NEVER_COMPLETES
    begun = time.monotonic()
    with pytest.raises(Retryable, match="has not finished"):
        Arr("Sonarr", COMMANDS["sonarr"], patience=2.0).notify(task(sonarr), never)
    assert time.monotonic() - begun >= 2.0
    assert len(sonarr.commands) == 1
    assert len(sonarr.requests) <= 1 + 6  # ten if the pauses did not grow


def test_a_service_that_restarts_in_the_middle_has_forgotten_the_command_and_is_asked_again_later(sonarr):
    sonarr.mode = Mode.NEVER_COMPLETES

    def restart() -> None:
        sonarr.stop()
        sonarr.start()

    restarting = threading.Timer(0.5, restart)
    sonarr.on_command = lambda _: restarting.start()
    with pytest.raises(Retryable, match=r"has forgotten|not reachable") as caught:
        NOTIFIERS["sonarr"].notify(task(sonarr), never)
    restarting.join()
    sonarr.on_command = None
    assert not isinstance(caught.value, ServiceRefused)
    sonarr.mode = Mode.WELL
    NOTIFIERS["sonarr"].notify(task(sonarr), never)
    assert len(sonarr.commands) == 2


def test_a_forgotten_command_is_no_configuration_problem(sonarr):
    sonarr.mode = Mode.NEVER_COMPLETES
    sonarr.on_command = lambda _: threading.Timer(0.3, sonarr._known.clear).start()
    with pytest.raises(Retryable, match="has forgotten"):
        NOTIFIERS["sonarr"].notify(task(sonarr), never)


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        (Mode.REFUSES_KEY, ServiceRefused),
        (Mode.HTML, ServiceRefused),
        (Mode.REDIRECTS, ServiceRefused),
        (Mode.BROKEN, ServiceUnavailable),
        (Mode.GARBAGE, ServiceUnavailable),
    ],
)
def test_what_a_person_must_correct_is_told_from_what_time_may_heal(sonarr, mode, error):
    sonarr.mode = mode
    with pytest.raises(error):
        NOTIFIERS["sonarr"].notify(task(sonarr), never)
    assert issubclass(error, Refused if error is ServiceRefused else Retryable)
    assert len(sonarr.requests) == 1  # and is not hammered


def test_a_service_that_is_down_can_be_told_later(sonarr):
    sonarr.stop()
    with pytest.raises(ServiceUnavailable):
        NOTIFIERS["sonarr"].notify(task(sonarr), never)
    sonarr.start()
    NOTIFIERS["sonarr"].notify(task(sonarr), never)
    assert len(sonarr.commands) == 1


def test_the_wrong_service_at_the_address_refuses_the_command(sonarr):
    with pytest.raises(ServiceRefused, match="HTTP 400"):
        NOTIFIERS["radarr"].notify(task(sonarr), never)


def test_the_wait_ends_promptly_when_the_supervisor_stops(sonarr):
    sonarr.mode = Mode.NEVER_COMPLETES
    asked = Counter()  # how often in the pause after each request

    def in_the_middle_of_a_pause():
        asked[len(sonarr.requests)] += 1
        return max(asked.values()) > 2  # more than at its begin and its end

    with pytest.raises(Stopped):
        NOTIFIERS["sonarr"].notify(task(sonarr), in_the_middle_of_a_pause)


@pytest.mark.parametrize("slashes", ["", "/", "//"])
@pytest.mark.parametrize("base", ["", "/sonarr", "/tv/sonarr"])
def test_an_address_may_have_a_url_base_and_slashes_at_its_end(base, slashes):
    with FakeArr("sonarr", base=base) as server:
        NOTIFIERS["sonarr"].notify(task(server, url=server.url + slashes), never)
        assert NOTIFIERS["sonarr"].probe(server.url + slashes, KEY) == "4.0.14.2939"
        assert len(server.commands) == 1


def test_a_probe_returns_the_version_and_tells_a_wrong_key(fake):
    assert NOTIFIERS[fake.service].probe(fake.url, KEY) == "4.0.14.2939"
    with pytest.raises(ServiceRefused, match="does not accept the API key"):
        NOTIFIERS[fake.service].probe(fake.url, "wrong")


def test_a_probe_notices_that_the_addresses_are_swapped(sonarr):
    with pytest.raises(ServiceRefused, match=r"Sonarr answers at the address of Radarr\. Correct RADARR_URL"):
        NOTIFIERS["radarr"].probe(sonarr.url, KEY)


@pytest.mark.parametrize("answer", [[], "text", {}, {"id": "7"}, {"id": 7}, {"id": 7, "status": None}, None])
def test_an_answer_of_another_shape_is_a_failure_and_not_a_crash(sonarr, answer):
    sonarr.accept = lambda _: answer
    with pytest.raises(ServiceUnavailable, match="answered without a proper"):
        NOTIFIERS["sonarr"].notify(task(sonarr), never)


def test_a_completed_command_without_a_result_is_no_success(sonarr):
    sonarr.poll = lambda _: {"id": 1, "status": "completed"}
    with pytest.raises(Retryable, match=r"\(None: without a reason\)"):
        NOTIFIERS["sonarr"].notify(task(sonarr), never)


@pytest.mark.parametrize("mode", [Mode.BROKEN, Mode.REFUSES_KEY, Mode.UNSUCCESSFUL])
def test_the_key_is_in_no_message(sonarr, mode):
    sonarr.mode = mode
    with pytest.raises((Retryable, Refused)) as caught:
        NOTIFIERS["sonarr"].notify(task(sonarr), never)
    assert KEY not in repr(caught.value)


def test_a_service_that_quotes_the_key_does_not_spread_it(sonarr):
    told = {"status": "failed", "message": f"bad header {KEY}", "exception": f"Key {KEY} is\nrefused"}
    assert KEY not in Arr("Sonarr", COMMANDS["sonarr"])._failure(told, task(sonarr))


# -- what `check` asks -------------------------------------------------------------------------------------------------


def test_it_says_which_directories_it_sees_and_which_it_does_not(fake, tmp_path):
    fake.root = str(tmp_path)
    (tmp_path / "data" / "tv shows & more").mkdir(parents=True)
    arr = NOTIFIERS[fake.service]
    for there in ("/data", "/data/", "/data/tv shows & more", "/"):
        assert arr.sees(fake.url, KEY, there), there
    for missing in ("/dta", "/data/films", "/dta/tv", "/data/tv"):
        assert not arr.sees(fake.url, KEY, missing), missing


def test_it_says_whether_it_imports_by_itself(fake):
    arr = NOTIFIERS[fake.service]
    assert not arr.imports_by_itself(fake.url, KEY)
    fake.completed_download_handling = True
    assert arr.imports_by_itself(fake.url, KEY)


@pytest.mark.parametrize("mode", [Mode.HTML, Mode.REFUSES_KEY, Mode.BROKEN])
def test_what_is_no_answer_is_an_error(fake, mode):
    fake.mode = mode
    arr = NOTIFIERS[fake.service]
    with pytest.raises((Refused, Retryable)):
        arr.sees(fake.url, KEY, "/data")
    with pytest.raises((Refused, Retryable)):
        arr.imports_by_itself(fake.url, KEY)
