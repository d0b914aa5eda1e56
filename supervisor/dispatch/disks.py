"""The configured roots: whether each is there, is the file system it was, and how much of it is free."""

import contextlib
import logging
import os
from collections.abc import Iterator

from supervisor.adapters import files, mounts
from supervisor.dispatch.destinations import root_of
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
        self.ssd = Place(b"", "")
        self.hdds: tuple[Place, ...] = ()  # as the settings list them
        self.seen: tuple[Disk, ...] = ()  # the SSD first, then the HDDs

    @property
    def usable(self) -> bool:
        """Whether the SSD and at least one HDD are there, and are the ones they were."""
        return any(disk.trusted for disk in self.seen[1:]) and self.seen[0].trusted

    @property
    def roots(self) -> list[bytes]:
        """The paths of the HDDs."""
        return [place.path for place in self.hdds]

    def hdd_of(self, path: bytes) -> Place | None:
        """Return the HDD that a path is on; None if it is on none that is configured."""
        root = root_of(path, self.roots)
        return next((place for place in self.hdds if place.path == root), None)

    def serves(self, destination: bytes) -> bool:
        """Say whether the SSD is there, and the HDD that a destination is on."""
        hdd = self.hdd_of(destination)
        return self.usable and any(place is hdd and disk.trusted for place, disk in self.measured())

    def measured(self) -> Iterator[tuple[Place, Disk]]:
        """Return each HDD and what was found there."""
        return zip(self.hdds, self.seen[1:], strict=True)

    def look(self, settings: Settings) -> Disk:
        """Measure them; return the SSD."""
        self._roots = [os.fsencode(root) for root in (settings.download_path_ssd, *settings.final_dest_base_hdd)]
        self.ssd, ssd = self._measure("ssd", settings.download_path_ssd)
        found = [self._measure("hdd", root) for root in settings.final_dest_base_hdd]
        self.hdds = tuple(place for place, _ in found)
        self.seen = (ssd, *(disk for _, disk in found))
        return ssd

    def trust(self) -> None:
        """A person says that what is mounted now is right. Raise JournalUnwritable."""
        for place in (self.ssd, *self.hdds):
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
