"""The configured roots: whether each is there, is the file system it was, and how much of it is free."""

import contextlib
import logging
import os

from supervisor.adapters import files, mounts
from supervisor.journal import Journal
from supervisor.messages import Place
from supervisor.observation.snapshot import Disk
from supervisor.settings import Settings

log = logging.getLogger(__name__)


class Disks:
    """What was found at the last look. A root's file system is remembered when it is first seen, in the journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._roots: list[bytes] = []
        self.ssd = self.hdd = Place(b"", "")
        self.seen: tuple[Disk, ...] = ()  # the SSD first

    @property
    def usable(self) -> bool:
        """Whether all are there and are the ones they were."""
        return bool(self.seen) and all(disk.trusted for disk in self.seen)

    def look(self, settings: Settings) -> Disk:
        """Measure them; return the SSD."""
        self._roots = [os.fsencode(root) for root in (settings.download_path_ssd, settings.final_dest_base_hdd)]
        self.ssd, ssd = self._measure("ssd", settings.download_path_ssd)
        self.hdd, hdd = self._measure("hdd", settings.final_dest_base_hdd)
        self.seen = (ssd, hdd)
        return ssd

    def trust(self) -> None:
        """A person says that what is mounted now is right. Raise JournalUnwritable."""
        for place in (self.ssd, self.hdd):
            with contextlib.suppress(OSError):  # what is not there now is not trusted
                self._journal.trust(place.path, mounts.identity(place.path))

    def _measure(self, role: str, text: str) -> tuple[Place, Disk]:
        path = os.fsencode(text)
        known = self._journal.filesystem(path)
        try:
            found = mounts.identity(path)
            usage = files.usage(path)
        except OSError:
            return Place(path, known or ""), Disk(role, text, 0, 0, trusted=False)
        if known is None:
            self._first_seen(path)
        same = known is None or mounts.same(known, found)
        if known is None or (same and mounts.tells_more(found, known)):
            self._journal.trust(path, found)
            known = found
        return Place(path, known), Disk(role, text, usage.size, usage.free, trusted=same)

    def _first_seen(self, path: bytes) -> None:
        under = mounts.on_anothers(path, self._roots)
        if under:
            log.warning(
                "%s is on the file system of %s; is its disk not mounted? "
                "What is there now is trusted from here on; if that is wrong, mount it, then: seedcache check --trust",
                files.show(path), files.show(under), extra={"action": "not-a-disk-of-its-own"},
            )  # fmt: skip
