"""The whole life of torrents: downloaded, copied, announced, switched when space is low, seeded from the HDD."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from supervisor.jobs import Event, Job, Proof, State
from supervisor.notifiers.webhook import signature
from tests.fakes.arr import KEY, FakeArr
from tests.fakes.receiver import Post, Receiver
from tests.support.rtorrents import VERSIONS, until
from tests.support.seedbox import MIB, Seedbox, cached, fill, forget
from tests.support.torrents import AWKWARD, Torrent, contents

pytestmark = pytest.mark.real

THRESHOLD = 24 * MIB  # free bytes of the SSD below which torrents leave it

MANY = {b"%02d/%04d file.bin" % (number % 60, number): number % 700 for number in range(3000)}  # five are empty

# name -> (sizes, label as it is stored in rTorrent, its directory on the HDD)
LIVES: dict[str, tuple[Any, str, str]] = {
    " The $how, 'S01' \"complete\" \N{ROCKET} ": (AWKWARD, "tv", "tv"),
    "-a film (2020) & more, 100%.mkv": (3 * MIB + 17, "films%2F4K%20HDR", "films/4K HDR"),
    "three thousand": (MANY, "", ""),
    "paused": ({b"a": 70_000, b"b/c": 1}, "tv", "tv"),
    "stopped": (50_000, "tv", "tv"),
    "closed": ({b"x": 40_000, b"empty": 0}, "tv", "tv"),
    "stopped and closed": (60_000, "", ""),
}
OUTSIDE = "outside"  # labelled ../../x


@dataclass
class Life:
    """What was seen."""

    box: Seedbox
    torrents: dict[str, Torrent] = field(default_factory=dict)
    originals: dict[str, dict[bytes, bytes]] = field(default_factory=dict)
    before: dict[str, list[Any]] = field(default_factory=dict)  # how rTorrent had it: cached, on both disks
    after: dict[str, list[Any]] = field(default_factory=dict)  # relocated
    jobs: dict[str, Job] = field(default_factory=dict)
    events: dict[str, list[Event]] = field(default_factory=dict)
    read: dict[str, int] = field(default_factory=dict)  # bytes of the HDD copy that were read by the switch
    restarted: dict[str, str] = field(default_factory=dict)  # d.directory after rTorrent was killed and started
    arrived: dict[str, dict[bytes, bytes]] = field(default_factory=dict)
    told: list[dict[str, Any]] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)  # to the webhook
    stood_on_both: bool = False

    def look(self, name: str) -> list[Any]:
        """Return what must not change."""
        fields = ("d.state", "d.is_open", "d.is_active", "d.complete", "d.up.total", "d.custom1", "d.throttle_name")
        return self.box.client.multi(*((field, self.torrents[name].hash) for field in fields))


@pytest.fixture(scope="module", params=VERSIONS)
def life(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    with Seedbox(tmp_path_factory.mktemp("life"), request.param) as box, FakeArr("sonarr") as arr, Receiver() as hook:
        box.start(
            webhook_url=f"{hook.url}/T0KEN",
            webhook_secret="s3cret",
            sonarr_url=arr.url,
            sonarr_api_key=KEY,
            sonarr_tag="tv",
            disk_space_threshold_gb=THRESHOLD / 1024**3,
            rpc_timeout=20,  # each goes through every state once, however long three thousand files take rTorrent
        )
        seen = Life(box)
        _download(seen)
        _low_space(seen)
        seen.told, seen.posts = arr.commands, hook.posts
        yield seen


def _download(seen: Life) -> None:
    box = seen.box
    seeder = box.rtorrent("seeder")
    data = box.home / "seeder" / "data"
    for name, (sizes, label, _) in {**LIVES, OUTSIDE: ({b"f": 1000}, "../../x", "")}.items():
        torrent = seen.torrents[name] = box.make(name, sizes, data, piece_length=16384)
        seen.originals[name] = contents(data / name)
        seeder.seed(torrent, data)
        box.client.load(torrent, box.ssd, extra=f'd.custom1.set="{label}" ; d.throttle_name.set=slow')
    for name in seen.torrents:
        until(lambda name=name: box.client.call("d.is_active", seen.torrents[name].hash), "it takes peers")
        box.client.add_peer(seen.torrents[name], seeder)
    for name in LIVES:
        box.client.wait_complete(seen.torrents[name])
        box.supervisor.wait_for(seen.torrents[name].hash, State.CACHED)
    box.supervisor.wait_for(seen.torrents[OUTSIDE].hash, State.FAILED)
    seeder.close()  # from here on the client is the only one that has them


def _low_space(seen: Life) -> None:
    box, client = seen.box, seen.box.client
    first = next(iter(LIVES))
    box.download(seen.torrents[first], client, "before")  # so that there is something uploaded
    client.call("d.pause", seen.torrents["paused"].hash)
    client.call("d.stop", seen.torrents["stopped"].hash)
    client.call("d.close", seen.torrents["closed"].hash)
    client.multi(*((method, seen.torrents["stopped and closed"].hash) for method in ("d.stop", "d.close")))
    for name, torrent in seen.torrents.items():
        box.unmark(torrent)
        seen.before[name] = seen.look(name)
    seen.stood_on_both = all(
        contents(box.path(box.ssd, seen.torrents[name])) == seen.originals[name]
        and contents(box.path(box.hdd, seen.torrents[name], place)) == seen.originals[name]
        for name, (_, _, place) in LIVES.items()
    )
    for name, (_, _, place) in LIVES.items():
        forget(box.path(box.hdd, seen.torrents[name], place))
    data = sum(item.stat().st_blocks * 512 for item in box.ssd.rglob("*") if item.is_file())
    fill(box.ssd, THRESHOLD - data - MIB)  # it stays low until nothing is left
    for name in LIVES:
        box.supervisor.wait_for(seen.torrents[name].hash, State.RELOCATED)
    for name, torrent in seen.torrents.items():
        seen.after[name] = seen.look(name)
        if name in LIVES:
            seen.read[name] = cached(box.path(box.hdd, torrent, LIVES[name][2]))
        seen.jobs[name] = box.supervisor.job(torrent.hash)
        seen.events[name] = box.supervisor.events(torrent.hash)
    for name in list(LIVES)[:3]:
        seen.arrived[name] = box.download(seen.torrents[name], client, f"after {name[:8]}")
    client.kill()
    client.start()
    for name, torrent in seen.torrents.items():
        client.wait_complete(torrent)
        seen.restarted[name] = box.directory(torrent)


@pytest.mark.parametrize("name", LIVES)
def test_it_is_on_the_hdd_byte_for_byte_and_no_longer_on_the_ssd(life, name):
    torrent, (_, _, place) = life.torrents[name], LIVES[name]
    assert contents(life.box.path(life.box.hdd, torrent, place)) == life.originals[name]
    assert not life.box.path(life.box.ssd, torrent).exists()
    assert life.jobs[name].proof is Proof.READ_BACK


def test_it_lay_on_both_disks_until_space_was_low(life):
    assert life.stood_on_both


@pytest.mark.parametrize("name", list(LIVES)[:3])
def test_another_client_downloads_it_from_the_hdd_copy(life, name):
    assert life.arrived[name] == life.originals[name]


@pytest.mark.parametrize("name", [*LIVES, OUTSIDE])
def test_state_upload_total_label_and_throttle_are_as_before(life, name):
    assert life.after[name] == life.before[name]


def test_the_states_were_what_they_should_be(life):
    states = {name: found[:3] for name, found in life.before.items()}
    assert states["three thousand"] == [1, 1, 1]
    assert states["paused"] == [1, 1, 0]
    assert states["stopped"][0] == 0
    assert states["closed"][1] == 0
    assert states["stopped and closed"][:2] == [0, 0]
    assert life.before[next(iter(LIVES))][4] > 0  # uploaded
    assert life.before["paused"][6] == "slow"


@pytest.mark.parametrize("name", LIVES)
def test_it_was_not_hashed_again(life, name):
    assert life.read[name] == 0


def test_a_hash_check_would_have_been_seen(life):
    torrent = life.torrents["three thousand"]
    forget(life.box.path(life.box.hdd, torrent))
    life.box.client.call("d.check_hash", torrent.hash)
    until(lambda: cached(life.box.path(life.box.hdd, torrent)) >= torrent.size, "all of it was read")
    life.box.client.wait_complete(torrent)


@pytest.mark.parametrize("name", LIVES)
def test_it_went_through_every_state_once(life, name):
    states = [event.action for event in life.events[name] if event.action in set(State)]
    once = [state for number, state in enumerate(states) if state != states[number - 1] or not number]
    assert once == ["submitted", "copying", "copied", "notified", "cached", "relocating", "relocated"]


@pytest.mark.parametrize("name", LIVES)
def test_the_log_tells_its_life_in_about_ten_lines(life, name):
    of_it = f" hash={life.torrents[name].hash}"
    told = [line for line in life.box.supervisor.said().splitlines() if of_it in line and " level=debug " not in line]
    actions = [line.partition(" action=")[2].partition(" ")[0] for line in told]
    assert actions == [event.action for event in life.events[name]]
    assert 8 <= len(actions) <= 12


def test_a_label_that_leads_outside_is_refused_and_its_torrent_seeds_on_from_the_ssd(life):
    box, torrent = life.box, life.torrents[OUTSIDE]
    assert life.jobs[OUTSIDE].state is State.FAILED
    assert "../../x" in life.jobs[OUTSIDE].reason
    assert contents(box.path(box.ssd, torrent)) == life.originals[OUTSIDE]
    assert box.seeds_from(box.ssd, torrent)
    assert {path.name for path in box.hdd.iterdir()} == {
        "lost+found",
        "tv",
        "films",
        "three thousand",
        "stopped and closed",
    }
    assert not (box.hdd.parent / "x").exists()
    assert not (box.hdd.parent.parent / "x").exists()


def test_sonarr_was_told_of_its_label_only_and_to_copy(life):
    mine = {life.torrents[name].hash for name, (_, label, _) in LIVES.items() if label == "tv"}
    assert {command["downloadClientId"] for command in life.told} == mine
    assert len(life.told) == len(mine)
    for command in life.told:
        name = next(name for name, torrent in life.torrents.items() if torrent.hash == command["downloadClientId"])
        assert command["importMode"] == "Copy"
        assert command["path"] == str(life.box.path(life.box.hdd, life.torrents[name], "tv"))


def test_the_webhook_was_told_once_of_each_that_failed_or_was_relocated(life):
    until(lambda: len(life.posts) > len(LIVES), "it was told of all")
    told = [(post.body["event"], post.body["hash"]) for post in life.posts]
    expected = [("relocated", life.torrents[name].hash) for name in LIVES]
    assert sorted(told) == sorted([*expected, ("failed", life.torrents[OUTSIDE].hash)])
    assert {post.headers["X-Seedcache-Signature"] for post in life.posts} == {
        signature("s3cret", post.content) for post in life.posts
    }
    assert {post.body["name"] for post in life.posts} == {*LIVES, OUTSIDE}


def test_no_secret_is_in_the_log_or_the_state(life):
    kept = [path.read_bytes() for path in life.box.supervisor.state.rglob("*") if path.is_file()]
    for secret in (b"T0KEN", b"s3cret", KEY.encode()):
        assert secret not in life.box.supervisor.said().encode()
        assert not any(secret in content for content in kept)


def test_nothing_of_ours_is_left_on_the_disks(life):
    assert life.box.partials() == []
    assert {os.fsdecode(entry) for entry in os.listdir(life.box.ssd)} == {"lost+found", "ballast", OUTSIDE}


def test_the_pages_and_the_metrics_tell_of_it(life):
    supervisor = life.box.supervisor
    assert supervisor.metric("seedcache_relocations_total") == len(LIVES)
    assert supervisor.metric("seedcache_switch_outage_seconds_count") == len(LIVES)
    assert supervisor.metric("seedcache_jobs", state="relocated") == len(LIVES)
    assert supervisor.metric("seedcache_worker_restarts_total", role="copier") == 0
    until(lambda: supervisor.get("/-/ready")[0] == 200, "it has asked rTorrent since that was started again")


@pytest.mark.parametrize("name", [*LIVES, OUTSIDE])
def test_a_client_that_was_killed_comes_back_with_it_where_it_is(life, name):
    box, torrent = life.box, life.torrents[name]
    root, place = (box.hdd, LIVES[name][2]) if name in LIVES else (box.ssd, "")
    assert life.restarted[name] == str(box.path(root, torrent, place) if torrent.multi else root / place)
