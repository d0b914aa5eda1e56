import math
import os
import subprocess
import sys
from xmlrpc import client as xmlrpc

import pytest

from supervisor.adapters.rtorrent import CLOSED, IDLE, RTorrent, set_root
from supervisor.errors import Retryable, RTorrentUnreachable, TorrentGone
from tests.support.servers import answering, listening, response, scripted

HASH = "0123456789ABCDEF0123456789ABCDEF01234567"
FIELDS = {
    "d.hash": HASH,
    "d.name": "A name",
    "d.directory": "/ssd/A name/",
    "d.is_multi_file": 1,
    "d.size_bytes": 5_000_000_000,
    "d.custom1": "tv%20shows%2Fold",
    "d.timestamp.finished": 1_700_000_000,
    "d.complete": 1,
    "d.ratio": 1500,
    "d.message": "",
    "d.timestamp.started": 1_600_000_000,
    "d.load_date": 1_650_000_000,
}
TRACKERS = 'cat="$t.multicall=d.hash=,t.scrape_complete=,cat={|},t.url=,cat={|}"'


def rtorrent(session, **fields):
    """Play an rTorrent that has the one torrent, with other values for some fields."""
    told = fields.pop("trackers", "")
    known = FIELDS | {"session.path": str(session), "system.cwd": "/", "view.size": 0} | fields
    known |= {"branch": told, TRACKERS: told}

    def answer(method, *arguments):
        if method == "d.multicall2":
            return [[known.get(column.removesuffix("="), 0) for column in arguments[2:]]]
        return known.get(method, 0)

    return scripted(answer)


def ask(handle, question):
    with listening(handle) as address:
        return question(RTorrent("scgi://{}:{}".format(*address)))


def test_a_torrent_is_read_by_one_request_and_all_torrents_by_another(tmp_path):
    requests = []

    def counting(connection):
        requests.append(connection)
        rtorrent(tmp_path)(connection)

    one, several = ask(counting, lambda client: (client.torrent(HASH), client.torrents()))
    assert [one] == several
    assert len(requests) == 2
    assert (one.hash, one.name, one.directory, one.base) == (HASH, "A name", b"/ssd/A name", b"/ssd/A name")
    assert (one.size, one.label, one.finished, one.ratio) == (5_000_000_000, "tv shows/old", 1_700_000_000.0, 1.5)
    assert (one.complete, one.active, one.multi) == (True, False, True)


@pytest.mark.parametrize(
    ("told", "hosts", "seeders"),
    [
        ("", (), 0),
        ("7|http://Tracker.Example.org:80/announce?key=a#b|", ("tracker.example.org",), 7),
        ("0|udp://b.org|12|https://u:p@a.b.org/x y|0|dht://|", ("b.org", "a.b.org"), 12),
        ("1|udp://[2001:DB8::1]:80/a|2|http://x.org/a|3|http://x.org/b|", ("2001:db8::1", "x.org"), 3),
        ("0|http://[broken|0|nonsense|0|http://|5|http://c.org|", ("broken", "c.org"), 5),
    ],
)
def test_the_hosts_of_its_trackers_are_told_and_the_most_seeders(tmp_path, told, hosts, seeders):
    one, (listed,) = ask(rtorrent(tmp_path, trackers=told), lambda client: (client.torrent(HASH), client.torrents()))
    assert one == listed
    assert (one.trackers, one.seeders) == (hosts, seeders)
    assert one.tracker == (hosts[0] if hosts else "")


def test_one_that_was_never_started_was_added_when_it_was_loaded(tmp_path):
    assert ask(rtorrent(tmp_path), lambda client: client.torrent(HASH)).added == 1_600_000_000
    never = rtorrent(tmp_path, **{"d.timestamp.started": 0, "d.state": 0})
    assert ask(never, lambda client: client.torrent(HASH)).added == 1_650_000_000


def test_one_whose_start_is_not_noted_yet_is_the_newest(tmp_path):
    starting = rtorrent(tmp_path, **{"d.timestamp.started": 0, "d.state": 1})
    assert ask(starting, lambda client: client.torrent(HASH)).added == math.inf


def test_the_data_of_a_single_file_is_below_its_directory(tmp_path):
    torrent = ask(rtorrent(tmp_path, **{"d.is_multi_file": 0}), lambda client: client.torrent(HASH))
    assert torrent.base == b"/ssd/A name/A name"


