"""What `check` looks at on this host: disks, state, the running supervisor."""

import importlib.metadata
import itertools
import os
from collections.abc import Iterator
from contextlib import suppress

from supervisor import spool
from supervisor.adapters import files, mounts, premises
from supervisor.adapters.patience import Patience
from supervisor.commands import reader
from supervisor.commands.display import size, span
from supervisor.commands.findings import Finding, error, ok, warning
from supervisor.commands.rights import User
from supervisor.errors import ConfigurationError
from supervisor.settings import Settings

_VOLATILE = frozenset({"tmpfs", "ramfs", "overlay"})
_REMOTE = ("nfs", "cifs", "smb", "9p", "fuse", "ceph", "glusterfs")  # beginnings of their names
_NEARLY_FULL = 0.02  # of the HDD free
_WRITE, _ENTER = os.W_OK, os.X_OK


def disks(settings: Settings, user: User) -> Iterator[Finding]:
    """Look at the two configured roots."""
    roots = [("SSD", settings.download_path_ssd), *(("HDD", path) for path in settings.final_dest_base_hdd)]
    paths = [path for _, path in roots if _answers(path)]
    usable = len(paths) == len(roots)
    for role, path in roots:
        if path not in paths:
            remedy = "a network mount: is its server there? A disk: `dmesg` says whether it is failing"
            yield error(role, f"{path} does not answer", remedy)
            continue
        problem = _unusable(role, path, user)
        if problem is not None:
            usable = False
            yield problem
            continue
        yield ok(role, f"{path} is a directory we can write to, on {file_system(path)}")
        yield _mounted(role, path, paths)
        yield _trusted(role, path, settings.state_dir)
    if usable:
        yield _apart(paths)
        yield from _space(settings)


def _answers(path: str) -> bool:
    try:
        Patience().ask(os.fsencode(path), lambda: os.path.exists(path))
    except TimeoutError:
        return False
    return True


def _unusable(role: str, path: str, user: User) -> Finding | None:
    name = {"SSD": "DOWNLOAD_PATH_SSD", "HDD": "FINAL_DEST_BASE_HDD"}[role]
    if not os.path.isdir(path):
        found = "is not a directory" if os.path.lexists(path) else "does not exist"
        return error(role, f"{path} {found}", f"mount the disk, or correct {name}")
    if not user.may(path, os.R_OK | _WRITE | _ENTER):
        evidence = f"{path} cannot be written by user {user.name}"
        return error(role, evidence, "give the service's user the right to, or remount it read-write")
    return None


def _mounted(role: str, path: str, roots: list[str]) -> Finding:
    under = mounts.on_anothers(os.fsencode(path), [os.fsencode(root) for root in roots])
    if under:
        return warning(
            f"{role} mount", f"{path} is on the file system of {files.show(under)}",
            "if it should be a disk of its own it is not mounted; if not, all is well",
        )  # fmt: skip
    return ok(f"{role} mount", "a file system of its own" if os.path.ismount(path) else "below a mount point")


def _trusted(role: str, path: str, state_dir: str) -> Finding:
    try:
        journal = reader.Reader(state_dir)
    except ConfigurationError:
        return ok(f"{role} identity", "is remembered when `seedcache run` is first started")
    known = journal.filesystem(os.fsencode(path))
    journal.close()
    if known is None:
        return ok(f"{role} identity", "is remembered when `seedcache run` is next started")
    if not mounts.same(known, mounts.identity(os.fsencode(path))):
        return error(
            f"{role} identity", f"{path} is another file system than the one that was used so far",
            "mount the right disk; if this is the right one (restored, reformatted), say so: seedcache check --trust",
        )  # fmt: skip
    return ok(f"{role} identity", "the file system that was used so far")


def _apart(paths: list[str]) -> Finding:
    """Given the SSD's root and the HDDs', say whether each is on a file system of its own."""
    for one, other in itertools.combinations(paths, 2):
        if os.stat(one).st_dev == os.stat(other).st_dev:
            why = "relocating frees nothing there (a copy may even share the blocks)"
            why = why if one == paths[0] else "room is counted twice there"
            return warning(
                "two disks", f"{one} and {other} are on one file system", f"{why}; is one of them not mounted?"
            )
    return ok("two disks", f"{len(paths)} file systems")


