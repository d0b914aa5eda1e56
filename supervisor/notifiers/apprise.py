"""An Apprise API server, which passes news on to Discord, Telegram, ntfy, mail and many others.

Its server by one POST (github.com/caronc/apprise-api) and not the package `apprise`: nothing to install, no plugins in
our memory, and the secrets of those services stay with it.
"""

import json
import os
from dataclasses import dataclass

from supervisor.adapters import http
from supervisor.adapters.http import ServiceRefused
from supervisor.messages import Announce, News

_KINDS = {
    "failed": "failure",
    "proof-failed": "failure",
    "held": "warning",
    "copied": "success",
    "relocated": "success",
}
_NO_CONTENT = 204


@dataclass(frozen=True, slots=True)
class Apprise:
    """The one server there may be."""

    def announce(self, task: Announce) -> None:
        """Have the server notify. Raise Retryable or Refused: see `base.Messenger`."""
        news = task.news
        message = {
            "title": f"seedcache on {os.uname().nodename}: {news.event}",
            "body": f"{news.name or news.hash}: {news.text}" if news.hash else news.text,
            "type": kind(news),
            "format": "text",
        }
        if http.post(task.url, {}, json.dumps(message).encode()) == _NO_CONTENT:
            raise ServiceRefused(
                "Apprise has no configuration under the key at the end of APPRISE_URL. Correct either."
            )


def kind(news: News) -> str:
    """Return the type that Apprise gives the news: a summary is as bad as the worst of it."""
    kinds = {_KINDS.get(action, "info") for action in (dict(news.counts) or [news.event])}
    return next(each for each in ("failure", "warning", "success", "info") if each in kinds)
