"""The lines of rTorrent's rc file that have it submit each finished torrent, and tell of each new one.

Always `execute.nothrow.bg`: the form without `bg` stops rTorrent's main loop while the hook runs. It is read twice by
rTorrent, as a setting and as a command, so a path that needs quotes has them escaped (tried on 0.9.8 and 0.16).
"""

import os
import re
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from supervisor.errors import ConfigurationError, InvalidInput
from supervisor.settings import Settings

if TYPE_CHECKING:
    from supervisor.adapters.rtorrent import RTorrent

FINISHED, INSERTED = "event.download.finished", "event.download.inserted_new"
SUBMITTED_AS = {FINISHED: "finished", INSERTED: "inserted"}  # rTorrent's events, and what they are in the spool
NAME = "seedcache"
PROGRAM = "seedcache-submit"
DEFAULT_STATE_DIR = "/var/lib/seedcache"  # what the program takes without -d and environment
BEGIN, END = b"# seedcache begin\n", b"# seedcache end\n"
_PLAIN = re.compile(r"[\w./+@:=-]+", re.ASCII)


def submit_path() -> str:
    """Return the absolute path of seedcache-submit: beside this interpreter, or else on PATH.

    Raise ConfigurationError if there is none.
    """
    beside = os.path.join(sys.prefix, "bin", PROGRAM)
    found = beside if os.access(beside, os.X_OK) else shutil.which(PROGRAM)
    if found is None:
        raise ConfigurationError(f"{PROGRAM} is neither {beside} nor on PATH: install seedcache into this environment")
    return os.path.abspath(found)


def command(state_dir: str, submit: str, event: str = FINISHED) -> str:
    """Given the state directory and the path of seedcache-submit, return the command that rTorrent is to run.

    Raise InvalidInput if a path cannot stand in it.
    """
    option = "" if event == FINISHED else f"-e,{SUBMITTED_AS[event]},"
    return f"execute.nothrow.bg={_argument(submit)},-d,{_argument(state_dir)},{option}$d.hash="


def print_lines(settings: Settings, submit: str) -> list[str]:
    """Given the settings and the path of seedcache-submit, return the lines for this host's rTorrent.rc.

    Raise InvalidInput if a path cannot stand in them.
    """
    return [
        f"method.set_key = {event}, {NAME}, {_quoted(command(settings.state_dir, submit, event))}"
        for event in SUBMITTED_AS
    ]


def install_where(settings: Settings, rc: str | None, *, live: bool) -> Iterator[str]:
    """Install the hook in an rc file, in the running rTorrent, or both; yield what to say of it.

    Raise InvalidInput if neither is wanted, and as install and install_live do.
    """
    if not rc and not live:
        raise InvalidInput("name rTorrent's rc file, or say --live, or both")
    submit = submit_path()
    if rc:
        yield install(rc, print_lines(settings, submit))
    if live:
        from supervisor.adapters.rtorrent import RTorrent  # noqa: PLC0415  (87 ms: for who asks rTorrent only)

        install_live(RTorrent(settings.scgi_url, settings.rpc_timeout), settings.state_dir, submit)
        yield "rTorrent uses it from now on" + ("" if rc else ", until it is restarted")


def _argument(path: str) -> str:
    if not path.startswith("/") or any(ord(letter) < 0x20 or ord(letter) == 0x7F for letter in path):  # noqa: PLR2004
        raise InvalidInput(f"{path!r} cannot stand in rTorrent's rc file: absolute, and no control characters, please")
    return path if _PLAIN.fullmatch(path) else _quoted(path)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def install(rc: str, lines: list[str]) -> str:
    """Given the path of an rTorrent rc file, put the lines into it between our markers; return what was done.

    What stood between the markers is replaced, the rest stays byte for byte; the file as it was is kept beside it. It
    keeps its owner and mode, and is replaced at once or not at all. Raise ConfigurationError if that cannot be done.
    """
    path = os.path.realpath(rc)  # where a link leads to, the link stays
    _refuse_anothers_link(rc, path)
    backup = f"{path}.before-seedcache"
    block = BEGIN + b"".join(os.fsencode(line) + b"\n" for line in lines) + END
    try:
        with open(path, "rb") as file:
            before, status = file.read(), os.fstat(file.fileno())
        after = _with_block(before, block, path)
        if after == before:
            return f"{path} has it already"
        _write(backup, before, status)
        _write(path, after, status)
    except OSError as error:
        raise ConfigurationError(
            f"{rc}: {error.strerror}: name rTorrent's rc file, and run this as its owner"
        ) from error
    return f"{path} has it now; as it was before: {backup}"


def _refuse_anothers_link(rc: str, path: str) -> None:
    """As root, write no file that another user's link leads to, but one of that user's."""
    with suppress(FileNotFoundError):
        owner = os.lstat(rc).st_uid
        if os.geteuid() == 0 and owner not in (0, os.stat(path).st_uid):
            raise ConfigurationError(f"{rc} is user {owner}'s link to somebody else's {path}: name the file itself")


def _with_block(before: bytes, block: bytes, path: str) -> bytes:
    begins, ends = before.count(BEGIN), before.count(END)
    if not begins and not ends:
        return before + (b"" if before.endswith(b"\n") or not before else b"\n") + block
    if (begins, ends) != (1, 1) or before.index(END) < before.index(BEGIN):
        raise ConfigurationError(f"{path}: our two marker lines are not in order; remove them and what is between them")
    return before[: before.index(BEGIN)] + block + before[before.index(END) + len(END) :]


def _write(path: str, content: bytes, like: os.stat_result) -> None:
    temporary = f"{path}.seedcache-new"
    with open(temporary, "wb", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW, 0o600)) as file:
        if os.geteuid() == 0:
            os.fchown(file.fileno(), like.st_uid, like.st_gid)
        os.fchmod(file.fileno(), stat.S_IMODE(like.st_mode))
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    directory = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def install_live(rtorrent: "RTorrent", state_dir: str, submit: str) -> None:
    """Have the running rTorrent use the hook from now on, until it is restarted.

    Raise RTorrentUnreachable, or InvalidInput as `command` does.
    """
    rtorrent.ask(*(("method.set_key", "", event, NAME, command(state_dir, submit, event)) for event in SUBMITTED_AS))


def words(told: str) -> list[str]:
    """Given a hook's command as rTorrent tells it, in either notation, return the method and its arguments."""
    text = told.strip()
    parsed = text.startswith("((")
    text = text.removeprefix("((").removesuffix("))") if parsed else text.replace("=", ",", 1)
    found = re.findall(r'\s*("(?:[^"\\]|\\.)*"|[^,]*)(?:,|$)', text)
    return [_unquoted(word) for word in found[:-1]]  # the pattern also matches the nothing at the end


def _unquoted(word: str) -> str:
    word = word.strip()
    if len(word) > 1 and word.startswith('"') and word.endswith('"'):
        return re.sub(r"\\(.)", r"\1", word[1:-1])
    return word