def _space(settings: Settings) -> Iterator[Finding]:
    ssd = files.usage(os.fsencode(settings.download_path_ssd))
    marks = settings.marks(ssd.size)
    free = f"{size(ssd.free)} of {size(ssd.size)} free, relocates below {size(marks.low)} until {size(marks.high)}"
    if marks.high >= ssd.size:
        yield warning(
            "SSD space", free,
            "SPACE_HIGH (or DISK_SPACE_THRESHOLD_GB) is the whole disk or more: everything always leaves",
        )  # fmt: skip
    elif ssd.free < marks.low:
        yield warning("SSD space", free, "torrents leave it now; `seedcache space plan` shows which")
    else:
        yield ok("SSD space", free)
    for path in settings.final_dest_base_hdd:
        hdd = files.usage(os.fsencode(path))
        free = f"{size(hdd.free)} of {size(hdd.size)} free on {path}"
        if hdd.free < hdd.size * _NEARLY_FULL:
            yield warning("HDD space", free, "it is nearly full: copies that do not fit wait until there is space")
        else:
            yield ok("HDD space", free)


def state(settings: Settings, user: User) -> Iterator[Finding]:
    """Look at the state directory, the spool and the locks."""
    state_dir = settings.state_dir
    if not os.path.isdir(state_dir):
        yield error("state", f"{state_dir} does not exist", "make it, for the service's user; `seedcache run` fills it")
        return
    kind = file_system(state_dir)
    if not user.may(state_dir, _WRITE | _ENTER):
        evidence = f"{state_dir} cannot be written by user {user.name}"
        yield error("state", evidence, "run this as the service's user, or give it the right to")
    elif kind in _VOLATILE:
        yield warning(
            "state",
            f"{state_dir} is on {kind}",
            "it is lost at a reboot or with the container: set STATE_DIR to a disk",
        )
    elif kind.startswith(_REMOTE):
        yield warning(
            "state",
            f"{state_dir} is on {kind}",
            "the journal needs a local file system (sqlite.org/wal.html): set STATE_DIR to one",
        )
    else:
        yield ok("state", f"{state_dir} is writable, on {kind}")
    place = spool.directory(state_dir)
    if not os.path.isdir(place):
        yield error("spool", f"{place} does not exist: submissions fail", "`seedcache run` makes it: start it once")
    elif not user.may(place, _WRITE | _ENTER):
        yield error(
            "spool",
            f"{place} cannot be written by user {user.name}",
            "give rTorrent's user and the service's the right to",
        )
    else:
        yield ok("spool", f"{len(os.listdir(place))} submissions wait")
    for ours in premises.places(state_dir, settings.lock_dir):
        with suppress(OSError):  # one that is missing is told of above, or is made
            problem = premises.fault(ours, user.uid)
            if problem:
                yield error("privacy", f"{ours.path} {problem}", "until then `seedcache run` does not start")
    locks = settings.lock_dir
    above = locks if os.path.isdir(locks) else os.path.dirname(locks)
    if not user.may(above, _WRITE | _ENTER):
        yield error("locks", f"LOCK_DIR {locks} cannot be written or made", "set LOCK_DIR to a directory that can")
    else:
        yield ok("locks", locks)


def daemon(settings: Settings, now: float) -> Finding:
    """Look whether the supervisor runs, and is the version that is installed."""
    seen = reader.daemon(settings.state_dir, now)
    if not seen.running or seen.snapshot is None:
        return warning("supervisor", "is not running", "submissions are kept; start it: seedcache run")
    installed = importlib.metadata.version("seedcache")
    evidence = f"runs as pid {seen.snapshot.pid} for {span(now - seen.snapshot.started)}"
    if seen.snapshot.version != installed:
        return warning(
            "supervisor", f"{evidence}, version {seen.snapshot.version}", f"restart it: {installed} is installed"
        )
    return ok("supervisor", evidence)


def file_system(path: str) -> str:
    """Return the kind of file system a path is on, as the kernel names it, or "unknown" (proc(5), mountinfo)."""
    device = os.stat(path).st_dev
    best, kind = -1, "unknown"
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
        for line in mounts:
            fields = line.split()
            major, _, minor = fields[2].partition(":")
            where = fields[4].encode("utf-8", "surrogateescape").decode("unicode_escape")
            same = os.makedev(int(major), int(minor)) == device
            below = f"{path}/".startswith(f"{where.rstrip('/')}/")
            # btrfs gives each subvolume a device of its own: then the path decides.
            rank = 100_000 * same + len(where) * below
            if (same or below) and rank >= best:
                best, kind = rank, fields[fields.index("-") + 1]
    return kind
