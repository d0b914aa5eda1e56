"""What rTorrent is asked for many torrents at once, and where they are after that."""

import os
import queue
from pathlib import Path
from xmlrpc import client as xmlrpc

import pytest

from supervisor.adapters.resolving import all_resolved, resolved
from supervisor.dispatch.inquirer import Inquirer, Located, Surveyed, Unlisted, metainfo_path
from tests.support.rtorrents import until
from tests.support.servers import listening, scripted
from tests.support.torrents import make_torrent, write_tree
from tests.unit.office import a_hash, seen

MANY = 200


@pytest.fixture
def maze(tmp_path):
    """A directory with symlinks on every level."""
    real = tmp_path / "real"
    for name in ("show", "film"):
        (real / name).mkdir(parents=True)
    (tmp_path / "ssd").symlink_to("real")
    (real / "link").symlink_to("show")
    (real / "loop").symlink_to("loop")
    return tmp_path


def test_many_are_where_each_alone_would_be(maze):
    paths = [
        *("real", "real/show", "ssd", "ssd/show", "ssd/film", "ssd/link", "ssd/link/x", "real/loop", "gone", "gone/y"),
        *("ssd/./show", "ssd/../ssd/film", "ssd/show/..", "ssd/."),
    ]
    torrents = [seen(a_hash(n), os.fsencode(f"{maze}/{path}")) for n, path in enumerate(paths)]
    torrents += [seen(a_hash(90), b"/"), seen(a_hash(91), b"/nowhere"), seen(a_hash(92), os.fsencode(maze) + b"/\xff")]
    assert all_resolved(torrents) == [resolved(torrent) for torrent in torrents]


class Played:
    """An rTorrent with many torrents, and what it was asked."""

    def __init__(self, home: Path) -> None:
        self.session = home / "session"
        self.session.mkdir()
        self.torrents = {}
        for number in range(MANY):
            data = write_tree(home / "data" / str(number), {b"f": 10}, seed=number)
            torrent = make_torrent(data, home / "torrent")
            (home / "torrent").rename(self.session / f"{torrent.hash}.torrent")
            self.torrents[torrent.hash] = [
                torrent.hash, str(number), os.fsdecode(data), 1, 10, 0, "", 5, 1, 0, 1, 1, 1, 0, 0, 1000,
                0, 0, 0, "", 4, 4, "0|http://127.0.0.1:9/announce|",
            ]  # fmt: skip
        self.asked: list[str] = []

    def answer(self, method, *_arguments):
        self.asked.append(method)
        match method:
            case "d.multicall2":
                return list(self.torrents.values())
            case "session.path" | "system.cwd":
                return str(self.session)
            case "view.size":
                return len(self.torrents)
        return xmlrpc.Fault(-500, "Could not find info-hash.")


@pytest.fixture
def played(tmp_path):
    return Played(tmp_path)


@pytest.fixture
def asked(played, tmp_path):
    """An inquirer that asks it, and what it answers."""
    (tmp_path / "metainfo").mkdir()
    answers = queue.SimpleQueue()
    with listening(scripted(played.answer), str(tmp_path / "rpc")):
        inquirer = Inquirer(str(tmp_path), str(tmp_path / "ssd"), str(tmp_path / "rpc"), 5.0, answers.put)
        yield inquirer, answers
        inquirer.leave()
        inquirer.join(60)


def test_a_survey_is_one_request(played, asked):
    inquirer, answers = asked
    inquirer.survey()
    inquirer.start()
    until(lambda: isinstance(answers.get(timeout=60), Surveyed), "it has answered")
    assert played.asked == ["d.multicall2", "session.path", "system.cwd"]


def test_many_that_are_looked_up_are_one_request_and_all_metafiles_are_kept(played, asked, tmp_path):
    inquirer, answers = asked
    for job_hash in played.torrents:
        inquirer.look_up(job_hash)
    inquirer.start()
    located = []
    while len(located) < MANY:
        if isinstance(answer := answers.get(timeout=60), Located):
            located.append(answer.hash)
    assert sorted(located) == sorted(played.torrents)
    assert played.asked == ["d.multicall2", "session.path", "system.cwd"]
    assert all(os.path.exists(metainfo_path(str(tmp_path), job_hash)) for job_hash in located)


def test_one_that_the_list_lacks_is_asked_for_by_name(played, asked):
    inquirer, answers = asked
    for job_hash in [*played.torrents, a_hash(1)]:
        inquirer.look_up(job_hash)
    inquirer.start()
    found = [answers.get(timeout=60)]
    while not isinstance(found[-1], Unlisted):
        found.append(answers.get(timeout=60))
    assert found[-1].hash == a_hash(1)
    assert sum(isinstance(answer, Located) for answer in found) == MANY


def test_what_nobody_expected_does_not_end_the_thread(tmp_path, monkeypatch):
    """Without it no torrent would ever be looked up again."""
    answers = queue.SimpleQueue()
    inquirer = Inquirer(str(tmp_path), "/ssd", "/nowhere", 1.0, answers.put)
    monkeypatch.setattr("supervisor.adapters.rtorrent.RTorrent.__init__", lambda *_: 1 / 0)
    inquirer.start()
    try:
        assert "unexpected ZeroDivisionError" in answers.get(timeout=60).error
        monkeypatch.undo()
        # It may have tried once more before that.
        until(lambda: "its socket is not there" in answers.get(timeout=60).error, "it goes on")
    finally:
        inquirer.leave()
        inquirer.join()
