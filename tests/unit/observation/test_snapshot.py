import json
from dataclasses import asdict

import pytest

from supervisor.observation.snapshot import Disk, RTorrent, Snapshot, Worker, from_json, to_json

SNAPSHOT = Snapshot(
    1.5, 7, 1.0, "0.1", True, False, "",
    (Worker("space", "space", 8, True, 1.0, name_of_torrent="\udce9\x1b[31m"),),
    (Disk("ssd", "/ssd", 10, 5, trusted=True),),
    RTorrent(reachable=True, since=0.5),
    {"cached": 3}, {"cached": 0.5},
)  # fmt: skip


def changed(**values):
    return json.dumps(asdict(SNAPSHOT) | values).encode()


def test_a_snapshot_is_read_as_it_was_written():
    assert from_json(to_json(SNAPSHOT)) == SNAPSHOT
    assert to_json(SNAPSHOT).isascii()


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[]", b"{}", b"7", b"null", b'"x"', b"[" * 100_000, b"\xff", b'{"workers": 5}',
        changed(pid="8"), changed(pid=True), changed(at="now"), changed(at=float("nan")), changed(at=float("inf")),
        changed(jobs={"cached": "many"}), changed(jobs=[1]), changed(jobs={"cached": 10**400}),
        changed(workers=[7]), changed(workers=[{}]), changed(disks=[{"role": "ssd"}]), changed(rtorrent=None),
        changed(version=None), changed(unknown=1), changed(workers=[asdict(SNAPSHOT.workers[0]) | {"phase": ["x"]}]),
    ],
    ids=lambda data: repr(data)[:30],
)  # fmt: skip
def test_anything_else_is_no_snapshot(data):
    with pytest.raises((ValueError, TypeError)):
        from_json(data)
