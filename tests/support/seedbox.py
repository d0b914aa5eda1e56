"""A whole seedbox on real parts: two small file systems, a client rTorrent with the hook, a seeder, a supervisor."""

import contextlib
import errno
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import psutil

from supervisor.adapters.rtorrent import RTorrent
from supervisor.jobs import Job, State
from tests.support.mounts import loop_mounted
from tests.support.needs import lacking, need_program
from tests.support.rtorrents import OLD, RTorrentProcess, program, until
from tests.support.supervisors import SUBMIT, SupervisorProcess
from tests.support.torrents import Torrent, contents, make_torrent, write_tree

MIB = 1 << 20
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # tmpfs; else wherever temporary files go

# By default rTorrent closes what it downloads to a disk with less than 500 MB free: ours are smaller altogether.
SMALL = 'schedule = low_diskspace, 5, 60, "close_low_diskspace=1M"\n'

# rTorrent notes in the torrent itself when it was closed; a test clears the note and looks.
NOTES = """\
method.set_key = event.download.closed, test_note, "d.custom.set=closed,1"
throttle.up = slow, 5000
"""

_WRITE = "/sys/fs/cgroup/blkio/blkio.throttle.write_bps_device"


def hook(state: Path) -> str:
    """Return the line of the rc file that submits what has been downloaded."""
    return f'method.set_key = event.download.finished, seedcache, "execute.nothrow.bg={SUBMIT},-d,{state},$d.hash="\n'


@contextlib.contextmanager
def slowly_written(where: Path, mib_per_second: float) -> Iterator[None]:
    """Let the device of a mounted file system take so much and no more (cgroup v1, blkio.throttle; bytes a second)."""
    if not os.access(_WRITE, os.W_OK):
        lacking("needs the blkio controller of cgroup v1")
    device = where.stat().st_dev
    name = f"{os.major(device)}:{os.minor(device)}"
    Path(_WRITE).write_text(f"{name} {int(mib_per_second * MIB)}")
    try:
        yield
    finally:
        Path(_WRITE).write_text(f"{name} 0")


def fill(where: Path, leave: int) -> Path:
    """Write a file that leaves so many bytes of a file system free, or next to none; return it."""
    ballast = where / "ballast"
    step = free(where)
    with ballast.open("ab") as file:
        while step >= 1024 and (extra := min(step, free(where) - leave)) > 0:
            try:
                os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), extra)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                step //= 2  # the file's own extents need room, too
            os.fsync(file.fileno())
    return ballast


def free(where: Path) -> int:
    """Return the bytes that may still be written there."""
    found = os.statvfs(where)
    return found.f_bavail * found.f_frsize


def forget(top: Path) -> None:
    """Drop what the page cache has of the files below."""
    for path in top.rglob("*") if top.is_dir() else [top]:
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def cached(top: Path) -> int:
    """Return how many bytes of the files below are in the page cache (fincore(1)): read, if nobody wrote."""
    files = [path for path in (top.rglob("*") if top.is_dir() else [top]) if path.is_file()]
    command = [need_program("fincore"), "--bytes", "--noheadings", "--output", "RES", "--", *files]
    return sum(map(int, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()))


