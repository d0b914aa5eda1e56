"""Whatever comes from outside is read as what it is, or refused by the errors that are meant for it; nothing else.

Each test is a property of one reader. As tests they run a bounded sample; `script/fuzz` drives the same properties by
coverage, for as long as it is told. What was ever found stands here as an example.
"""

import contextlib
import hashlib
import http.client
import io
import json
import os
import string
import tempfile
from dataclasses import asdict, fields
from unittest import mock
from xmlrpc import client as xmlrpc

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from supervisor import logs, spool, submit
from supervisor.adapters import bencode, scgi, session, spelling
from supervisor.adapters import http as services
from supervisor.adapters.rtorrent import RTorrent
from supervisor.adapters.torrents import Placed
from supervisor.commands import arguments, display, hook, plain, screen, status
from supervisor.commands.reader import Daemon, daemon
from supervisor.configuration import forms, secret_forms
from supervisor.errors import ConfigurationError, Refused, Retryable, RTorrentUnreachable, TorrentGone
from supervisor.jobs import State
from supervisor.notifiers.table import map_path
from supervisor.observation.metrics import Metrics
from supervisor.observation.snapshot import Disk, Snapshot, Worker, from_json, to_json
from supervisor.observation.snapshot import RTorrent as Seen
from supervisor.settings import load
from supervisor.transfer import metainfo
from tests.support.torrents import bencode as bencoded

HASH = "0123456789ABCDEF0123456789ABCDEF01234567"
SHM = "/dev/shm" if os.path.isdir("/dev/shm") else None

bounded = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

# -- what a stranger might write ---------------------------------------------------------------------------------------

