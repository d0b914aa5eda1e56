"""What of an unfinished torrent is on its disk already, and what is still to come."""

import os
import threading
from functools import partial

import pytest

from supervisor.adapters import files
from supervisor.adapters.patience import Patience
from supervisor.dispatch import downloads
from supervisor.dispatch.downloads import Downloads
from tests.support.torrents import make_torrent, write_tree
from tests.unit.office import seen

PIECE = 16384


class Told:
    """Answers as rTorrent would that downloads one torrent: a quarter of it is known to be there."""

    def __init__(self, home):
        self._home = os.fsencode(home)
        data = write_tree(home / "ssd" / "show", {b"a": 3 * PIECE, b"b": PIECE})
        made = make_torrent(data, home / "made", piece_length=PIECE)
        os.rename(made.metafile, home / f"{made.hash}.torrent")
        self.torrent = seen(
            made.hash,
            os.fsencode(home / "ssd" / "show"),
            complete=False,
            size=made.size,
            left_bytes=made.size * 3 // 4,
            wanted_chunks=3,
        )

    def ask(self, *_calls):
        return [[self.torrent.hash, "", PIECE, 0]], self._home

    def session_path(self):
        return self._home

    def torrents(self, _view):
        return [self.torrent]


@pytest.fixture
def told(tmp_path):
    return Told(tmp_path)


def test_what_the_disk_has_is_not_to_come_again(told):
    (found,) = Downloads().ask(told)
    assert (found.taken, found.to_come) == (4 * PIECE, 0)
    os.truncate(os.path.join(told.torrent.directory, b"a"), PIECE)
    (found,) = Downloads().ask(told)
    assert (found.taken, found.to_come) == (2 * PIECE, 2 * PIECE)


def test_of_a_disk_that_does_not_answer_rtorrents_word_is_taken(told, monkeypatch):
    mended = threading.Event()

    def allocated(_info):
        mended.wait()
        return 4 * PIECE

    monkeypatch.setattr(files, "allocated", allocated)
    monkeypatch.setattr(downloads, "Patience", partial(Patience, 1.0))
    asked = Downloads()
    try:
        for _ in range(2):
            (found,) = asked.ask(told)
            assert (found.taken, found.to_come) == (PIECE, 3 * PIECE)
    finally:
        mended.set()
