"""Where rTorrent, the journal and the disks disagree: `seedcache reconcile`."""

from collections.abc import Iterator
from typing import Any

from supervisor.adapters import files
from supervisor.commands.display import clean, size
from supervisor.commands.reader import Reader
from supervisor.dispatch import sweeping
from supervisor.dispatch.reconciling import Finding, Kind, Report
from supervisor.settings import Settings

VERSION = 1
_SHOWN = 20  # findings of a kind
_WORDS = {
    Kind.MISSED: ("Finished on the SSD, and no hook told of it", "handed in by the next sweep, or by --fix"),
    Kind.SKIPPED: ("Files are skipped", "choose all files in rTorrent, or leave it on the SSD"),
    Kind.MOVED: ("Moved by somebody else", "nothing is done with it; `seedcache explain HASH` says more"),
    Kind.RELABELLED: ("Labelled anew since they were copied", "nothing to do: Sonarr and Radarr do that"),
    Kind.STRAY: ("On the SSD, and no torrent lists it", "`seedcache trash PATH` puts it aside"),
    Kind.COPY: ("A copy whose torrent was erased", "keep it, or `seedcache trash PATH`"),
    Kind.PARTIAL: ("Left of copies that nobody goes on with", "removed by the next sweep, or by --fix"),
}


def look(settings: Settings, now: float, *, fix: bool) -> Report:
    """Look everything over, and mend what is safe if that is wanted. Raise RTorrentUnreachable."""
    from supervisor.adapters.rtorrent import RTorrent  # noqa: PLC0415  (once the settings are known to be good)

    journal = Reader(settings.state_dir)
    report = sweeping.sweep(settings, journal, RTorrent(settings.scgi_url, settings.rpc_timeout), now)
    return sweeping.mend(report, settings, journal, now) if fix else report


def render(report: Report) -> Iterator[str]:
    """Return the lines for a person."""
    for kind, (title, remedy) in _WORDS.items():
        count = report.count.get(kind, 0)
        if not count:
            continue
        total = f", {size(report.size[kind])}" if kind in (Kind.STRAY, Kind.COPY) else ""
        yield f"{title}: {count}{total} -- {remedy}"
        shown = [each for each in report.findings if each.kind is kind]
        for each in shown[:_SHOWN]:
            yield f"  {_line(each)}"
        if count > _SHOWN:
            yield f"  and {count - _SHOWN} more"
        yield ""
    for note in report.notes:
        yield f"not looked at, or not mended: {clean(note)}"
    if not any(report.count.values()) and not report.notes:
        yield "rTorrent, the journal and the disks agree"


def _line(finding: Finding) -> str:
    where = clean(files.show(finding.path))
    if finding.kind in (Kind.STRAY, Kind.COPY, Kind.PARTIAL):
        return f"{size(finding.size):>10}  {where}  ({finding.text})"
    return f"{finding.hash[:8]}  {clean(finding.name)}: {clean(finding.text)}"


def as_dict(report: Report) -> dict[str, Any]:
    """Return it for `--json`."""
    return {
        "version": VERSION,
        "at": report.at,
        "totals": {kind: {"count": report.count.get(kind, 0), "bytes": report.size.get(kind, 0)} for kind in Kind},
        "findings": [
            {
                "kind": each.kind,
                "text": each.text,
                "hash": each.hash,
                "name": each.name,
                "path": files.show(each.path),
                "bytes": each.size,
                "mends": each.mends,
            }
            for each in report.findings
        ],
        "notes": list(report.notes),
    }
