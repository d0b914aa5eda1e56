"""The parent's loop, one turn of it: no process around it, and a clock that a test sets."""

from types import SimpleNamespace

import pytest

from supervisor import spool
from supervisor.adapters import clock
from supervisor.arbiter import Arbiter
from supervisor.settings import Settings

HASH = "A" * 40


@pytest.fixture
def arbiter(tmp_path):
    for name in ("ssd", "hdd", "spool", "run"):
        (tmp_path / name).mkdir()
    settings = Settings(
        download_path_ssd=str(tmp_path / "ssd"), final_dest_base_hdd=(str(tmp_path / "hdd"),), scgi_url="/rpc",
        state_dir=str(tmp_path),
    )  # fmt: skip
    made = Arbiter(settings, lambda: settings)
    made._fleet = SimpleNamespace(send=lambda *_: None, give_up=None)
    made._relief.look(clock.now(), settings)
    yield made
    made._journal.close()


def test_what_came_in_while_the_spool_was_read_is_told_with_a_time_that_is_no_earlier(arbiter, monkeypatch):
    """Reading it may take long; an event that is older than its submission would be that of another one."""
    now, real = [1_800_000_000.0], spool.scan

    def slowly(state_dir):
        now[0] += 60.0
        spool.write(state_dir, HASH, "finished")
        return real(state_dir)

    monkeypatch.setattr(clock, "now", lambda: now[0])
    monkeypatch.setattr(spool, "scan", slowly)
    arbiter._turn()
    (event,) = arbiter._journal.events(HASH)
    assert (event.action, event.at) == ("submitted", now[0])
