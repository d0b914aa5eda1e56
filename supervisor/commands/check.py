"""Everything that must be right on this host, looked at in turn: `seedcache check`. Reads only, and changes nothing."""

import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from supervisor.commands import check_host, check_rtorrent
from supervisor.commands.findings import Finding, Level, error, ok
from supervisor.errors import ConfigurationError, Exit, SeedcacheError
from supervisor.notifiers.table import NOTIFIERS
from supervisor.settings import Settings, load

VERSION = 1  # of the JSON
_YEAR_2024 = 1704067200.0  # unix seconds; a clock before that was never set


def run(config: str | None, environ: Mapping[str, str], now: float) -> Iterator[Finding]:
    """Given the settings file of the command line, the environment and the time, yield each finding as it is made."""
    yield package()
    yield clock(now)
    try:
        settings = load(config, environ)
    except ConfigurationError as problem:
        for line in str(problem).splitlines():
            yield error("settings", line, "correct the setting, then check again: nothing else can be looked at")
        return
    yield ok("settings", f"{sum(source != 'default' for source in settings.sources.values())} set, the rest by default")
    yield from check_host.disks(settings)
    yield from check_host.state(settings)
    yield check_host.daemon(settings, now)
    yield from check_rtorrent.rtorrent(settings, now)
    yield from services(settings)


def package() -> Finding:
    """Look whether the package `supervisor` is ours alone: supervisord's has the same import name."""
    (place,) = sys.modules["supervisor"].__path__
    try:
        importlib.metadata.version("supervisor")
        mixed = True
    except importlib.metadata.PackageNotFoundError:
        mixed = importlib.util.find_spec("supervisor.supervisord") is not None
    if mixed:
        return error(
            "package", f"supervisord is installed in the same environment, in {place}",
            "it has the same import name and overwrites files: install seedcache into a virtual environment of its own",
        )  # fmt: skip
    return ok("package", f"seedcache {importlib.metadata.version('seedcache')} in {place}")


def clock(now: float) -> Finding:
    """Look whether the clock was ever set: ages and retries follow it."""
    if now < _YEAR_2024:
        return error("clock", "it says that it is before 2024", "set it, for example by systemd-timesyncd")
    return ok("clock", "is set")


def services(settings: Settings) -> Iterator[Finding]:
    """Ask each configured service for its version, which proves address and key."""
    for service, notifier in NOTIFIERS.items():
        url, key = getattr(settings, f"{service}_url"), getattr(settings, f"{service}_api_key")
        if not url:
            yield ok(service, "not used")
        elif not settings.notify_arr_enabled:
            yield ok(service, "not told: NOTIFY_ARR_ENABLED is off")
        else:
            try:
                yield ok(service, f"version {notifier.probe(url, key)} answers and accepts the key")
            except SeedcacheError as problem:
                remedy = f"see {service.upper()}_URL and {service.upper()}_API_KEY; until then its notices wait"
                yield error(service, str(problem), remedy)


def render(finding: Finding) -> Iterator[str]:
    """Return the lines of one finding for a person."""
    yield f"{finding.level:8} {finding.what:16} {finding.evidence}"
    if finding.remedy:
        yield f"{'':25} -> {finding.remedy}"


def summary(findings: Iterable[Finding]) -> str:
    """Return the last line."""
    levels = [finding.level for finding in findings]
    return f"{levels.count(Level.ERROR)} errors, {levels.count(Level.WARNING)} warnings, {levels.count(Level.OK)} ok"


def as_dict(findings: Iterable[Finding]) -> dict[str, Any]:
    """Return the findings for `--json`."""
    return {"version": VERSION, "findings": [asdict(finding) for finding in findings]}


def exit_code(findings: Iterable[Finding]) -> Exit:
    """Return 0 without an error, 4 if rTorrent that does not answer is the only one, else 3."""
    errors = [finding for finding in findings if finding.level is Level.ERROR]
    if not errors:
        return Exit.DONE
    return Exit.UNREACHABLE if all(finding.unreachable for finding in errors) else Exit.CONFIGURATION
