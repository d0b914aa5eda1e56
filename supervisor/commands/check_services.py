"""What `check` looks at in the services: Sonarr and Radarr, and how far the messengers have been told."""

from collections.abc import Iterator

from supervisor.commands import reader
from supervisor.commands.findings import Finding, error, ok, warning
from supervisor.errors import ConfigurationError, SeedcacheError
from supervisor.jobs import Bookmark, Telling
from supervisor.messages import TEST, News
from supervisor.notifiers import table
from supervisor.notifiers.base import Notifier
from supervisor.settings import Settings


def services(settings: Settings) -> Iterator[Finding]:
    """Ask each configured service for its version, which proves address and key, then what else may go wrong."""
    for service, notifier in table.NOTIFIERS.items():
        url, key = getattr(settings, f"{service}_url"), getattr(settings, f"{service}_api_key")
        if not url:
            yield ok(service, "not used")
        elif not settings.notify_arr_enabled:
            yield ok(service, "not told: NOTIFY_ARR_ENABLED is off")
        else:
            try:
                yield ok(service, f"version {notifier.probe(url, key)} answers and accepts the key")
                yield from _imports(settings, service, notifier)
            except SeedcacheError as problem:
                remedy = f"see {service.upper()}_URL and {service.upper()}_API_KEY; until then its notices wait"
                yield error(service, str(problem), remedy)


def _imports(settings: Settings, service: str, notifier: Notifier) -> Iterator[Finding]:
    url, key = getattr(settings, f"{service}_url"), getattr(settings, f"{service}_api_key")
    pairs = getattr(settings, f"{service}_path_map")
    for ours in settings.final_dest_base_hdd:
        theirs = table.map_path(pairs, ours)
        shown = theirs if theirs == ours else f"{ours}, for it {theirs},"
        if notifier.sees(url, key, theirs):
            yield ok(f"{service} paths", f"it sees {shown.rstrip(',')}")
        else:
            yield error(
                f"{service} paths", f"it does not see {shown} so it can import nothing from there",
                f'mount it into its container, or set {service.upper()}_PATH_MAP = ["{ours}:/where/it/sees/it"]',
            )  # fmt: skip
    if notifier.imports_by_itself(url, key):
        yield warning(
            f"{service} imports", "its Completed Download Handling is on: it imports from the SSD by itself",
            "two imports of one download race: switch it off under Settings, Download Clients, or NOTIFY_ARR_ENABLED",
        )  # fmt: skip
    else:
        yield ok(f"{service} imports", "it waits to be told")


def messengers(settings: Settings, now: float, *, announce: bool) -> Iterator[Finding]:
    """Say how far each messenger has been told; with `announce`, send each a test message."""
    marks = _bookmarks(settings.state_dir)
    for service, messenger in table.MESSENGERS.items():
        if service not in table.messengers(settings):
            yield ok(service, "not used")
            continue
        remedy = f"see {service.upper()}_URL; what it has not been told is kept until it is"
        mark = marks.get(service)
        if announce:
            news = News(0, TEST, now, "", "", "a test: you will be told here what happens")
            try:
                messenger.announce(table.announcement(0, service, news, settings))
                yield ok(service, "took a test message")
            except SeedcacheError as problem:
                yield error(service, str(problem), remedy)
        elif mark is not None and mark.state is not Telling.SENT:
            yield error(service, f"{mark.attempts} attempts in vain: {mark.reason}", remedy)
        else:
            yield ok(service, "has been told everything" if mark and mark.sent else "nothing was to be told yet")


def _bookmarks(state_dir: str) -> dict[str, Bookmark]:
    try:
        journal = reader.Reader(state_dir)
    except ConfigurationError:
        return {}
    marks = {mark.service: mark for mark in journal.bookmarks()}
    journal.close()
    return marks
