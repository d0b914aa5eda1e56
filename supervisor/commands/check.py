"""Everything that must be right on this host, looked at in turn: `seedcache check`. Reads only, and changes nothing."""

import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from supervisor.commands import check_host, check_neighbours, check_rtorrent, check_services, rights
from supervisor.commands.findings import Finding, Level, error, ok, warning
from supervisor.commands.rights import User
from supervisor.errors import ConfigurationError, Exit
from supervisor.settings import load

VERSION = 1  # of the JSON
_YEAR_2024 = 1704067200.0  # unix seconds; a clock before that was never set


def run(config: str | None, environ: Mapping[str, str], now: float, *, announce: bool = False) -> Iterator[Finding]:
    """Given the settings file of the command line, the environment and the time, yield each finding as it is made.

    With `announce`, the messengers are sent a test message.
    """
    yield package()
    yield clock(now)
    try:
        settings = load(config, environ)
    except ConfigurationError as problem:
        for line in str(problem).splitlines():
            yield error("settings", line, "correct the setting, then check again: nothing else can be looked at")
        return
    yield ok("settings", f"{sum(source != 'default' for source in settings.sources.values())} set, the rest by default")
    user, finding = _whose_rights(settings.state_dir)
    yield finding
    if not user.ours:
        yield from _readable(config, environ, user)
    yield from check_host.disks(settings, user)
    yield from check_host.state(settings, user)
    yield check_host.daemon(settings, now)
    yield from check_neighbours.neighbours(settings, now)
    yield from check_rtorrent.rtorrent(settings, user)
    yield from check_services.services(settings)
    yield from check_services.messengers(settings, now, announce=announce)


def _whose_rights(state_dir: str) -> tuple[User, Finding]:
    """Return whose rights are looked at, which are those of the service's user if we may, and what is said of that."""
    us = rights.ourselves()
    try:
        owner = rights.owner_of(state_dir)
    except OSError:
        return us, ok("user", f"looked at as {us.name}")
    if owner.ours or us.uid == 0:
        return owner, ok("user", f"looked at with the rights of {owner.name}, to whom {state_dir} belongs")
    return us, warning(
        "user", f"looked at as {us.name}, but {state_dir} belongs to {owner.name}",
        f"look as the service's user: sudo -u {owner.name} seedcache check",
    )  # fmt: skip


def _readable(config: str | None, environ: Mapping[str, str], user: User) -> Iterator[Finding]:
    """Look whether the service's user can read the settings that root could."""
    try:
        with user.acting():
            load(config, environ)
    except ConfigurationError as problem:
        for line in str(problem).splitlines():
            yield error("settings", line, f"let {user.name} read the file, and those it names")


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