class Seedbox:
    """Everything below one directory, started as it is asked for and gone when it is left."""

    def __init__(
        self, home: Path, version: str = OLD, ssd_mib: int = 64, hdd_mib: int = 128, filesystem: str = "ext4"
    ) -> None:
        self.home = home
        self.version = version
        self._filesystem = filesystem
        self._stack = contextlib.ExitStack()
        self._sizes = ssd_mib, hdd_mib
        self._torrents = 0
        self.environment: dict[str, str] = {}  # of the supervisor, beside what it always gets
        self.supervisor: SupervisorProcess
        self.client: RTorrentProcess

    def __enter__(self) -> Self:
        program(self.version)
        self.home.mkdir(parents=True, exist_ok=True)
        # In memory: rTorrent 0.16 syncs each piece of a download with msync(2) in its main loop, and does not answer
        # while a disk that others keep busy is at it (seen: 10 s for 3,000 files).
        memory = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="seedcache-disks-", dir=MEMORY))
        disks = Path(memory, "disks")  # two levels of our own above each root, for what might lead out of it
        self.ssd = self._stack.enter_context(loop_mounted(disks, "ssd", self._filesystem, self._sizes[0]))
        self.hdd = self._stack.enter_context(loop_mounted(disks, "hdd", self._filesystem, self._sizes[1]))
        self.state = self.home / "seedcache" / "state"
        self._stack.callback(self._nothing_left)
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.__exit__(*exc)  # type: ignore[arg-type]

    def enter(self, context: Any) -> Any:
        """Enter a context that is left with the seedbox, before its file systems are unmounted."""
        return self._stack.enter_context(context)

    def rtorrent(self, name: str, version: str | None = None, extra: str = "") -> RTorrentProcess:
        """Start an rTorrent."""
        return self.enter(RTorrentProcess(version or self.version, self.home / name, extra))

    def start(self, extra: str = "", **settings: Any) -> Self:
        """Start the client, with the hook, and the supervisor; both can be stopped and started again."""
        self.client = RTorrentProcess(self.version, self.home / "client", SMALL + NOTES + hook(self.state) + extra)
        self.supervisor = SupervisorProcess(self.home / "seedcache", self.ssd, self.hdd, self.client.url, **settings)
        self.supervisor.environment |= self.environment
        self._stack.callback(self.client.close)
        self._stack.callback(self.supervisor.close)
        self.client.start()
        self.supervisor.start()
        return self

    def _nothing_left(self) -> None:
        try:
            until(lambda: not self.processes(), "no process of the supervisor is left")
        finally:
            for process in self.processes():
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()

    def processes(self) -> list[psutil.Process]:
        """Every process of the supervisor, also one that has lost its parent: all work in the state directory."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.cwd() == str(self.state) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    # -- torrents --------------------------------------------------------------------------------------------------

    def make(self, name: str, what: int | Mapping[bytes, int], where: Path | None = None, **options: Any) -> Torrent:
        """Write data (bytes of one file, or sizes of many) to `where`, the SSD if not given; return its torrent."""
        self._torrents += 1
        top = (where or self.ssd) / name
        if isinstance(what, int):
            write_tree(top.parent, {os.fsencode(name): what}, seed=self._torrents)
        else:
            write_tree(top, what, seed=self._torrents)
        return make_torrent(top, self.home / f"{self._torrents}.torrent", **options)

    def seed(self, name: str, what: int | Mapping[bytes, int], *, label: str = "", submit: bool = True) -> Torrent:
        """Have the client seed new data from the SSD, and submit it as the hook would; return its torrent."""
        torrent = self.make(name, what)
        self.client.seed(torrent, self.ssd, extra=f'd.custom1.set="{label}"')
        self.unmark(torrent)
        if submit:
            self.supervisor.submit(torrent.hash)
        return torrent

    @contextlib.contextmanager
    def copying(self, torrent: Torrent) -> Iterator[None]:
        """Submit it, and be in the middle of its copy: the HDD is slow until the block is left.

        So slow that some of the snapshots, one a second at most, show it.
        """
        with slowly_written(self.hdd, 2):
            self.supervisor.submit(torrent.hash)
            until(lambda: self.supervisor.copying(torrent.hash), "the copy is on its way")
            yield

    def unmark(self, torrent: Torrent) -> None:
        """Forget that it was closed."""
        self.client.call("d.custom.set", torrent.hash, "closed", "")

    def was_closed(self, torrent: Torrent) -> bool:
        """Say whether rTorrent closed it since it was unmarked."""
        return bool(self.client.call("d.custom", torrent.hash, "closed"))

    def path(self, root: Path, torrent: Torrent, label: str = "") -> Path:
        """Return where its data lies below a root."""
        return Path(os.fsdecode(os.path.join(os.fsencode(root / label), torrent.name)))

    def directory(self, torrent: Torrent) -> str:
        """Return d.directory as rTorrent has it; the adapter knows what it makes of an emoji."""
        return os.fsdecode(RTorrent(self.client.url).torrent(torrent.hash).directory)

    def seeds_from(self, root: Path, torrent: Torrent, label: str = "") -> bool:
        """Say whether the client seeds it from that root: active, complete, not being hashed."""
        hash_ = torrent.hash
        now = self.client.multi(("d.is_active", hash_), ("d.complete", hash_), ("d.hashing", hash_))
        place = self.path(root, torrent, label) if torrent.multi else root / label
        return now == [1, 1, 0] and self.directory(torrent) == str(place)

    def relocated(self, torrent: Torrent, original: dict[bytes, bytes], label: str = "", seconds: float = 90) -> Job:
        """Wait until it is relocated, and check what that means: the HDD copy is whole, the SSD data gone, it seeds."""
        job = self.supervisor.wait_for(torrent.hash, State.RELOCATED, seconds)
        assert contents(self.path(self.hdd, torrent, label)) == original
        assert not self.path(self.ssd, torrent).exists()
        assert self.seeds_from(self.hdd, torrent, label)
        assert not any(torrent.hash in partial.name for partial in self.partials())
        return job

    def partials(self) -> list[Path]:
        """Return what is left of copies in the making; other copies may come and go meanwhile, so no `rglob`."""
        return [
            Path(above, name)
            for above, directories, files in os.walk(self.hdd)  # passes over what vanishes under it
            for name in (*directories, *files)
            if name.startswith(".seedcache-")
        ]

    def download(self, torrent: Torrent, source: RTorrentProcess, name: str) -> dict[bytes, bytes]:
        """Have another, new client download it from `source`; return what arrived."""
        with RTorrentProcess(self.version, self.home / name) as other:
            other.load(torrent)
            until(lambda: other.call("d.is_active", torrent.hash), "it is open for peers")
            other.add_peer(torrent, source)
            other.wait_complete(torrent, 60)
            return contents(Path(os.fsdecode(os.path.join(os.fsencode(other.downloads), torrent.name))))
