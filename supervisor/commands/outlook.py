"""What a space pass would do now, torrent by torrent, and what that frees: `seedcache space plan`. Reads only."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from supervisor.adapters import files
from supervisor.adapters.resolving import all_resolved
from supervisor.commands.display import clean, fit, size, span
from supervisor.commands.reader import Reader, daemon
from supervisor.dispatch import planning
from supervisor.dispatch.inquirer import metainfo_path
from supervisor.dispatch.kinship import Kinship
from supervisor.dispatch.planning import Outset, Plan, Step, When, inside
from supervisor.dispatch.uploads import Uploads
from supervisor.errors import ConfigurationError
from supervisor.jobs import Telling
from supervisor.settings import Settings

if TYPE_CHECKING:
    from supervisor.adapters.torrents import Torrent

VERSION = 2  # of the JSON
_KEPT = 20  # reasons that are shown, with a torrent each
_TURNS = {  # what stands over the first of the steps that wait for something
    When.LOW: "when space is low",
    When.QUIET: "when space is low and no peer is being served, or has been for POLICY_PATIENCE",
    When.EMERGENCY: "while less than SPACE_EMERGENCY is free",
}


@dataclass(frozen=True, slots=True)
class Outlook:
    """A plan, what it starts from, and what it leads to."""

    outset: Outset
    plan: Plan
    names: dict[str, str]

    @property
    def low(self) -> bool:
        """Whether torrents leave the SSD now."""
        return self.outset.low_since > 0

    @property
    def projected(self) -> Iterator[tuple[Step, int, bool]]:
        """Yield each step, the free bytes after it, and whether it is needed now, when it is its turn."""
        return planning.projected(self.plan.steps, self.outset)

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
    running = daemon(settings.state_dir, now)
    seen = running.snapshot if running.running else None
    wanted, since = (seen.wanted, seen.low_since) if seen else (0, 0.0)
    marks, rules = settings.marks(usage.size).raised(wanted), settings.rules
    low = marks.calls(usage.free, low=since > 0)
    known = all_resolved(torrents)
    uploads = Uploads(journal.uploads(), now)
    uploads.sample((each for each in known if each.complete and inside(each.directory, ssd)), now, rules.half_life)
    ties = Kinship(ssd).look(known, partial(metainfo_path, settings.state_dir))
    outset = Outset(
        ssd,
        now,
        usage.free,
        marks,
        wanted,
        (since or now) if low else 0.0,
        rules,
        (),
        uploads.lately(),
        _untold(journal),
        ties.links,
        ties.unfreed,
    )
    plan = planning.plan(known, {job.hash: job for job in journal.living()}, outset)
    return Outlook(outset, plan, {torrent.hash: torrent.name for torrent in torrents})


def _untold(journal: Reader) -> dict[str, tuple[str, ...]]:
    services: dict[str, tuple[str, ...]] = {}
    for notice in (*journal.notices(Telling.PENDING), *journal.notices(Telling.FAILED)):
        services[notice.hash] = (*services.get(notice.hash, ()), notice.service)
    return services


def render(outlook: Outlook) -> Iterator[str]:
    """Return the lines for a person."""
    outset = outlook.outset
    marks = f"torrents leave below {size(outset.marks.low)} until {size(outset.marks.high)} are free"
    yield f"SSD: {size(outset.free)} free, {marks}: {'low' if outlook.low else 'nothing to do'}"
    yield ""
    yield f"{'':4} {'does':8} {'hash':8} {'size':>10} {'age':>9} {'ratio':>6} {'of late':>10} {'then free':>10}  name"
    gone_on, turn = False, When.ASKED
    for place, (step, free, needed) in enumerate(outlook.projected, 1):
        if step.when is not turn and step.when in _TURNS:
            yield f"     -- {_TURNS[step.when]} --"
        turn = step.when
        if not needed and not gone_on:
            gone_on = True
            yield "     -- not needed now; this is the order in which further ones would leave --"
        each = step.candidate
        age = span(outset.now - each.finished) if each.finished else "unknown"
        yield (
            f"{place:4} {step.action:8} {each.hash[:8]} {size(each.size):>10} {age:>9} {each.ratio:6.2f} "
            f"{size(each.lately):>10} {size(free):>10}  {fit(clean(each.name), 40, pad=False)}"
        )
        yield f"{'':14}{clean(step.reason)}"
    if not outlook.plan.steps:
        yield "     no torrent can leave"
    if outlook.plan.kept:
        yield ""
        yield f"Stay: {len(outlook.plan.kept)}"
        by_reason: dict[str, list[str]] = {}
        for job_hash, reason in outlook.plan.kept:
            by_reason.setdefault(reason, []).append(job_hash)
        for reason, hashes in sorted(by_reason.items(), key=lambda item: -len(item[1]))[:_KEPT]:
            example = clean(outlook.names.get(hashes[0], ""))
            yield f"{len(hashes):5} {clean(reason)}, such as {hashes[0][:8]} {fit(example, 40, pad=False)}"
        if len(by_reason) > _KEPT:
            yield f"{'':5} and for {len(by_reason) - _KEPT} more reasons: --json has them all"


def as_dict(outlook: Outlook) -> dict[str, Any]:
    """Return it for `--json`."""
    outset, told = outlook.outset, planning.told(outlook.plan)
    return {
        "version": VERSION,
        "at": outset.now,
        "free": outset.free,
        "marks": {"low": outset.marks.low, "high": outset.marks.high, "emergency": outset.marks.emergency},
        "low": outlook.low,
        "low_since": outset.low_since,
        "order": list(outset.rules.order),
        "steps": [
            {
                "hash": step.hash,
                "name": step.name,
                "size": step.candidate.size,
                "finished": step.candidate.finished,
                "ratio": step.candidate.ratio,
                "uploaded_lately": round(step.candidate.lately),
                "label": step.candidate.label,
                "trackers": list(step.candidate.trackers),
                "action": step.action,
                "when": step.when.name.lower(),
                "not_before": step.not_before,
                "reason": told[step.hash],
                "together_with": [each for each in step.unit if each != step.hash],
                "frees": step.frees,
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
