"""An SSD and an HDD in two directories, a torrent on the SSD, and the tasks to deliver and remove it."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from supervisor.adapters import mounts
from supervisor.messages import Copied, Copy, Phase, Place, Prove, Relocate
from supervisor.transfer import delivery, removing
from tests.support.torrents import AWKWARD, Torrent, contents, make_torrent, write_tree

SHORT = 16384  # bytes; the shortest piece in use


def quiet(_phase: Phase, _done: int, _total: int) -> None:
    """Report nothing."""


def never() -> bool:
    """Never stop."""
    return False


class Box:
    """Two roots, and what is done between them."""

    def __init__(self, tmp_path: Path, ssd: Path | None = None, hdd: Path | None = None) -> None:
        self.tmp = tmp_path
        self.ssd = ssd or tmp_path / "ssd"
        self.hdd = hdd or tmp_path / "hdd"
        self.ssd.mkdir(exist_ok=True)
        self.hdd.mkdir(exist_ok=True)
        self.torrent: Torrent

    def add(
        self, sizes: Mapping[bytes, int] = AWKWARD, name: str = "Some.Torrent", piece_length: int = SHORT
    ) -> Torrent:
        """Put a torrent of many files on the SSD."""
        write_tree(self.ssd / name, sizes)
        return self.make(name, piece_length)

    def add_single(self, size: int, name: str = "film.mkv", piece_length: int = SHORT) -> Torrent:
        """Put a torrent of one file on the SSD."""
        write_tree(self.ssd, {os.fsencode(name): size})
        return self.make(name, piece_length)

    def make(self, name: str, piece_length: int = SHORT) -> Torrent:
        """Make the torrent of what lies on the SSD."""
        self.torrent = make_torrent(self.ssd / name, self.tmp / "metafile.torrent", piece_length=piece_length)
        return self.torrent

    @property
    def name(self) -> str:
        return os.fsdecode(self.torrent.name)

    @property
    def source(self) -> Path:
        """d.directory on the SSD."""
        return self.ssd / self.name if self.torrent.multi else self.ssd

    @property
    def destination(self) -> Path:
        """d.directory on the HDD."""
        return self.hdd / "label" / self.name if self.torrent.multi else self.hdd / "label"

    @property
    def partial(self) -> Path:
        return self.hdd / "label" / os.fsdecode(delivery.partial_name(self.torrent.hash))

    def copy_task(self, *, read_back: bool = True, hdd_filesystem: str = "") -> Copy:
        return Copy(
            token=1,
            hash=self.torrent.hash,
            metainfo=self.torrent.metafile,
            source=os.fsencode(self.source),
            destination=os.fsencode(self.destination),
            ssd=Place(os.fsencode(self.ssd), mounts.identity(os.fsencode(self.ssd))),
            hdd=Place(os.fsencode(self.hdd), hdd_filesystem or mounts.identity(os.fsencode(self.hdd))),
            read_back=read_back,
        )

    def deliver(
        self,
        *,
        report: Callable[[Phase, int, int], None] = quiet,
        stopping: Callable[[], bool] = never,
        read_back: bool = True,
    ) -> Copied:
        return delivery.deliver(self.copy_task(read_back=read_back), report, stopping)

    def prove(self) -> float:
        task = self.copy_task()
        order = Prove(2, task.hash, task.metainfo, task.destination, task.hdd)
        return delivery.prove(order, quiet, never).prove_seconds

    def remove(
        self, confirm: Callable[[], None] = lambda: None, others: frozenset[tuple[bytes, ...]] = frozenset()
    ) -> int:
        """Return the bytes that were freed."""
        task = self.copy_task()
        order = Relocate(3, task.hash, task.metainfo, task.source, task.destination, task.ssd, task.hdd, "")
        return removing.remove(order, confirm, lambda: others, quiet).freed

    def on_ssd(self) -> dict[bytes, bytes]:
        return contents(self.source if self.torrent.multi else self.source / self.name)

    def on_hdd(self) -> dict[bytes, bytes]:
        return contents(self.destination if self.torrent.multi else self.destination / self.name)

    def facts(self, top: Path) -> dict[bytes, tuple[int, int, int]]:
        """Return of each file of the torrent below `top`: size, mtime in ns, permissions."""
        found = {}
        for parts, _ in self.torrent.files:
            info = os.stat(os.path.join(os.fsencode(top), *parts))
            found[b"/".join(parts)] = (info.st_size, info.st_mtime_ns, info.st_mode & 0o777)
        return found

    def forget(self) -> None:
        """Take the copy away."""
        shutil.rmtree(self.hdd / "label", ignore_errors=True)
