"""What `check` looks at in rTorrent: whether it answers, its session, its paths, its clock, and our hook."""

import os
import pwd
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from supervisor import spool
from supervisor.adapters import clock, files
from supervisor.adapters.patience import Patience
from supervisor.adapters.scgi import socket_path
from supervisor.commands import holds, hook
from supervisor.commands.check_host import file_system
from supervisor.commands.display import size
from supervisor.commands.findings import Finding, Level, error, ok, warning
from supervisor.commands.rights import User
from supervisor.dispatch.planning import inside
from supervisor.errors import ConfigurationError, RTorrentUnreachable
from supervisor.settings import Settings

if TYPE_CHECKING:
    from supervisor.adapters.rtorrent import RTorrent
    from supervisor.adapters.torrents import Torrent

_TRIED = re.compile(r"0\.9\.8|0\.16(\.\d+)?")
_OLDEST = [0, 9, 8]
_LOW_DISK = re.compile(r'close_low_diskspace(?:\.normal)?\s*[=,]\s*"?(\d+)([KMGkmg]?)')
_SHIFTS = {"": 0, "K": 10, "M": 20, "G": 30}
_SOCKET = (
    "put the user into the group of rTorrent's, and have the rc file open the socket to it: after "
    'network.scgi.open_local add schedule = scgi_group,0,0,"execute.nothrow=chmod,g+w,SOCKET"'
)
_APART = 5.0  # seconds that two clocks may differ
_LOOKED_AT = 200  # torrents
_OURS = ("seedcache-submit", "seedcache")  # programs
_INSTALL = "seedcache hook install --live RTORRENT_RC"


def rtorrent(settings: Settings, user: User) -> Iterator[Finding]:
    """Ask rTorrent; what follows needs its answer."""
    from supervisor.adapters.rtorrent import RTorrent  # noqa: PLC0415  (90 ms: only if we come so far)

    socket = socket_path(settings.scgi_url)
    if socket and os.path.exists(socket) and not user.may(socket, os.W_OK):
        yield error("rTorrent", f"its socket {socket} may not be used by user {user.name}", _SOCKET)
        return
    try:
        client = RTorrent(settings.scgi_url, settings.rpc_timeout)
        version = _version(*client.versions())
        yield version
        if version.level is Level.ERROR:
            return
        yield _clock(client)
        torrents = client.torrents()
        yield from _session(client, torrents, user)
        yield _paths(torrents, settings)
        yield from _hooks(client, settings)
        yield _predecessor(client)
        yield low_disk(client, settings)
        yield _held(client)
    except RTorrentUnreachable as problem:
        yield Finding(Level.ERROR, "rTorrent", str(problem), "see SCGI_URL; until then jobs wait", unreachable=True)


def _version(version: str, library: str) -> Finding:
    if _TRIED.fullmatch(version):
        return ok("rTorrent", f"{version} (libtorrent {library}) answers")
    numbers = [int(number) for number in re.findall(r"\d+", version)]
    if numbers < _OLDEST:
        return error("rTorrent", f"{version} answers, which is too old", "upgrade it to 0.9.8 or 0.16")
    return warning(
        "rTorrent", f"{version} answers", "seedcache was tried with 0.9.8 and 0.16: watch the first switches"
    )


def _held(client: "RTorrent") -> Finding:
    """Look for downloads that were stopped for want of room: without a supervisor they would stay so."""
    found = holds.held(client)
    if not found:
        return ok("held downloads", "none")
    return warning(
        "held downloads", f"{len(found)} for want of room, such as {found[0].name}: {found[0].why}",
        "the running supervisor starts them when they fit, see seedcache status; all at once: seedcache space release",
    )  # fmt: skip


def _clock(client: "RTorrent") -> Finding:
    before = clock.now()  # all that was looked at until here may have taken long, and so may the answer
    theirs = float(client.ask(("system.time",))[0])
    apart = max(before - theirs, theirs - clock.now())
    if apart > _APART:
        return warning("rTorrent clock", f"{apart:.0f} s apart from ours", "set both by NTP: ages are compared")
    return ok("rTorrent clock", "as ours")


