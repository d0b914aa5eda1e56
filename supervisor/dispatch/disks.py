"""The configured roots: whether each is there, is the file system it was, and how much of it is free."""

import contextlib
import os

from supervisor.adapters import files
from supervisor.journal import Journal
from supervisor.messages import Place
from supervisor.observation.snapshot import Disk
from supervisor.settings import Settings


class Disks:
    """What was found at the last look. A root's file system is remembered when it is first seen, in the journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.ssd = self.hdd = Place(b"", 0)
        self.seen: tuple[Disk, ...] = ()  # the SSD first

    @property
    def usable(self) -> bool:
        """Whether all are there and are the ones they were."""
        return bool(self.seen) and all(disk.trusted for disk in self.seen)

    def look(self, settings: Settings) -> Disk:
        """Measure them; return the SSD."""
        self.ssd, ssd = self._measure("ssd", settings.download_path_ssd)
        self.hdd, hdd = self._measure("hdd", settings.final_dest_base_hdd)
        self.seen = (ssd, hdd)
        return ssd

    def trust(self) -> None:
        """A person says that what is mounted now is right. Raise JournalUnwritable."""
        for place in (self.ssd, self.hdd):
            with contextlib.suppress(OSError):  # what is not there now is not trusted
                self._journal.trust(place.path, files.filesystem_id(place.path))

    def _measure(self, role: str, text: str) -> tuple[Place, Disk]:
        path = os.fsencode(text)
        known = self._journal.filesystem(path)
        try:
            found = files.filesystem_id(path)
            usage = files.usage(path)
        except OSError:
            return Place(path, known or 0), Disk(role, text, 0, 0, trusted=False)
        if known is None:
            self._journal.trust(path, found)
            known = found
        return Place(path, known), Disk(role, text, usage.size, usage.free, trusted=known in (found, 0))
