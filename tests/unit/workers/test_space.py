"""What the space worker puts together: the lock, the switch, and the confirmation that the removal asks for."""

import os
from types import SimpleNamespace

import pytest

from supervisor.adapters import locks
from supervisor.errors import Busy, Retryable, Stopped
from supervisor.messages import Relocate
from supervisor.transfer import switching
from supervisor.workers.space import work_under
from tests.support.servers import listening, scripted
from tests.unit.transfer.box import Box


@pytest.fixture
def box(tmp_path):
    made = Box(tmp_path)
    made.add()
    made.deliver()
    return made


@pytest.fixture
def relocate(box, tmp_path, monkeypatch):
    """Return relocate(where it is for rTorrent, stopping): what the worker does when the switch seemed to go well."""
    monkeypatch.setattr(switching, "switch", lambda *_: switching.Switched(None))

    def do(directory, *, stopping=False):
        session = tmp_path / "session"
        session.mkdir()
        saved = os.fsencode(directory)
        (session / f"{box.torrent.hash}.torrent.rtorrent").write_bytes(b"d9:directory%d:%se" % (len(saved), saved))
        known = {
            "d.hash": box.torrent.hash, "d.name": box.name, "d.directory": str(directory), "d.is_multi_file": 1,
            "d.custom1": "", "d.complete": 1, "d.message": "", "session.path": str(session), "system.cwd": "/",
            "branch": "",
        }  # fmt: skip

        def answer(method, *columns):
            if method == "d.multicall2":
                told = [known.get(column.removesuffix("="), 0) for column in columns[2:]]
                return [[*told[:-1], ""]]
            return known.get(method, 0)

        with listening(scripted(answer)) as address:
            copy = box.copy_task()
            task = Relocate(
                1, copy.hash, copy.metainfo, copy.source, copy.destination, copy.ssd, copy.hdd,
                "scgi://{}:{}".format(*address),
            )  # fmt: skip
            worker = SimpleNamespace(report=lambda *_: None, stopping=lambda: stopping)
            return work_under(str(tmp_path / "locks"))(task, worker)

    return do


def test_what_rtorrent_has_on_the_hdd_leaves_the_ssd(box, relocate):
    assert relocate(box.destination).bytes_removed > 0
    assert list(box.ssd.rglob("*")) == []


def test_what_rtorrent_still_has_on_the_ssd_stays_there(box, relocate):
    before = box.on_ssd()
    with pytest.raises(Retryable, match="stays on the SSD"):
        relocate(box.source)
    assert box.on_ssd() == before


def test_one_that_is_told_to_stop_removes_nothing(box, relocate):
    before = box.on_ssd()
    with pytest.raises(Stopped):
        relocate(box.destination, stopping=True)
    assert box.on_ssd() == before


def test_two_never_relocate_at_once(box, relocate, tmp_path):
    before = box.on_ssd()
    with locks.hold(str(tmp_path / "locks" / "space.lock")), pytest.raises(Busy):
        relocate(box.destination)
    assert box.on_ssd() == before