def _session(client: "RTorrent", torrents: list["Torrent"], user: User) -> Iterator[Finding]:
    remedy = "the service needs rTorrent's session at the same path, readable: group, mode, or the container's volumes"
    try:
        place = client.session_path()
    except ConfigurationError as problem:
        yield error("session", str(problem), "without a session a relocated torrent is lost at a restart of rTorrent")
        return
    shown = os.fsdecode(place)
    if not os.path.isdir(place) or not user.may(place, os.R_OK | os.X_OK):
        yield error("session", f"{shown} cannot be read by user {user.name}", remedy)
        return
    kind = file_system(shown)
    if kind in ("tmpfs", "ramfs"):
        yield error(
            "session", f"{shown} is in memory ({kind})",
            "a reboot loses it, and with it where relocated torrents are: have session.path.set name a disk",
        )  # fmt: skip
        return
    names = [
        os.path.join(place, f"{torrent.hash}.torrent".encode()) for torrent in torrents[:_LOOKED_AT] if not torrent.meta
    ]
    missing = [name for name in names if not user.may(name, os.R_OK)]
    if missing:
        yield error(
            "session",
            f"{len(missing)} of {len(names)} metafiles cannot be read, such as {os.fsdecode(missing[0])}",
            remedy,
        )
    else:
        yield ok("session", f"{shown}, {len(names)} metafiles looked at")


def _paths(torrents: list["Torrent"], settings: Settings) -> Finding:
    """Look whether rTorrent's paths are ours: in containers they may not be."""
    roots = [os.fsencode(path) for path in (settings.download_path_ssd, *settings.final_dest_base_hdd)]
    finished = [torrent for torrent in torrents if torrent.complete and not torrent.meta]
    ours = [torrent for torrent in finished if any(inside(torrent.directory, root) for root in roots)]
    if finished and not ours:
        where = os.fsdecode(finished[0].directory)
        return warning(
            "paths", f"none of {len(finished)} finished torrents is below the SSD or the HDD, such as {where}",
            "rTorrent and seedcache must see the same paths: mount them alike, or correct DOWNLOAD_PATH_SSD",
        )  # fmt: skip
    some = ours[:_LOOKED_AT]
    try:
        lost = Patience().ask(b"", lambda: [torrent for torrent in some if not os.path.lexists(torrent.base)])
    except TimeoutError:
        return warning("paths", "cannot be looked at", "see the disk that does not answer")
    if lost:
        where = os.fsdecode(lost[0].base)
        return warning(
            "paths", f"{len(lost)} finished torrents have no data where rTorrent says, such as {where}",
            "rTorrent and seedcache must see the same paths; if they do, the data was removed",
        )  # fmt: skip
    return ok("paths", f"{len(ours)} of {len(finished)} finished torrents are below the SSD or the HDD")


def _predecessor(client: "RTorrent") -> Finding:
    """Look for the hooks of what seedcache replaces: both would act on each torrent."""
    for event in hook.SUBMITTED_AS:
        for name, told in client.hooks(event).items():
            if any(os.path.basename(word) == "main.py" for word in hook.words(told)):
                return error(
                    "predecessor's hook", f"{event} also runs {told.strip()}",
                    f"take {name} out of rTorrent's rc file and restart it: both would act on each torrent, "
                    "and that one removes SSD data without a proof",
                )  # fmt: skip
    return ok("predecessor's hook", "there is none")


def low_disk(client: "RTorrent", settings: Settings) -> Finding:
    """Look whether we make room, and hold downloads, before rTorrent closes them for want of it."""
    limit, where = _closes_at(client)
    try:
        size_of_disk = files.usage(os.fsencode(settings.download_path_ssd)).size
    except OSError:
        size_of_disk = 0  # another check says so
    ours = settings.marks(size_of_disk).low
    evidence = f"rTorrent closes downloads below {size(limit)} ({where}), seedcache makes room below {size(ours)}"
    remedy = "raise SPACE_LOW well above it, or lower close_low_diskspace in rTorrent's rc file"
    if 0 < ours <= limit:  # at 0 somebody means it: relocations are by hand
        return error("low disk", evidence, remedy)
    if ours <= 2 * limit:
        return warning("low disk", evidence, remedy)
    reserve = settings.reserve(size_of_disk)
    if settings.admission and size_of_disk and reserve <= limit:
        return warning(
            "low disk", f"rTorrent closes downloads below {size(limit)} ({where}), and they leave {size(reserve)} free",
            "raise ADMISSION_RESERVE well above it (on a small SSD it is a tenth of that), or lower "
            "close_low_diskspace in rTorrent's rc file",
        )  # fmt: skip
    return ok("low disk", evidence)


def _closes_at(client: "RTorrent") -> tuple[int, str]:
    """Return below how many free bytes rTorrent closes downloads, and how we know: it cannot be asked."""
    for path in _rc_files(client):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                lines = [line for line in file if not line.lstrip().startswith("#")]
        except OSError:
            continue
        found = _LOW_DISK.findall("".join(lines))
        if found:
            number, unit = found[-1]
            return int(number) << _SHIFTS[unit.upper()], path
    return 500 << 20, "its default; no other is seen"


