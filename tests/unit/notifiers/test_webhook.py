import hashlib
import hmac
import json
import os
import re
import tomllib
from pathlib import Path

import pytest

from supervisor.adapters.http import ServiceRefused, ServiceUnavailable
from supervisor.messages import SUMMARY, Announce, News
from supervisor.notifiers.webhook import Webhook
from supervisor.settings import specs
from tests.fakes.receiver import Receiver
from tests.support.needs import ROOT

HASH = "A" * 40
NEWS = News(7, "relocated", 1700000000.5, HASH, "Show \N{ROCKET}", "5 bytes freed")
PATH = "/T0KEN/secret?key=value"


@pytest.fixture
def far():
    with Receiver() as receiver:
        yield receiver


def announce(far, news=NEWS, secret=""):
    Webhook().announce(Announce(1, news.hash, "webhook", far.url + PATH, secret, news))


def test_the_body_is_as_documented(far):
    announce(far)
    (post,) = far.posts
    assert post.path == PATH
    assert post.headers["Content-Type"] == "application/json"
    assert post.headers["X-Seedcache-Event"] == "relocated"
    assert "X-Seedcache-Signature" not in post.headers
    assert post.body == {
        "version": 1,
        "host": os.uname().nodename,
        "id": 7,
        "event": "relocated",
        "at": 1700000000.5,
        "hash": HASH,
        "name": "Show \N{ROCKET}",
        "text": "5 bytes freed",
        "counts": {},
    }


def test_a_summary_counts(far):
    announce(far, News(9, SUMMARY, 1.0, "", "", "12 failed", (("failed", 12),)))
    assert far.posts[0].body["counts"] == {"failed": 12}


def test_a_secret_signs_the_bytes_that_are_sent(far):
    announce(far, secret="s3cret")
    (post,) = far.posts
    expected = hmac.new(b"s3cret", post.content, hashlib.sha256).hexdigest()
    assert post.headers["X-Seedcache-Signature"] == f"sha256={expected}"
    assert b"s3cret" not in post.content


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_success_will_do_whatever_is_answered(far, status):
    far.status, far.answer = status, b"<html>thanks"
    announce(far)


@pytest.mark.parametrize(
    ("status", "error"),
    [(status, ServiceUnavailable) for status in (500, 503, 429)] + [(status, ServiceRefused) for status in (404, 401)],
)
def test_what_is_no_success_is_an_error_that_names_the_host_only(far, status, error):
    far.status, far.answer = status, f"no such hook: {far.url}{PATH} or {PATH}".encode()
    with pytest.raises(error) as caught:
        announce(far, secret="s3cret")
    assert far.url in str(caught.value)
    for secret in ("T0KEN", "key=value", "s3cret"):
        assert secret not in str(caught.value)


def test_a_redirect_is_not_followed(far):
    with Receiver() as elsewhere:
        far.status, far.location = 307, elsewhere.url
        with pytest.raises(ServiceRefused, match="redirects"):
            announce(far)
        assert elsewhere.posts == []


def test_nobody_there_is_worth_another_attempt():
    task = Announce(1, HASH, "webhook", "http://127.0.0.1:1/T0KEN", "", NEWS)
    with pytest.raises(ServiceUnavailable) as caught:
        Webhook().announce(task)
    assert "T0KEN" not in str(caught.value)


def test_the_task_keeps_its_secrets_to_itself():
    task = Announce(1, HASH, "webhook", "https://host/T0KEN", "s3cret", NEWS)
    assert "T0KEN" not in repr(task)
    assert "s3cret" not in f"{task}"


def block(kind):
    """Return the first block of a kind in docs/notifications.md."""
    return re.search(f"```{kind}\n(.*?)```", Path(ROOT, "docs", "notifications.md").read_text(), re.DOTALL)[1]


def test_the_documented_body_has_the_fields_that_are_sent(far):
    announce(far)
    documented = json.loads(block("json"))
    sent = far.posts[0].body
    assert {key: type(value) for key, value in documented.items()} == {key: type(value) for key, value in sent.items()}


def test_the_documented_settings_are_valid():
    for service, settings in tomllib.loads(block("toml")).items():
        for name, value in settings.items():
            if not str(value).startswith("file:"):
                specs()[f"{service}_{name}"].form.parse(value, False)