@pytest.mark.parametrize(
    ("told", "saved", "read"),
    [
        ("/ssd/caf?", b"/ssd/caf\xe9", b"/ssd/caf\xe9"),  # 0.9.8
        ("/ssd/caf%E9", b"/ssd/caf\xe9", b"/ssd/caf\xe9"),  # 0.16
        ("/ssd/100%41", b"/ssd/100%41", b"/ssd/100%41"),
        ("/ssd/line\nend", b"/ssd/line\rend", b"/ssd/line\rend"),
        ("/ssd/what?", b"/hdd/what?", b"/ssd/what?"),  # the session is older: it was re-pointed since
        ("/ssd/what?", None, b"/ssd/what?"),
        ("/ssd/plain", b"/hdd/plain", b"/ssd/plain"),
    ],
)
def test_a_directory_that_rtorrent_cannot_say_is_read_from_its_session(tmp_path, told, saved, read):
    if saved is not None:
        (tmp_path / f"{HASH}.torrent.rtorrent").write_bytes(b"d9:directory%d:%se" % (len(saved), saved))
    torrent = ask(rtorrent(tmp_path, **{"d.directory": told}), lambda client: client.torrent(HASH))
    assert torrent.directory == read


def test_a_session_that_may_not_be_read_does_not_take_the_list_down(tmp_path):
    (tmp_path / f"{HASH}.torrent.rtorrent").mkdir()
    (torrent,) = ask(rtorrent(tmp_path, **{"d.directory": "/ssd/what?"}), lambda client: client.torrents())
    assert torrent.directory == b"/ssd/what?"


def test_bytes_that_are_no_xml_do_not_take_the_list_down(tmp_path):
    def spoil(connection):
        class Spoiling:
            recv = connection.recv

            def sendall(self, data):
                connection.sendall(data.replace(b"A name", b"A\x01\x1b\xe9me"))

        rtorrent(tmp_path)(Spoiling())

    (torrent,) = ask(spoil, lambda client: client.torrents())
    assert torrent.name == "A??\N{REPLACEMENT CHARACTER}me"


def test_the_list_of_where_torrents_lie_asks_for_no_more(tmp_path):
    asked = []

    def counting(connection):
        class Counting:
            def recv(self, size):
                asked.append(connection.recv(size))
                return asked[-1]

            sendall = connection.sendall

        rtorrent(tmp_path)(Counting())

    (whole,) = ask(rtorrent(tmp_path), lambda client: client.torrents())
    (placed,) = ask(counting, lambda client: client.placed())
    for name in ("hash", "name", "directory", "multi", "size", "meta", "base"):
        assert getattr(placed, name) == getattr(whole, name)
    assert (asked[0].count(b"<string>d."), b"t.multicall" in asked[0]) == (6 + 1, False)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"<html><body>502 Bad Gateway</body></html>",
        b"<methodResponse><params></params></methodResponse>",
        b"<methodResponse><params><param><value><i4>x</i4></value></param></params></methodResponse>",
        response(5),
        response([]),
        response([[1]]),
        response([[]] * 22),
        response([[5], ["/"], ["/"]]),
        response([["x"]] * 22),
        response([[1]] * 22),
        response([["text"], ["/"], ["/"]]),
        response([[["too", "few"]], ["/"], ["/"]]),
        xmlrpc.dumps(xmlrpc.Fault(-506, "Method 'system.multicall' not defined")).encode(),
    ],
)
def test_nonsense_is_an_unreachable_rtorrent_and_not_a_crash(body):
    for question in (lambda client: client.torrent(HASH), lambda client: client.torrents()):
        with pytest.raises(RTorrentUnreachable, match=r"rTorrent at scgi://127\.0\.0\.1:\d+ "):
            ask(answering(body), question)


def test_nobody_at_the_socket_is_said_with_the_remedy(tmp_path):
    with pytest.raises(RTorrentUnreachable, match="is it running"):
        RTorrent(str(tmp_path / "rpc")).torrents()
    with pytest.raises(RTorrentUnreachable, match=r"rTorrent at http://127.0.0.1:9/RPC2 .* is it running") as error:
        RTorrent("http://me:secret@127.0.0.1:9/RPC2").torrents()
    assert "secret" not in str(error.value)


def test_an_empty_list_of_an_rtorrent_that_has_just_started_is_not_believed(tmp_path):
    (tmp_path / f"{HASH}.torrent").touch()
    (tmp_path / "rtorrent.lock").touch()

    def empty(method, *_):
        return {"d.multicall2": [], "session.path": str(tmp_path), "system.cwd": "/"}[method]

    with pytest.raises(RTorrentUnreachable, match="has just started"):
        ask(scripted(empty), lambda client: client.torrents())
    (tmp_path / "rtorrent.lock").unlink()
    assert ask(scripted(empty), lambda client: client.torrents()) == []


