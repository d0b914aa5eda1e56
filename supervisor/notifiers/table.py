"""Which services there are, which of them are told of a torrent or of the news, and what each is told."""

from collections.abc import Iterable

from supervisor.jobs import Job
from supervisor.messages import Announce, News, Notify
from supervisor.notifiers.apprise import Apprise
from supervisor.notifiers.arr import Arr
from supervisor.notifiers.base import Messenger, Notifier
from supervisor.notifiers.webhook import Webhook
from supervisor.settings import Settings

# A key is also the prefix of the service's settings: _url, _api_key, _tag, _path_map.
NOTIFIERS: dict[str, Notifier] = {
    "sonarr": Arr("Sonarr", "DownloadedEpisodesScan"),
    "radarr": Arr("Radarr", "DownloadedMoviesScan"),
}
# A key is also the prefix of the messenger's settings: _url, _events, and _secret if it has one.
MESSENGERS: dict[str, Messenger] = {
    "webhook": Webhook(),
    "apprise": Apprise(),
}


def which(settings: Settings, label: str) -> tuple[str, ...]:
    """Given a torrent's label, return the services that are to be told of it: keys of `NOTIFIERS`.

    The label, or its first part before a `/`, is one of the service's tags, in either case of letters.
    """
    if not settings.notify_arr_enabled:
        return ()
    names = {label.strip().casefold(), label.partition("/")[0].strip().casefold()} - {""}
    return tuple(
        service
        for service in NOTIFIERS
        if getattr(settings, f"{service}_url")
        and names & {tag.strip().casefold() for tag in getattr(settings, f"{service}_tag").split(",")}
    )


def task(token: int, job: Job, service: str, settings: Settings) -> Notify:
    """Given a copied job and a key of `NOTIFIERS`, return the task to tell that service of it."""
    # A path that is no UTF-8 cannot be said in JSON; the service then answers that it does not find it.
    path = job.destination.decode("utf-8", "replace")
    if not job.multi:
        path = f"{path}/{job.name}"
    return Notify(
        token=token,
        hash=job.hash,
        service=service,
        url=getattr(settings, f"{service}_url"),
        api_key=getattr(settings, f"{service}_api_key"),
        path=map_path(getattr(settings, f"{service}_path_map"), path),
    )


def services(settings: Settings) -> tuple[str, ...]:
    """Return all services that have an address: keys of `NOTIFIERS` and of `MESSENGERS`."""
    return tuple(service for service in (*NOTIFIERS, *MESSENGERS) if getattr(settings, f"{service}_url"))


def messengers(settings: Settings) -> tuple[str, ...]:
    """Return the messengers that have an address: keys of `MESSENGERS`."""
    return tuple(service for service in MESSENGERS if getattr(settings, f"{service}_url"))


def announcement(token: int, service: str, news: News, settings: Settings) -> Announce:
    """Given a key of `MESSENGERS` and the news, return the task to have it tell them."""
    return Announce(
        token=token,
        hash=news.hash,
        service=service,
        url=getattr(settings, f"{service}_url"),
        secret=getattr(settings, f"{service}_secret", ""),
        news=news,
    )


def map_path(pairs: Iterable[tuple[str, str]], path: str) -> str:
    """Given pairs of directories, ours and theirs, return our absolute path as they see it.

    The longest of our directories that holds the path counts; `/tv` does not hold `/tv2`. Without one, the path stays.
    """
    holding = [(ours.rstrip("/"), theirs) for ours, theirs in pairs if f"{path}/".startswith(f"{ours.rstrip('/')}/")]
    if not holding:
        return path
    ours, theirs = max(holding, key=lambda pair: len(pair[0]))
    rest = path[len(ours) :]
    if "\\" in theirs:  # the service runs on Windows
        rest = rest.replace("/", "\\")
    return (theirs.rstrip("/\\") + rest) or theirs
