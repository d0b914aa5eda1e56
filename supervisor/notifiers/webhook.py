"""A webhook: any address that takes JSON by POST. The body is documented in docs/notifications.md."""

import hashlib
import hmac
import json
import os
from dataclasses import asdict, dataclass

from supervisor.adapters import http
from supervisor.messages import Announce

VERSION = 1  # of the body


@dataclass(frozen=True, slots=True)
class Webhook:
    """The one there may be."""

    def announce(self, task: Announce) -> None:
        """Post the news, signed if there is a secret. Raise Retryable or Refused: see `base.Messenger`."""
        told = asdict(task.news) | {"counts": dict(task.news.counts)}
        content = json.dumps({"version": VERSION, "host": os.uname().nodename, **told}).encode()
        headers = {"X-Seedcache-Event": task.news.event}
        if task.secret:
            headers["X-Seedcache-Signature"] = signature(task.secret, content)
        http.post(task.url, headers, content)


def signature(secret: str, content: bytes) -> str:
    """Given the secret and the bytes of a body, return the header that proves who sent it (RFC 2104)."""
    return f"sha256={hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()}"