def refusing(fault, session):
    """Play an rTorrent that answers every command of a torrent with a fault."""
    known = {"session.path": str(session), "system.cwd": "/", "view.size": 0}
    return scripted(lambda method, *_: known.get(method, xmlrpc.Fault(-500, fault)))


@pytest.mark.parametrize("fault", ["Could not find info-hash.", "invalid parameters: info-hash not found"])
def test_a_torrent_that_rtorrent_does_not_know_is_gone_but_not_while_it_may_still_be_loading(tmp_path, fault):
    with pytest.raises(TorrentGone, match=HASH):
        ask(refusing(fault, tmp_path), lambda client: client.torrent(HASH))
    (tmp_path / f"{HASH}.torrent").touch()
    (tmp_path / "rtorrent.lock").touch()
    with pytest.raises(RTorrentUnreachable, match="has just started"):
        ask(refusing(fault, tmp_path), lambda client: client.torrent(HASH))


def test_a_command_that_rtorrent_refuses_may_be_tried_again(tmp_path):
    with pytest.raises(Retryable, match="Cannot change directory"):
        ask(refusing("Cannot change directory", tmp_path), lambda client: client.guarded(HASH, (IDLE, "d.close=")))


def test_each_step_is_guarded_by_rtorrent_itself():
    steps = ((IDLE, "d.close="), (CLOSED, set_root(b"/x")))
    asked = []
    handle = scripted(lambda *call: asked.append(call) or 0)
    assert ask(handle, lambda client: client.guarded(HASH, *steps))
    assert asked == [("branch", HASH, guard, "cat=BUSY", os.fsdecode(command)) for guard, command in steps]


@pytest.mark.parametrize(("answers", "done"), [([0, "BUSY"], False), (["BUSY", 0], False), ([0, 1], True)])
def test_a_step_that_a_guard_stopped_is_told(answers, done):
    steps = ((IDLE, "d.close="), (IDLE, "d.open="))
    handle = scripted(lambda *_: answers.pop(0))
    assert ask(handle, lambda client: client.guarded(HASH, *steps)) is done


def test_a_root_is_quoted_for_rtorrent_whatever_it_is_called():
    assert set_root(b'/hdd/a "b" \\c, $d.name= {e}') == b'd.directory_base.set="/hdd/a \\"b\\" \\\\c, $d.name= {e}"'


def test_no_more_of_pyrosimple_is_imported_than_the_proxy():
    code = "import sys, supervisor.adapters.rtorrent; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    ours = [name for name in loaded if name.startswith("pyrosimple")]
    assert ours == ["pyrosimple", "pyrosimple.io", "pyrosimple.io.scgi", "pyrosimple.util", "pyrosimple.util.rpc"]
    assert not {"requests", "dynaconf", "jinja2", "prompt_toolkit", "multiprocessing"} & set(loaded)


@pytest.mark.parametrize(
    "field",
    [
        {"d.hash": "../../etc/passwd"},
        {"d.hash": HASH.lower()},
        {"d.hash": 7},
        {"d.name": 7},
        {"d.size_bytes": "5"},
        {"d.hashing": []},
        {"d.ratio": "a"},
        {"d.timestamp.finished": "then"},
        {"d.peers_connected": {"x": 1}},
    ],
    ids=repr,
)
def test_a_value_of_another_kind_is_no_sensible_answer(tmp_path, field):
    """What is believed here ends up in the journal, and the hash in names of files."""
    with pytest.raises(RTorrentUnreachable, match="no sensible answer"):
        ask(rtorrent(tmp_path, **field), lambda client: client.torrent(HASH))


def test_a_nest_of_lists_is_no_sensible_answer():
    nest = "<array><data><value>" * 5000 + "</value></data></array>" * 5000
    body = f"<methodResponse><params><param><value>{nest}</value></param></params></methodResponse>".encode()
    with pytest.raises(RTorrentUnreachable, match="no sensible answer"):
        ask(answering(response(body)), lambda client: client.versions())


def test_an_answer_without_end_is_cut_off(monkeypatch):
    monkeypatch.setattr("supervisor.adapters.scgi._LARGEST", 1 << 20)
    with pytest.raises(RTorrentUnreachable, match="larger than 1 MiB"):
        ask(answering(b"Status: 200 OK\r\n\r\n" + b"x" * (2 << 20)), lambda client: client.versions())


@pytest.mark.timeout(20)
@pytest.mark.parametrize("url", ["http://x/" + "1" * 300_000, "http://x/" + "9" * 5000 + "|http://y/"])
def test_a_trackers_address_that_is_made_to_be_read_for_ever_is_not(tmp_path, url):
    found = ask(rtorrent(tmp_path, trackers=f"7|{url}|"), lambda client: client.torrents())
    assert found[0].trackers[0] == "x"