def _rc_files(client: "RTorrent") -> Iterator[str]:
    """Yield the settings files of the rTorrent that answers, as far as its process tells us."""
    pid, cwd = client.ask(("system.pid",), ("system.cwd",))
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = os.fsdecode(file.read()).split("\0")
        home = os.path.expanduser(f"~{pwd.getpwuid(os.stat(f'/proc/{pid}').st_uid).pw_name}")
    except (OSError, KeyError):
        return
    if not any("rtorrent" in os.path.basename(word) for word in words):
        return  # it lives in another pid namespace, and this is somebody else
    for found in re.findall(r"(?:try_)?import=([^,\0]+)", "\0".join(words)):
        yield os.path.join(cwd, found)
    if "-n" not in words:
        yield from (f"{home}/.rtorrent.rc", f"{home}/.config/rtorrent/rtorrent.rc")


def _hooks(client: "RTorrent", settings: Settings) -> Iterator[Finding]:
    finished, inserted = (_ours(client, event) for event in (hook.FINISHED, hook.INSERTED))
    if finished:
        yield from _hook("hook", hook.FINISHED, finished, settings)
        yield from _spool_rights(client, settings)
    else:
        yield error("hook", "rTorrent does not run seedcache-submit when a torrent finishes", _INSTALL)
    if inserted:
        yield from _hook("hook of new torrents", hook.INSERTED, inserted, settings)
    elif settings.admission:
        yield warning(
            "hook of new torrents",
            "rTorrent does not run seedcache-submit when a torrent is added: what does not fit is held seconds later",
            _INSTALL,
        )
    else:
        yield ok("hook of new torrents", "none; ADMISSION is off")


def _ours(client: "RTorrent", event: str) -> list[list[str]]:
    """Return what rTorrent runs of seedcache at an event, each as words."""
    handlers = [hook.words(told) for name, told in client.hooks(event).items() if not name.startswith("!")]
    return [words for words in handlers if any(os.path.basename(word) in _OURS for word in words)]


def _hook(what: str, event: str, found: list[list[str]], settings: Settings) -> Iterator[Finding]:
    if len(found) > 1:
        yield warning(what, f"it is registered {len(found)} times", "remove all but one from rTorrent's rc file")
    method, program, *arguments = [*found[0], ""]
    if not method.startswith("execute") or not method.endswith("bg"):
        yield warning(
            what, f"it is run by {method}: rTorrent stands still while it runs", f"use execute.nothrow.bg: {_INSTALL}"
        )
    if not os.access(program, os.X_OK):
        yield error(what, f"{program} cannot be run", f"rTorrent 0.16 then skips its other handlers too: {_INSTALL}")
        return
    state_dir, submitted = _option(arguments, "-d"), _option(arguments, "-e") or "finished"
    if submitted != hook.SUBMITTED_AS[event]:
        yield error(what, f"at {event} it submits -e {submitted}, not -e {hook.SUBMITTED_AS[event]}", _INSTALL)
    elif state_dir is None and settings.state_dir != hook.DEFAULT_STATE_DIR:
        yield warning(what, "it does not say which STATE_DIR", f"rTorrent's environment must: or {_INSTALL}")
    elif state_dir is not None and os.path.realpath(state_dir) != os.path.realpath(settings.state_dir):
        yield error(what, f"it submits to {state_dir}, STATE_DIR is {settings.state_dir}", _INSTALL)
    else:
        yield ok(what, f"{program}, in the background")


def _option(arguments: list[str], name: str) -> str | None:
    return arguments[arguments.index(name) + 1] if name in arguments[:-1] else None


def _spool_rights(client: "RTorrent", settings: Settings) -> Iterator[Finding]:
    """Look whether rTorrent's user may write to the spool, if rTorrent is a process of this host."""
    pid = int(client.ask(("system.pid",))[0])
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            status = dict(line.split(":", 1) for line in file if ":" in line)
        info = os.stat(spool.directory(settings.state_dir))
    except OSError:
        return
    if "rtorrent" not in status["Name"]:
        return  # it lives in another pid namespace, and this is somebody else
    user = int(status["Uid"].split()[1])
    groups = {int(status["Gid"].split()[1]), *map(int, status["Groups"].split())}
    shift = 6 if user == info.st_uid else 3 if info.st_gid in groups else 0
    if user != 0 and not (info.st_mode >> shift) & 0o2:
        place = spool.directory(settings.state_dir)
        yield error(
            "hook rights", f"rTorrent runs as user {user}, which may not write to {place}",
            "put both users into one group, give it the directory, and chmod g+rwxs",
        )  # fmt: skip
    else:
        yield ok("hook rights", f"user {user} may write to the spool")
