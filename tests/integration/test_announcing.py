"""The webhook is told of everything once, whatever is killed: a real supervisor, a webhook that comes and goes."""

import pytest

from supervisor.jobs import State
from tests.fakes.arr import KEY, FakeArr
from tests.fakes.receiver import Receiver
from tests.support.rtorrents import until
from tests.support.seedbox import Seedbox

pytestmark = pytest.mark.real

FILES = {b"a": 50_000, b"b/c": 7}


def test_what_happened_while_it_was_away_is_told_when_it_is_back_also_after_a_kill(tmp_path):
    with Seedbox(tmp_path) as box:

        def attempts(outcome):
            return box.supervisor.metric("seedcache_notifications_total", service="webhook", outcome=outcome)

        hook = Receiver()
        box.start(webhook_url=f"{hook.url}/T0KEN", webhook_events=["copied", "failed"], retry_delay=0.1)
        torrents = [box.seed(f"torrent {number}", FILES) for number in range(3)]
        torrents.append(box.seed("outside", FILES, label="../x"))
        for torrent in torrents[:3]:
            box.supervisor.wait_for(torrent.hash, State.CACHED)
        box.supervisor.wait_for(torrents[3].hash, State.FAILED)
        until(lambda: attempts("retry"), "tried")
        found = box.supervisor.run("check", "--json").stdout
        assert "attempts in vain" in found
        assert "T0KEN" not in found
        box.supervisor.kill()
        box.supervisor.start()
        with hook:
            until(lambda: attempts("sent") >= len(torrents), "it was told")  # a kill before would have it told again
            box.supervisor.victim("notifier").kill()
            late = box.seed("late", FILES)
            until(lambda: len(hook.posts) > len(torrents), "it was told by the next notifier too")
        told = [(post.body["id"], post.body["hash"]) for post in hook.posts]
        assert sorted(told) == told, "in the order in which it happened"
        assert sorted(job_hash for _, job_hash in told) == sorted(t.hash for t in [*torrents, late]), "each once"


def test_sonarr_is_told_while_the_webhook_hangs(tmp_path):
    with Seedbox(tmp_path) as box, FakeArr("sonarr") as arr, Receiver() as hook:
        hook.answers.clear()
        box.start(webhook_url=hook.url, webhook_events=["failed"], sonarr_url=arr.url, sonarr_api_key=KEY)
        box.seed("outside", FILES, label="../x")
        until(lambda: hook.posts, "the webhook has it in hand")
        torrent = box.seed("episode", FILES, label="sonarr")
        box.supervisor.wait_for(torrent.hash, State.CACHED)
        told = [command["downloadClientId"] for command in arr.commands]
        assert told == [torrent.hash]
        assert len(hook.posts) == 1, "it still hangs"


def test_check_announce_sends_a_test(tmp_path):
    with Seedbox(tmp_path) as box, Receiver() as hook, Receiver(apprise_keys={"k"}) as apprise:
        box.start(webhook_url=hook.url, apprise_url=f"{apprise.url}/notify/wrong")
        done = box.supervisor.run("check", "--announce")
        assert [post.body["event"] for post in hook.posts] == ["test"]
        assert "ok       webhook          took a test message" in done.stdout
        assert "error    apprise          Apprise has no configuration" in done.stdout
        assert done.returncode == 3
