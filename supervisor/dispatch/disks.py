"""The configured roots: whether each is there, is the file system it was, and how much of it is free."""

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from functools import partial

from supervisor.adapters import clock, devices, files, mounts
from supervisor.adapters.patience import Patience, T
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
        self._patience = Patience()
        # Roots that do not answer -> the first and the last look at which they did not, monotonic.
        self._silent: dict[bytes, tuple[float, float]] = {}
        self._devices: dict[bytes, int] = {}
        self._roots: list[bytes] = []
        self.ssd = Place(b"", "")
        self.hdds: tuple[Place, ...] = ()  # as the settings list them
        self.seen: tuple[Disk, ...] = ()  # the SSD first, then the HDDs
        self._returned = False

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

    def device(self, root: bytes) -> int:
        """Return the number of the device (st_dev) that a root was on when it was last there; 0 if it never was."""
        return self._devices.get(root, 0)

    def silence(self, root: bytes) -> float:
        """Return for how many seconds a root had not answered at the last look; 0: it did, or is none of ours."""
        first, last = self._silent.get(root, (0.0, 0.0))
        return last - first

    def ask(self, path: bytes, question: Callable[[], T]) -> T:
        """Ask about a path on one of the HDDs: see Patience.ask."""
        return self._patience.ask(root_of(path, self.roots) or path, question)

    def look(self, settings: Settings) -> Disk:
        """Measure them; return the SSD."""
        self._roots = [os.fsencode(root) for root in (settings.download_path_ssd, *settings.final_dest_base_hdd)]
        self.ssd, ssd = self._measure("ssd", settings.download_path_ssd)
        found = [self._measure("hdd", root) for root in settings.final_dest_base_hdd]
        self.hdds = tuple(place for place, _ in found)
        away = {disk.path for disk in self.seen if not disk.trusted}
        self.seen = (ssd, *(disk for _, disk in found))
        self._returned |= any(disk.trusted and disk.path in away for disk in self.seen)
        return ssd

    def have_returned(self) -> bool:
        """Say whether one that was away is back since this was last asked."""
        returned, self._returned = self._returned, False
        return returned

    def trust(self) -> None:
        """A person says that what is mounted now is right. Raise JournalUnwritable."""
        for place in (self.ssd, *self.hdds):
            with contextlib.suppress(OSError):  # what is not there now is not trusted
                self._journal.trust(place.path, self._patience.ask(place.path, partial(mounts.identity, place.path)))

    def _measure(self, role: str, text: str) -> tuple[Place, Disk]:
        path = os.fsencode(text)
        known = self._journal.filesystem(path)
        try:
            found, usage, self._devices[path] = self._patience.ask(path, partial(_facts, path))
        except OSError as error:
            self._fell_silent(path, silent=isinstance(error, TimeoutError))
            return Place(path, known or ""), Disk(role, text, 0, 0, trusted=False)
        self._fell_silent(path, silent=False)
        if known is None:
            self._first_seen(path)
        same = known is None or mounts.same(known, found)
        if known is None or (same and mounts.tells_more(found, known)):
            self._journal.trust(path, found)
            known = found
        return Place(path, known), Disk(role, text, usage.size, usage.free, trusted=same)

    def _fell_silent(self, path: bytes, *, silent: bool) -> None:
        now = clock.monotonic()
        if not silent:
            self._silent.pop(path, None)
            return
        if path not in self._silent:
            text = "does not answer: a network mount whose server is away, or a failing disk; it is asked again"
            log.warning("%s %s", files.show(path), text, extra={"action": "disk-silent"})
        first, _ = self._silent.get(path, (now, now))
        self._silent[path] = first, now

    def _first_seen(self, path: bytes) -> None:
        under = b""
        with contextlib.suppress(TimeoutError):  # another root may be silent
            under = self._patience.ask(path, partial(mounts.on_anothers, path, self._roots))
        if under:
            log.warning(
                "%s is on the file system of %s; is its disk not mounted? "
                "What is there now is trusted from here on; if that is wrong, mount it, then: seedcache check --trust",
                files.show(path), files.show(under), extra={"action": "not-a-disk-of-its-own"},
            )  # fmt: skip


def _facts(path: bytes) -> tuple[str, files.Usage, int]:
    return mounts.identity(path), files.usage(path), devices.number(path)