TEXT = st.text() | st.text("/.%\\\"'\x00\x1b\r\n \u202e\ufffd?&<>=,;$[]{}()|:@", max_size=40)
BYTES = st.binary(max_size=200)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=12,
)  # fmt: skip
# Bencoding: well made of anything, and bytes that look like it.
NAMES = st.binary(max_size=20) | st.sampled_from(
    [b"", b".", b"..", b"a/b", b"a\0", b"x" * 256, b"\xff", b".seedcache-x"]
)
BENCODABLE = st.recursive(
    st.integers(-(2**70), 2**70) | NAMES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
SCRAPS = st.lists(
    st.sampled_from([b"d", b"l", b"e", b"i1e", b"i-0e", b"0:", b"-3:", b"4:info", b"99999999999:", b"1:a", b"5:files"])
    | st.binary(max_size=4),
    max_size=30,
).map(b"".join)  # fmt: skip
FILES = st.lists(
    st.fixed_dictionaries(
        {"path": st.lists(NAMES, max_size=4), "length": st.integers(-1, 2**61) | NAMES},
        optional={"attr": NAMES},
    ),
    max_size=4,
)
INFO = st.fixed_dictionaries(
    {},
    optional={
        "name": NAMES | st.integers(),
        "piece length": st.integers(-1, 2**33) | NAMES,
        "pieces": st.integers(0, 3).map(lambda count: bytes(20 * count)) | NAMES,
        "length": st.integers(-1, 2**62) | NAMES,
        "files": FILES | NAMES | st.integers(),
        "meta version": st.integers(0, 3),
    },
)
# A torrent that is right but for its names.
SOUND = st.builds(
    lambda name, files: {
        "name": name,
        "piece length": 16384,
        "pieces": bytes(20 * -(-sum(size for _, size in files) // 16384)),
        "files": [{"path": path, "length": size} for path, size in files],
    },
    NAMES,
    st.lists(st.tuples(st.lists(NAMES, min_size=1, max_size=3), st.integers(0, 50_000)), min_size=1, max_size=4),
)


# -- torrents ----------------------------------------------------------------------------------------------------------


@bounded
@given(SCRAPS | BYTES | BENCODABLE.map(bencoded))
@example(b"l-3:e")
@example(b"l" * 100_000)
@example(b"i" + b"9" * 100_000 + b"e")
def test_bencoding(data):
    with contextlib.suppress(bencode.Malformed):
        _, end = bencode.value(data, 0)
        assert 0 < end <= len(data)


@bounded
@given(SOUND.map(bencoded) | INFO.map(bencoded) | SCRAPS | BENCODABLE.map(bencoded), SCRAPS)
def test_metafiles(info, around):
    for data in (b"d4:info" + info + b"e", b"d" + around + b"4:info" + info + b"e", around):
        with contextlib.suppress(Refused):
            meta = metainfo.parse(data, hashlib.sha1(info).hexdigest().upper())
            assert meta.size == sum(file.size for file in meta.files) > 0
            assert meta.count == -(-meta.size // meta.piece_length)
            assert len({file.path for file in meta.files}) == len(meta.files)
            for file in meta.files:
                path = os.path.normpath(os.path.join(b"/root", *file.path))
                assert path.startswith(b"/root/")
                assert path.count(b"/") == len(file.path) + 1
                assert b"\0" not in path


@bounded
@given(SCRAPS | BYTES | st.fixed_dictionaries({"directory": BYTES | st.integers()}).map(bencoded))
def test_session_files(content):
    with tempfile.TemporaryDirectory(dir=SHM) as home:
        for ending in (".torrent", ".torrent.rtorrent"):
            with open(os.path.join(home, HASH + ending), "wb") as file:
                file.write(content)
        for read in (session.directory, session.name):
            assert isinstance(read(os.fsencode(home), HASH), bytes | None)


# -- rTorrent's answers ------------------------------------------------------------------------------------------------

QUESTIONS = (
    RTorrent.torrents,
    RTorrent.placed,
    RTorrent.versions,
    RTorrent.session_path,
    RTorrent.hooks,
    lambda client: client.torrent(HASH),
    lambda client: client.custom(HASH, "x"),
    lambda client: client.guarded(HASH, ("a=", "b=")),
    lambda client: client.resume_directory(HASH),
)
MEANT = (RTorrentUnreachable, TorrentGone, ConfigurationError, Retryable)


def ask_all(answer):
    """Ask everything of an rTorrent that always answers so; check what is believed."""
    with mock.patch("supervisor.adapters.rtorrent.carrier", return_value=lambda _: answer):
        client = RTorrent("/nowhere")
    for question in QUESTIONS:
        with contextlib.suppress(*MEANT):
            said = question(client)
            for torrent in said if isinstance(said, list) else [said]:
                if isinstance(torrent, Placed):
                    believable(torrent)


def believable(torrent):
    assert spool.is_hash(torrent.hash)
    for field in fields(torrent):
        if isinstance(field.type, type):
            assert isinstance(getattr(torrent, field.name), field.type), field.name
    assert b"\0" not in torrent.base
    told = asdict(torrent)
    json.dumps([told.get(name, "") for name in ("name", "label", "message", "trackers")])


@bounded
@given(
    BYTES
    | st.lists(
        st.sampled_from(
            [
                b"<methodResponse>",
                b"<params>",
                b"<param>",
                b"<value>",
                b"<array>",
                b"<data>",
                b"<i4>7</i4>",
                b"<string>x</string>",
                b"</data>",
                b"</array>",
                b"</value>",
                b"</param>",
                b"</params>",
                b"</methodResponse>",
                b"<fault>",
                b"<struct>",
                b"<member>",
                b"<name>faultString</name>",
                b"<i8>99999999999999999999</i8>",
                b"<double>nan</double>",
                b"<base64>!</base64>",
                b"<dateTime.iso8601>x</dateTime.iso8601>",
                b"<nil/>",
                b"<boolean>2</boolean>",
                b"<!DOCTYPE x [<!ENTITY a 'b'>]>",
                b"&a;",
                b"&#0;",
                b"\xff",
                b"\x1b",
            ]
        ),
        max_size=30,
    ).map(b"".join)
)
@example(b"<methodResponse><params><param>" + b"<value><array><data>" * 20_000)
@example(
    b"<!DOCTYPE x [<!ENTITY a '"
    + b"a" * 1000
    + b"'>"
    + b"".join(b"<!ENTITY %c '%s'>" % (98 + n, b"&%c;" % (97 + n) * 100) for n in range(8))
    + b"]><methodResponse><params><param><value><string>&i;</string></value></param></params></methodResponse>"
)
def test_answers_that_are_no_xml_rpc(answer):
    ask_all(answer)


ANSWERS = st.recursive(
    st.booleans() | st.integers(-(2**31), 2**31 - 1) | st.floats() | TEXT | st.just(HASH),
    lambda inner: st.lists(inner, max_size=26) | st.dictionaries(
        st.sampled_from(["faultString", "faultCode", "x"]), inner, max_size=2
    ),
    max_leaves=40,
)  # fmt: skip


@bounded
@given(st.lists(ANSWERS, max_size=26) | ANSWERS)
@example([["x"]] * 25)
@example([[HASH]] * 25)
@example([[[[HASH] + [0] * 22]], ["/s"], ["/"]])
@example(
    [
        [[[HASH, "n", "/d", 1, 5, "%", 0, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, "", 0, 0, "9" * 5000 + "|http://x|"]]],
        ["/s"],
        ["/"],
    ]
)
def test_answers_of_any_value(values):
    def plain(value):
        if isinstance(value, str):
            return "".join(letter for letter in value if letter.isprintable())
        if isinstance(value, list):
            return [plain(each) for each in value]
        return {name: plain(each) for name, each in value.items()} if isinstance(value, dict) else value

    ask_all(xmlrpc.dumps((plain(values),), methodresponse=True, allow_none=True).encode("utf-8", "replace"))


@bounded
@given(BYTES, st.sampled_from([b"", b"Status: 200\r\n\r\n", b"Content-Length: 5\r\n\r\n", b"content-length:x\r\n\r\n"]))
def test_scgi_answers(body, head):
    with contextlib.suppress(http.client.HTTPException):
        assert scgi._payload(head + body) in head + body


@bounded
@given(TEXT | st.tuples(st.sampled_from(["scgi://", "http://", "unix:", "scgi+unix://", "//", ""]), TEXT).map("".join))
def test_addresses_of_rtorrent(url):
    with contextlib.suppress(ConfigurationError):
        scgi.carrier(url, 1.0)


@bounded
@given(st.text(string.ascii_letters + string.digits + "%:!$", min_size=4).map(lambda text: f"s3cr3t{text}"), TEXT)
def test_no_password_of_an_address_is_told(password, path):
    path = path.replace("@", "")
    for masked in (scgi.masked, forms.hide_password):
        assert password not in masked(f"http://user:{password}@host/{path.replace(password, '')}")


@bounded
@given(
    st.binary(max_size=60)
    | st.lists(st.sampled_from([b"?", b"%E9", b"\n", b"\xef\xbf\xbd", b"a", b"/"])).map(b"".join),
    BYTES,
)
def test_names_that_rtorrent_changed(told, real):
    found = spelling.spelled(told, lambda *_: real, b"/s", HASH)
    assert found in (told, real)
    assert spelling.spelled(told, lambda *_: told, b"/s", HASH) == told


@bounded
@given(TEXT)
def test_hooks_of_rtorrent(told):
    assert all(isinstance(word, str) for word in hook.words(told))


@bounded
@given(st.text(string.printable, max_size=30).map(lambda text: "/" + "".join(filter(str.isprintable, text))))
def test_a_hook_is_read_as_it_was_written(state_dir):
    assert hook.words(hook.command(state_dir, "/opt/submit"))[1:4] == ["/opt/submit", "-d", state_dir]


# -- the spool and the command line ------------------------------------------------------------------------------------


@bounded
@given(
    st.lists(
        st.binary(min_size=1, max_size=60)
        | st.sampled_from(
            [
                f"{HASH}.finished".encode(),
                f"{HASH.lower()}.retry".encode(),
                b"all.process",
                b"all.finished",
                HASH.encode(),
                f"{HASH}.finished.".encode(),
                f"{HASH}.finished.taken".encode(),
                f"{HASH}.\n".encode(),
            ]
        ),
        max_size=5,
    )
)
def test_names_in_the_spool(names):
    with tempfile.TemporaryDirectory(dir=SHM) as home:
        place = os.path.join(home, "spool")
        os.mkdir(place)
        for name in names:
            with contextlib.suppress(OSError, ValueError):
                os.close(os.open(os.path.join(os.fsencode(place), name.replace(b"/", b"")), os.O_CREAT | os.O_WRONLY))
        entries, strange = spool.scan(home)
        for name, subject, event in entries:
            assert subject == spool.ALL or (spool.is_hash(subject) and subject.isupper() | subject.isdigit())
            assert event in spool.EVENTS + spool.COMMANDS + spool.QUEUE_COMMANDS
            assert name.partition(".")[2] in (event, f"{event}.taken")
        assert sorted([*strange, *(name for name, _, _ in entries)]) == sorted(os.listdir(place))
        taken, stay = spool.take(home, entries)
        assert {entry[1:] for entry in taken} == {entry[1:] for entry in entries}
        assert stay == []
        assert spool.discard(home, [name for name, _, _ in taken]) == []
        assert sorted(os.listdir(place)) == sorted(strange)


WORDS = st.lists(
    TEXT | st.sampled_from(["-d", "-e", "--event", "--event=finished", "--json", "status", "explain", HASH, "="]),
    max_size=6,
)  # fmt: skip


@bounded
@given(WORDS)
def test_the_hooks_command_line(words):
    with tempfile.TemporaryDirectory(dir=SHM) as home, mock.patch.dict(os.environ, {"SEEDCACHE_STATE_DIR": home}):
        os.mkdir(os.path.join(home, "spool"))
        here = os.path.join(home, "here")  # nobody else writes there
        os.mkdir(here)
        quiet = contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(ValueError)  # a NUL in a path
        with contextlib.chdir(here), quiet[0] as said, quiet[1]:
            code = submit.main(words)
            assert code in (0, 1, 2)
            assert (code == 0) == (not said.getvalue())
        assert os.listdir(here) == []


@bounded
@given(WORDS)
def test_the_command_line(words):
    quiet = contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO())
    with quiet[0], quiet[1], contextlib.suppress(SystemExit):
        assert arguments.parser().parse_args(words).handler


# -- settings ----------------------------------------------------------------------------------------------------------

FORMS = (
    forms.switch(), forms.whole(1), forms.whole(0, 19), forms.number(0), forms.one_of("a", "b"), forms.path(),
    forms.path(real=True, optional=True), forms.address("http", "https"), forms.address("scgi", socket=True),
    forms.ip_address(), forms.labels(), forms.path_map(), secret_forms.secret(), forms.paths(),
    secret_forms.secret_address("http", "https"), forms.template(), forms.destinations(), forms.time_zone(),
    forms.words("a", "b"),
)  # fmt: skip


@bounded
@given(JSON, st.booleans())
@example("http://[", True)
@example("file:/\0", True)
@example(10**400, False)
@example("9" * 5000, True)
def test_values_of_settings(value, text):
    for form in FORMS:
        with contextlib.suppress(ValueError):
            form.parse(str(value) if text else value, text)


@settings(bounded, max_examples=15)
@given(
    BYTES
    | JSON.map(lambda value: f"x = {json.dumps(value)}".encode())
    | st.dictionaries(
        st.sampled_from(["scgi_url", "sonarr_api_key", "download_path_ssd", "copy_nice", "[sonarr]", "radarr"]),
        JSON,
        max_size=4,
    ).map(lambda table: "\n".join(f"{name} = {json.dumps(value)}" for name, value in table.items()).encode())
)
def test_settings_files(content):
    with tempfile.NamedTemporaryFile(dir=SHM) as file:
        file.write(content)
        file.flush()
        with contextlib.suppress(ConfigurationError):
            load(file.name, {})


# -- the snapshot on disk, and what is shown of it ---------------------------------------------------------------------

SNAPSHOT = Snapshot(
    1e9, 7, 1e9, "0.1", True, False, "", (Worker("space", "space", 8, True, 1.0),),
    (Disk("ssd", "/ssd", 10, 5, trusted=True),), Seen(reachable=True, since=0.5), dict.fromkeys(State, 1),
)  # fmt: skip


def changed(changes):
    values = asdict(SNAPSHOT)
    for path, value in changes:
        at = values
        for name in path[:-1]:
            at = at[name]
        at[path[-1]] = value
    return json.dumps(values).encode()


PLACES = st.sampled_from(
    [(name,) for name in asdict(SNAPSHOT)]
    + [("workers", 0, name) for name in asdict(SNAPSHOT.workers[0])]
    + [("disks", 0, name) for name in asdict(SNAPSHOT.disks[0])]
    + [("rtorrent", name) for name in asdict(SNAPSHOT.rtorrent)]
)


@bounded
@given(
    BYTES
    | JSON.map(json.dumps).map(str.encode)
    | st.lists(st.tuples(PLACES, JSON), min_size=1, max_size=1).map(changed)
)
@example(b"[" * 100_000)
@example(changed([(("pid",), 2**62)]))
@example(changed([(("pid",), -1)]))
@example(changed([(("workers", 0, "done"), 10**400)]))
@example(changed([(("disks", 0, "role"), "\x1b[2J")]))
@example(changed([(("workers", 0, "hash"), "\x1b[2J")]))
def test_snapshots(data):
    with tempfile.TemporaryDirectory(dir=SHM) as home:
        os.mkdir(os.path.join(home, "run"))
        with open(os.path.join(home, "run", "live.json"), "wb") as file:
            file.write(data)
        seen = [daemon(home, 1e9)]
    with contextlib.suppress(ValueError, TypeError):
        snapshot = from_json(data)
        assert from_json(to_json(snapshot)) == snapshot
        seen.append(Daemon(running=True, snapshot=snapshot))
    for each in seen:
        jobs = {state.value: 0 for state in State}
        view = status.View(1e9, "/s", each, jobs, (), (), (), {"pending": 0, "failed": 0}, (), (), {})
        for line in [*plain.render(view), *(text.plain for text in screen.compose(view, 80))]:
            assert display.clean(line) == line
        json.dumps(status.as_dict(view))


@bounded
@given(TEXT, st.sampled_from(["utf-8", "ascii", "latin-1"]))
def test_what_is_shown_stays_on_its_line(text, encoding):
    shown = display.clean(text, encoding)
    assert "\n" not in shown
    assert "\x1b" not in shown
    shown.encode(encoding)
    assert display.columns(display.fit(display.clean(text), 10)) == 10


@bounded
@given(TEXT, TEXT, st.sampled_from(logs.FORMATS))
def test_a_line_of_the_log_stays_one(text, worker, form):
    import logging  # noqa: PLC0415

    record = logging.LogRecord("x", logging.INFO, "", 0, "%s", (text,), None)
    record.hash = text
    line = logs._Formatter(form, worker, journald=False).format(record)
    assert not any(ord(letter) < 0x20 or 0x7F <= ord(letter) <= 0x9F for letter in line)
    assert len(line.splitlines()) == 1
    line.encode()


@bounded
@given(TEXT, TEXT, st.integers(0, 2**62))
def test_the_page_of_metrics_is_read_as_it_was_meant(path, version, size):
    seen = Snapshot(
        0, 0, 0, version, True, False, "", (), (Disk("ssd", path, size, 0, trusted=True),), SNAPSHOT.rtorrent
    )
    page = Metrics(lambda: seen).exposition().decode()
    families = {family.name: family for family in text_string_to_metric_families(page)}
    assert len(families) > 20


# -- where things go ---------------------------------------------------------------------------------------------------


@bounded
@given(TEXT, TEXT)
def test_paths_as_a_service_sees_them(ours, path):
    pairs = [(f"/{ours}", "/theirs"), ("/srv", "C:\\srv")]
    assert isinstance(map_path(pairs, f"/{path}"), str)


# -- services ----------------------------------------------------------------------------------------------------------


@bounded
@given(st.integers(100, 599), BYTES | JSON.map(json.dumps).map(str.encode), TEXT)
@example(200, b"[" * 100_000, "")
@example(500, b"key0123", "")
@example(302, b"", "http://[")
@example(302, b"", "http://key0123.example/")
def test_answers_of_services(code, content, location):
    said = ""
    try:
        services._check(code, {"Location": location}, content + b"key0123", "http://x", ("key0123",))
        services._json(code, content, "http://x")
    except (services.ServiceRefused, services.ServiceUnavailable) as error:
        said = str(error)
    assert "key0123" not in said
    assert len(said.splitlines()) <= 1
