"""How often rTorrent's session is looked at while it does not say yet where a torrent is."""

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


def save(now, saved_after):
    """Wait for a session that says so after that many seconds; return the pauses."""
    began, pauses = now[0], []

    def pause(seconds):
        pauses.append(seconds)
        now[0] += seconds

    rtorrent = SimpleNamespace(
        resume_directory=lambda _hash: b"/hdd" if now[0] - began >= saved_after else b"/ssd",
        guarded=lambda *_: True, session_path=lambda: b"/session", sync_session=lambda _hash: None,
    )  # fmt: skip
    try:
        switching._save(rtorrent, TORRENT, b"/hdd", pause, 60.0, asked=True)
    except Retryable:
        return [*pauses, None]
    return pauses


def test_a_session_that_is_written_soon_is_seen_soon(now):
    assert set(save(now, 0.05)) == {switching.POLL}


def test_one_that_is_not_written_is_looked_at_ever_less_often_and_given_up_in_the_end(now):
    *pauses, end = save(now, float("inf"))
    assert end is None
    assert pauses[-1] == switching.SELDOM
    assert all(before <= after for before, after in itertools.pairwise(pauses))
    assert len(pauses) < 350  # without end it is 12,000
    assert 60.0 <= sum(pauses) < 61.0


@pytest.mark.parametrize("after", [0.3, 5.0, 50.0])
def test_whenever_it_is_written_that_is_seen_a_quarter_of_a_second_later_at_most(now, after):
    assert sum(save(now, after)) <= after + switching.SELDOM
