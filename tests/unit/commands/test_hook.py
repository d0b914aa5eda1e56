import os
import stat

import pytest

from supervisor import spool
from supervisor.adapters.rtorrent import RTorrent
from supervisor.commands import hook
from supervisor.errors import ConfigurationError, InvalidInput
from supervisor.settings import Settings
from tests.support.needs import ROOT, need_root
from tests.support.rtorrents import until
from tests.support.torrents import make_torrent

SUBMIT = os.path.join(ROOT, "bin", "seedcache-submit")
LINE = 'method.set_key = event.download.finished, seedcache, "execute.nothrow.bg=/opt/submit,-d,/var/lib/x,$d.hash="'
SECOND = (
    "method.set_key = event.download.inserted_new, seedcache, "
    '"execute.nothrow.bg=/opt/submit,-d,/var/lib/x,-e,inserted,$d.hash="'
)


def settings(state_dir="/var/lib/x"):
    return Settings(download_path_ssd="/ssd", final_dest_base_hdd=("/hdd",), scgi_url="/rpc", state_dir=str(state_dir))


# -- the lines ---------------------------------------------------------------------------------------------------------


def test_the_lines_name_program_state_and_hash_and_run_in_the_background():
    assert hook.print_lines(settings(), "/opt/submit") == [LINE, SECOND]


def test_a_path_with_spaces_commas_and_quotes_is_quoted_twice():
    line, _ = hook.print_lines(settings('/a b/"c",d'), "/opt/submit")
    assert line.endswith(', "execute.nothrow.bg=/opt/submit,-d,\\"/a b/\\\\\\"c\\\\\\",d\\",$d.hash="')


@pytest.mark.parametrize("path", ["relative", "", "/a\nb", "/a\0b", "/a\x7f"])
def test_a_path_that_cannot_stand_in_the_file_is_refused_by_name(path):
    with pytest.raises(InvalidInput, match="cannot stand in rTorrent's rc file"):
        hook.command(path, "/opt/submit")


def test_the_program_beside_this_interpreter_is_found():
    found = hook.submit_path()
    assert os.path.isabs(found)
    assert os.access(found, os.X_OK)


def test_without_the_program_the_message_says_where_it_was_looked_for(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match=str(tmp_path)):
        hook.submit_path()


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ("execute.nothrow.bg=/x/s,-d,/y,$d.hash=", ["execute.nothrow.bg", "/x/s", "-d", "/y", "$d.hash="]),
        (
            'execute.nothrow.bg="/x y/s",-d,"/a\\"b,c",$d.hash=',
            ["execute.nothrow.bg", "/x y/s", "-d", '/a"b,c', "$d.hash="],
        ),
        ("((execute.nothrow.bg, /opt/x/submit, ((d.hash))))", ["execute.nothrow.bg", "/opt/x/submit", "((d.hash))"]),
        ("view.filter_download=complete", ["view.filter_download", "complete"]),
        ("", []),
    ],
)
def test_both_notations_of_rtorrent_are_read(told, words):
    assert hook.words(told) == words


def test_what_is_written_can_be_read_again():
    assert hook.words(hook.command('/a b/"c",d\\', "/opt/submit")) == [
        "execute.nothrow.bg", "/opt/submit", "-d", '/a b/"c",d\\', "$d.hash=",
    ]  # fmt: skip


# -- the rc file -------------------------------------------------------------------------------------------------------


@pytest.fixture
def rc(tmp_path):
    path = tmp_path / "rtorrent.rc"
    path.write_bytes(b"session.path.set = /s\n")
    path.chmod(0o640)
    return path


def test_the_line_goes_between_markers_and_the_rest_stays(rc):
    hook.install(str(rc), [LINE])
    assert rc.read_bytes() == b"session.path.set = /s\n# seedcache begin\n" + LINE.encode() + b"\n# seedcache end\n"
    assert (rc.parent / "rtorrent.rc.before-seedcache").read_bytes() == b"session.path.set = /s\n"


def test_twice_is_once(rc):
    hook.install(str(rc), [LINE])
    once = rc.read_bytes()
    inode = rc.stat().st_ino
    assert "already" in hook.install(str(rc), [LINE])
    assert rc.read_bytes() == once
    assert rc.stat().st_ino == inode


def test_a_new_line_takes_the_place_of_the_old_one_wherever_it_stands(rc):
    hook.install(str(rc), ["old"])
    with rc.open("ab") as file:
        file.write(b"later = 1\n")
    hook.install(str(rc), [LINE])
    assert rc.read_bytes().endswith(b"# seedcache begin\n" + LINE.encode() + b"\n# seedcache end\nlater = 1\n")
    assert b"old" not in rc.read_bytes()


