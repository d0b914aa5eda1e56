"""How often rTorrent and its session are looked at while they do not say yet what is waited for."""

import itertools
from types import SimpleNamespace

import pytest

from supervisor.adapters import clock
from supervisor.errors import Retryable
from supervisor.transfer import switching

TORRENT = SimpleNamespace(hash="A" * 40, name="Show")


@pytest.fixture
def now(monkeypatch):
    time = [1000.0]
    monkeypatch.setattr(clock, "monotonic", lambda: time[0])
    return time


def save(rtorrent, pause):
    """Wait for the session."""
    switching._save(rtorrent, TORRENT, b"/hdd", pause, 60.0, asked=True)


def take(rtorrent, pause):
    """Wait for the end of a check after a switch."""
    switching._taken(rtorrent, TORRENT, b"/hdd", None, pause, 60.0)


def restore(rtorrent, pause):
    """Wait for the end of a check of the good copy."""
    switching._restore(rtorrent, TORRENT, b"/ssd", pause, 60.0)


def paused(wait, now, done_after):
    """Wait so for an rTorrent that has done it after so many seconds; return the pauses, and None if it gave up."""
    began, pauses = now[0], []

    def pause(seconds):
        pauses.append(seconds)
        now[0] += seconds

    def done():
        return now[0] - began >= done_after

    rtorrent = SimpleNamespace(
        resume_directory=lambda _hash: b"/hdd" if done() else b"/ssd",
        torrent=lambda _hash: SimpleNamespace(
            hashing=not done(), complete=True, directory=b"/hdd", **switching.SEEDING._asdict()
        ),
        custom=lambda *_: str(switching.SEEDING), guarded=lambda *_: True,
        session_path=lambda: b"/session", sync_session=lambda _hash: None,
    )  # fmt: skip
    try:
        wait(rtorrent, pause)
    except Retryable:
        return [*pauses, None]
    return pauses


WAITS = pytest.mark.parametrize("wait", [save, take, restore])


@WAITS
def test_what_is_done_soon_is_seen_soon(now, wait):
    assert set(paused(wait, now, 0.05)) == {switching.POLL}


@WAITS
def test_what_is_not_done_is_looked_at_ever_less_often_and_given_up_in_the_end(now, wait):
    *pauses, end = paused(wait, now, float("inf"))
    assert end is None
    assert pauses[-1] == switching.SELDOM
    assert all(before <= after for before, after in itertools.pairwise(pauses))
    assert len(pauses) < 350  # without end it is 12,000
    assert 60.0 <= sum(pauses) < 61.0


@WAITS
@pytest.mark.parametrize("after", [0.3, 5.0, 50.0])
def test_whenever_it_is_done_that_is_seen_a_quarter_of_a_second_later_at_most(now, wait, after):
    assert sum(paused(wait, now, after)) <= after + switching.SELDOM
