import logging
import os
import socket
import subprocess
import sys
import threading
import traceback

import pytest

from supervisor.adapters import http
from supervisor.adapters.http import ServiceRefused, ServiceUnavailable, get_json, post_json
from supervisor.errors import Refused, Retryable
from tests.fakes.arr import KEY, FakeArr, Mode

HEADERS = {"X-Api-Key": KEY}
QUICK = (5.0, 3.0)


@pytest.fixture
def arr():
    with FakeArr() as fake:
        yield fake


def status(arr: FakeArr) -> str:
    return f"{arr.url}/api/v3/system/status"


def test_an_answer_is_decoded(arr):
    assert get_json(status(arr), HEADERS)["appName"] == "Sonarr"


def test_a_body_is_sent_as_json_and_declared_as_such(arr):
    body = {
        "name": "DownloadedEpisodesScan",
        "path": "/tv/\N{SNOWMAN}",
        "downloadClientId": "A" * 40,
        "importMode": "Copy",
    }
    assert post_json(f"{arr.url}/api/v3/command", HEADERS, body)["status"] == "queued"
    assert arr.commands == [body]
    assert arr.requests[0][2]["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("mode", "error", "said"),
    [
        (Mode.REFUSES_KEY, ServiceRefused, r"does not accept the API key \(HTTP 401\)"),
        (Mode.BROKEN, ServiceUnavailable, r"failed \(HTTP 500\): .*database is locked"),
        (Mode.BUSY, ServiceUnavailable, r"failed \(HTTP 503\)"),
        (Mode.HTML, ServiceRefused, "a web page instead of JSON"),
        (Mode.GARBAGE, ServiceUnavailable, "not JSON"),
        (Mode.HUGE, ServiceUnavailable, "more than 1048576 bytes"),
        (Mode.REDIRECTS, ServiceRefused, r"redirects to elsewhere.invalid \(HTTP 307\)"),
        (Mode.SLOW, ServiceUnavailable, "did not answer in time"),
    ],
)
def test_each_way_to_fail_is_told_apart_and_names_the_service(arr, mode, error, said):
    arr.mode = mode
    with pytest.raises(error, match=said) as caught:
        get_json(status(arr), HEADERS, QUICK if mode is Mode.SLOW else http.TIMEOUT)
    assert str(caught.value).startswith(status(arr))


def test_the_two_errors_say_whether_a_retry_can_help():
    assert issubclass(ServiceUnavailable, Retryable)
    assert issubclass(ServiceRefused, Refused)


def test_a_refusal_carries_the_status_of_http(arr):
    with pytest.raises(ServiceRefused) as caught:
        get_json(f"{arr.url}/api/v3/command/7", HEADERS)
    assert caught.value.status == 404


def test_a_bad_request_says_what_the_service_found_wrong(arr):
    with pytest.raises(ServiceRefused, match=r"HTTP 400\): .*unknown command 'Backup'"):
        post_json(f"{arr.url}/api/v3/command", HEADERS, {"name": "Backup"})


def test_a_redirect_is_not_followed_so_the_key_never_reaches_another_host(arr):
    with FakeArr() as other:
        arr.mode, arr.redirect_to = Mode.REDIRECTS, status(other)
        with pytest.raises(ServiceRefused, match=f"127.0.0.1:{other.port}"):
            get_json(status(arr), HEADERS)
        assert other.requests == []


def test_an_answer_that_only_trickles_is_given_up(arr, monkeypatch):
    monkeypatch.setattr(http, "_SLOWEST", 0.3)
    arr.mode = Mode.TRICKLE
    with pytest.raises(ServiceUnavailable, match=r"still sending its answer after 0\.3 s"):
        get_json(status(arr), HEADERS)  # it has no end


def test_a_service_that_is_down_is_unavailable_with_the_reason_in_plain_words(arr):
    arr.stop()
    with pytest.raises(ServiceUnavailable, match=r"not reachable \(Connection refused\)"):
        get_json(status(arr), HEADERS)


def test_a_host_that_does_not_exist_is_unavailable():
    with pytest.raises(ServiceUnavailable, match="not reachable"):
        get_json("http://no-such-host.invalid/", HEADERS, QUICK)


def test_an_address_without_valid_tls_is_refused_with_the_remedy(arr):
    with pytest.raises(ServiceRefused, match="Use its http:// address"):
        get_json(status(arr).replace("http:", "https:"), HEADERS)


def test_a_connection_that_is_closed_in_the_middle_is_unavailable():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up():
            connection, _ = server.accept()
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(ServiceUnavailable):
            get_json(f"http://127.0.0.1:{server.getsockname()[1]}/", HEADERS)
        thread.join()


@pytest.mark.parametrize("url", ["no address", "http://", "ftp://host/", "http://[::1", ""])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(ServiceRefused, match="cannot be sent"):
        get_json(url, HEADERS)


@pytest.mark.parametrize("proxy", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_no_proxy_of_the_environment_is_given_the_key(arr, monkeypatch, proxy):
    with FakeArr() as other:
        monkeypatch.setenv(proxy, other.url)
        assert get_json(status(arr), HEADERS)["appName"] == "Sonarr"
        assert other.requests == []


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode not in {Mode.TRICKLE, Mode.WELL}])
def test_the_key_is_in_no_message_traceback_or_log(arr, mode, caplog):
    caplog.set_level(logging.DEBUG)
    arr.mode = mode
    with pytest.raises((ServiceRefused, ServiceUnavailable)) as caught:
        get_json(f"{arr.url}/api/v3/command/1", HEADERS, QUICK)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + str(vars(caught.value))
    assert KEY not in shown
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert KEY not in caplog.text


@pytest.mark.parametrize("key", [f"{KEY}\r\nHost: x", f" {KEY}", f"{KEY}\N{SNOWMAN}"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_quoted(arr, key):
    with pytest.raises(ServiceRefused) as caught:
        get_json(status(arr), {"X-Api-Key": key})
    assert KEY not in "".join(traceback.format_exception(caught.value))
    assert arr.requests == []


def test_the_password_of_an_address_is_in_no_message():
    password = "hunter" + "2"  # a traceback quotes the source, too
    with pytest.raises(ServiceUnavailable) as caught:
        get_json(f"http://user:{password}@127.0.0.1:1/x", HEADERS, QUICK)
    assert password not in "".join(traceback.format_exception(caught.value))


def test_the_module_alone_does_not_cost_requests():
    script = "import sys; import supervisor.adapters.http; print('requests' in sys.modules)"
    environ = {"PATH": os.environ["PATH"]}
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environ)
    assert shown.stdout == "False\n"
