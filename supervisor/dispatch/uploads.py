"""How much each torrent on the SSD has uploaded of late: rTorrent tells only the sum of all time. Pure.

Of each torrent three numbers are kept. What it uploaded is added to a sum of which half is forgotten in each half-life,
so old uploads need not be remembered one by one: https://en.wikipedia.org/wiki/Exponential_smoothing.
"""

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from supervisor.jobs import Sample

if TYPE_CHECKING:
    from supervisor.adapters.torrents import Torrent

CREDIT = 1.0  # times its size: what a torrent is taken to be worth as it finishes, before peers have come
_WRITE_EVERY = 3600.0  # seconds. A crash loses no bytes: the next sample adds all since the last that was written
_FORGET_AFTER = 86400.0  # seconds that a torrent was not on the SSD


def sampled(before: Sample | None, torrent: "Torrent", now: float, half_life: float) -> Sample:
    """Given the last sample, the torrent, the time and the half-life (seconds), return the next.

    One that is seen for the first time is taken to have uploaded evenly since it finished, and gets what is left of its
    credit: without one, what has just finished would be the first to leave, before peers have come.
    A sum of all time that has become less is a new one: the torrent was added again.
    """
    if before is None:
        age = max(now - torrent.finished, 1.0) if torrent.finished else 1.0
        left = 0.5 ** (age / half_life)
        evenly = torrent.up_total / age * half_life / math.log(2) * (1 - left)
        return Sample(torrent.up_total, evenly + CREDIT * torrent.size * left, now)
    more = torrent.up_total - before.total
    if more < 0:
        more = torrent.up_total
    kept = before.lately * 0.5 ** (max(now - before.at, 0.0) / half_life)
    return Sample(torrent.up_total, kept + more, max(now, before.at))


class Uploads:
    """The samples of all torrents on the SSD."""

    def __init__(self, samples: Mapping[str, Sample], now: float) -> None:
        """Given what the journal has, and the time."""
        self._samples = dict(samples)
        self._written = dict(samples)
        self._write_at = now + _WRITE_EVERY

    def sample(self, torrents: Iterable["Torrent"], now: float, half_life: float) -> None:
        """Given the torrents on the SSD, the time and the half-life (seconds), take a sample of each."""
        for torrent in torrents:
            self._samples[torrent.hash] = sampled(self._samples.get(torrent.hash), torrent, now, half_life)

    def lately(self) -> dict[str, float]:
        """Return for each torrent the bytes it has uploaded of late, as of its last sample."""
        return {torrent_hash: sample.lately for torrent_hash, sample in self._samples.items()}

    def unwritten(self, now: float) -> dict[str, Sample | None]:
        """Return what is to be made durable now, None for what is to be forgotten. Most of the time it is nothing."""
        if now < self._write_at:
            return {}
        changed: dict[str, Sample | None] = {}
        for torrent_hash, sample in self._samples.items():
            written = self._written.get(torrent_hash)
            if now - sample.at > _FORGET_AFTER:
                changed[torrent_hash] = None
            elif written is None or written.total != sample.total:
                changed[torrent_hash] = sample
        return changed

    def wrote(self, changed: Mapping[str, Sample | None], now: float) -> None:
        """It is durable."""
        self._write_at = now + _WRITE_EVERY
        for torrent_hash, sample in changed.items():
            if sample is None:
                self._samples.pop(torrent_hash, None)
                self._written.pop(torrent_hash, None)
            else:
                self._written[torrent_hash] = sample
