"""What a space pass would do now, torrent by torrent, and what that frees: `seedcache space plan`. Reads only."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from supervisor.adapters import files
from supervisor.adapters.resolving import resolved
from supervisor.commands.display import clean, fit, size, span
from supervisor.commands.reader import Reader
from supervisor.dispatch import planning
from supervisor.dispatch.planning import Plan, Step
from supervisor.errors import ConfigurationError
from supervisor.settings import Settings

if TYPE_CHECKING:
    from supervisor.adapters.rtorrent import Torrent

VERSION = 1  # of the JSON
_KEPT = 10  # reasons that are shown with a torrent each


@dataclass(frozen=True, slots=True)
class Outlook:
    """A plan and what it leads to."""

    now: float  # unix seconds
    free: int  # bytes on the SSD
    threshold: int  # bytes; with less than this free, torrents leave
    plan: Plan
    names: dict[str, str]

    @property
    def projected(self) -> Iterator[tuple[Step, int, bool]]:
        """Yield each step, the free bytes after it, and whether the SSD is still low when its turn comes."""
        free = self.free
        for step in self.plan.steps:
            needed = free < self.threshold
            free += step.size
            yield step, free, needed

    def place_of(self, job_hash: str) -> int | None:
        """Return a torrent's place in the order, from 1, or None if it stays."""
        return next((place for place, step in enumerate(self.plan.steps, 1) if step.hash == job_hash), None)

    def reason_to_stay(self, job_hash: str) -> str:
        """Return why a torrent is not in the plan; empty: it is, or rTorrent does not have it."""
        return next((reason for kept, reason in self.plan.kept if kept == job_hash), "")


def look(settings: Settings, journal: Reader, torrents: list["Torrent"], now: float) -> Outlook:
    """Given the settings, the journal and all torrents of rTorrent, return what would be done.

    Raise ConfigurationError if the SSD cannot be measured.
    """
    ssd = os.fsencode(settings.download_path_ssd)
    try:
        usage = files.usage(ssd)
    except OSError as error:
        raise ConfigurationError(f"DOWNLOAD_PATH_SSD {settings.download_path_ssd}: {error.strerror}") from error
    jobs = {job.hash: job for job in journal.living()}
    plan = planning.plan([resolved(torrent) for torrent in torrents], jobs, ssd, now)
    names = {torrent.hash: torrent.name for torrent in torrents}
    return Outlook(now, usage.free, settings.disk_space_threshold_bytes, plan, names)


def render(outlook: Outlook) -> Iterator[str]:
    """Return the lines for a person."""
    verdict = "low" if outlook.free < outlook.threshold else "nothing to do"
    yield f"SSD: {size(outlook.free)} free, relocates below {size(outlook.threshold)}: {verdict}"
    yield ""
    yield f"{'':3} {'does':8} {'hash':8} {'size':>10} {'finished':14} {'then free':>10}  name"
    gone_on = False
    for place, (step, free, needed) in enumerate(outlook.projected, 1):
        if not needed and not gone_on:
            gone_on = True
            yield "    -- not needed now; this is the order in which further ones would leave --"
        age = f"{span(outlook.now - step.finished)} ago" if step.finished else "unknown"
        name = fit(clean(step.name), 40, pad=False)
        yield f"{place:3} {step.action:8} {step.hash[:8]} {size(step.size):>10} {age:14} {size(free):>10}  {name}"
    if not outlook.plan.steps:
        yield "    no torrent can leave"
    if outlook.plan.kept:
        yield ""
        yield f"Stay: {len(outlook.plan.kept)}"
        by_reason: dict[str, list[str]] = {}
        for job_hash, reason in outlook.plan.kept:
            by_reason.setdefault(reason, []).append(job_hash)
        for reason, hashes in sorted(by_reason.items(), key=lambda item: -len(item[1]))[:_KEPT]:
            example = clean(outlook.names.get(hashes[0], ""))
            yield f"{len(hashes):5} {clean(reason)}, such as {hashes[0][:8]} {fit(example, 40, pad=False)}"


def as_dict(outlook: Outlook) -> dict[str, Any]:
    """Return it for `--json`."""
    return {
        "version": VERSION,
        "at": outlook.now,
        "free": outlook.free,
        "threshold": outlook.threshold,
        "low": outlook.free < outlook.threshold,
        "steps": [
            {
                "hash": step.hash,
                "name": step.name,
                "size": step.size,
                "finished": step.finished,
                "action": step.action,
                "needed_now": needed,
                "free_after": free,
            }
            for step, free, needed in outlook.projected
        ],
        "kept": [
            {"hash": job_hash, "name": outlook.names.get(job_hash, ""), "reason": reason}
            for job_hash, reason in outlook.plan.kept
        ],
    }