def test_a_file_without_a_newline_at_its_end_keeps_its_last_line(rc):
    rc.write_bytes(b"a = b")
    hook.install(str(rc), [LINE])
    assert rc.read_bytes().startswith(b"a = b\n# seedcache begin\n")


def test_mode_and_owner_stay(rc):
    if os.geteuid() == 0:
        os.chown(rc, 1234, 4321)
    before = rc.stat()
    hook.install(str(rc), [LINE])
    after = rc.stat()
    assert stat.S_IMODE(after.st_mode) == 0o640
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)


def test_a_link_stays_a_link_and_its_target_is_changed(rc, tmp_path):
    link = tmp_path / "link.rc"
    link.symlink_to(rc)
    hook.install(str(link), [LINE])
    assert link.is_symlink()
    assert LINE in rc.read_text()


@pytest.mark.parametrize(
    "content",
    [
        b"# seedcache begin\nx\n",
        b"# seedcache end\nx\n# seedcache begin\n",
        2 * b"# seedcache begin\n# seedcache end\n",
    ],
)
def test_markers_that_make_no_sense_are_left_to_a_person(rc, content):
    rc.write_bytes(content)
    with pytest.raises(ConfigurationError, match="marker"):
        hook.install(str(rc), [LINE])
    assert rc.read_bytes() == content


def test_a_file_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(ConfigurationError, match="No such file"):
        hook.install(str(tmp_path / "no.rc"), [LINE])
    assert os.listdir(tmp_path) == []


# -- a real rTorrent ---------------------------------------------------------------------------------------------------

HOSTILE = 'st ate, "quoted" $and {braces}; \\back #é'


@pytest.fixture
def state(tmp_path):
    path = tmp_path / HOSTILE
    (path / "spool").mkdir(parents=True)
    return path


def download(tmp_path, rtorrents, version, sink):
    data = tmp_path / "seed" / "torrent"
    data.mkdir(parents=True)
    (data / "file").write_bytes(os.urandom(100_000))
    torrent = make_torrent(data, tmp_path / "a.torrent")
    source = rtorrents(version)
    source.seed(torrent, tmp_path / "seed")
    sink.load(torrent)
    sink.add_peer(torrent, source)
    sink.wait_complete(torrent)
    return torrent


@pytest.mark.real
def test_the_printed_lines_have_a_real_rtorrent_tell_what_it_was_given_and_has_downloaded(
    rtorrents, rtorrent_version, tmp_path, state
):
    lines = "\n".join(hook.print_lines(settings(state), SUBMIT))
    torrent = download(tmp_path, rtorrents, rtorrent_version, rtorrents(rtorrent_version, lines))
    until(lambda: len(spool.scan(str(state))[0]) == 2, "the hooks ran")
    assert {entry[1:] for entry in spool.scan(str(state))[0]} == {
        (torrent.hash, "inserted"),
        (torrent.hash, "finished"),
    }


@pytest.mark.real
def test_installed_live_it_works_at_once_and_is_told_back_as_it_was_given(rtorrents, rtorrent_version, tmp_path, state):
    sink = rtorrents(rtorrent_version)
    client = RTorrent(sink.url)
    hook.install_live(client, str(state), SUBMIT)
    told = [hook.words(client.hooks(event)["seedcache"]) for event in (hook.FINISHED, hook.INSERTED)]
    assert told[0] == ["execute.nothrow.bg", SUBMIT, "-d", str(state), "$d.hash="]
    assert told[1] == ["execute.nothrow.bg", SUBMIT, "-d", str(state), "-e", "inserted", "$d.hash="]
    torrent = download(tmp_path, rtorrents, rtorrent_version, sink)
    until(lambda: len(os.listdir(state / "spool")) == 2, "the hooks ran")
    assert sorted(os.listdir(state / "spool")) == [f"{torrent.hash}.finished", f"{torrent.hash}.inserted"]


def test_root_does_not_follow_another_users_link(rc, tmp_path):
    need_root()
    link = tmp_path / "link.rc"
    link.symlink_to(rc)
    os.lchown(link, 1234, 1234)
    with pytest.raises(ConfigurationError, match="user 1234's link to somebody else's"):
        hook.install(str(link), [LINE])
    assert rc.read_bytes() == b"session.path.set = /s\n"
    os.chown(rc, 1234, 1234)
    hook.install(str(link), [LINE])
    assert LINE.encode() in rc.read_bytes()
