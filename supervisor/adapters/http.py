"""JSON over HTTP, with a key in a header or a secret in the address.

The only importer of requests, which is imported by the first request.

A request ends in a value, in ServiceUnavailable (later may be better) or in ServiceRefused (a person must change a
setting). The key goes to the host it was given for and nowhere else: not to where a redirect points, not into a
message. The process environment changes nothing: no proxy, and no password out of ~/.netrc, is taken from it.
"""

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from supervisor.adapters import clock
from supervisor.errors import Refused, Retryable

if TYPE_CHECKING:
    import requests

Json = Any  # what a service answered: the caller looks before it believes

TIMEOUT = (5.0, 30.0)  # seconds to connect, seconds between two bytes of the answer
_LONGEST = 1024 * 1024  # bytes of an answer; the longest we ask for have a few thousand
_SLOWEST = 60.0  # seconds for a whole body, however steadily it trickles
_LATER = frozenset({408, 425, 429})  # of the 4xx, those that are about this moment (RFC 9110, RFC 6585)


class ServiceUnavailable(Retryable):
    """The service did not answer, or not as it does when it is well."""


class ServiceRefused(Refused):
    """The service will not do it until a person changes a setting."""

    configuration = True

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status  # of HTTP; None: no answer came


def get_json(url: str, headers: Mapping[str, str], timeout: tuple[float, float] = TIMEOUT) -> Json:
    """Given an address, headers and timeouts in seconds, return the decoded JSON of the answer.

    Raise ServiceUnavailable or ServiceRefused.
    """
    place = _without_password(url)
    return _json(*_request("GET", url, headers, None, timeout, place), place)


def post_json(url: str, headers: Mapping[str, str], body: object, timeout: tuple[float, float] = TIMEOUT) -> Json:
    """Like `get_json`, with a body that is sent as JSON."""
    place = _without_password(url)
    return _json(*_request("POST", url, headers, json.dumps(body).encode(), timeout, place), place)


def post(url: str, headers: Mapping[str, str], body: bytes, timeout: tuple[float, float] = TIMEOUT) -> int:
    """Post a body that is JSON already, whatever is answered; return the status of HTTP, which is one of success.

    All of the address but its host is taken for a secret. Raise ServiceUnavailable or ServiceRefused.
    """
    status, _ = _request("POST", url, headers, body, timeout, _host(url))
    return status


def _request(
    method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout: tuple[float, float], place: str
) -> tuple[int, bytes]:
    import requests  # noqa: PLC0415  # 90 ms and 15 MB that a process without services need not pay

    sent = {"Accept": "application/json", **headers} | (
        {"Content-Type": "application/json"} if body is not None else {}
    )
    # `from None` throughout: the errors of requests hold the request, and some quote the header.
    try:
        with requests.Session() as session:
            session.trust_env = False
            with session.request(
                method, url, headers=sent, data=body, timeout=timeout, allow_redirects=False, stream=True
            ) as response:
                content = _read(response, place)
    except requests.exceptions.SSLError:
        raise ServiceRefused(
            f"{place}: TLS fails (its certificate is not valid here, or it speaks none). Use its http:// address."
        ) from None
    except requests.exceptions.Timeout:
        raise ServiceUnavailable(f"{place} did not answer in time. Is it overloaded?") from None
    except (ValueError, UnicodeError):  # an address or a header that requests will not send; before RequestException
        raise ServiceRefused(f"{place}: the address or the key cannot be sent. Correct them in the settings.") from None
    except requests.exceptions.RequestException as error:
        raise ServiceUnavailable(f"{place} is not reachable ({_cause(error)}). Is it running?") from None
    _check(response.status_code, response.headers, content, place, (url, _secret_part(url), *headers.values()))
    return response.status_code, content


def _read(response: "requests.Response", place: str) -> bytes:
    content = bytearray()
    begun = clock.monotonic()
    # A chunk is waited for until it is full, however slowly its bytes come: a small one lets us look at the clock.
    for chunk in response.iter_content(16):
        content += chunk
        if len(content) > _LONGEST:
            raise ServiceUnavailable(f"{place} answered with more than {_LONGEST} bytes. Is it the right service?")
        if clock.monotonic() - begun > _SLOWEST:
            raise ServiceUnavailable(f"{place} was still sending its answer after {_SLOWEST:g} s. Is it overloaded?")
    return bytes(content)


def _check(status: int, headers: Mapping[str, str], content: bytes, place: str, secrets: tuple[str, ...]) -> None:
    if status in {401, 403}:
        raise ServiceRefused(f"{place} does not accept the API key (HTTP {status}). Copy the key again.", status)
    if 300 <= status < 400:  # noqa: PLR2004  # the redirects
        host = _excerpt(_netloc(headers.get("Location", "")).encode(), secrets)[2:] or "another path of the same host"
        raise ServiceRefused(
            f"{place} redirects to {host} (HTTP {status}); the key is not sent there. Set the address it really has.",
            status,
        )
    if status >= 500 or status in _LATER:  # noqa: PLR2004  # its own failures
        raise ServiceUnavailable(f"{place} failed (HTTP {status}){_excerpt(content, secrets)}.")
    if status >= 400:  # noqa: PLR2004  # what it says we did wrong
        raise ServiceRefused(
            f"{place} refused the request (HTTP {status}){_excerpt(content, secrets)}. Check the address.", status
        )


def _json(status: int, content: bytes, place: str) -> Json:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):  # RecursionError: it is nested thousands deep
        if content.lstrip()[:1] == b"<":
            raise ServiceRefused(
                f"{place} answered with a web page instead of JSON. Check the address, and the URL base at its end.",
                status,
            ) from None
        raise ServiceUnavailable(f"{place} answered with something that is not JSON.") from None


def _excerpt(content: bytes, secrets: tuple[str, ...]) -> str:
    """Return the beginning of an answer as ` : text`, on one line, without what we sent as a secret."""
    text = content.decode("utf-8", "replace")
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    text = " ".join(re.sub(r"<[^>]*>|[^\x20-\x7e\xa0-\uffff]", " ", text).split())[:200]
    return f": {text}" if text else ""


def _cause(error: Exception) -> str:
    """Return the reason in plain words: `Connection refused` rather than three nested reprs."""
    text = str(error)
    found = re.search(r"\[Errno -?\d+\] ([\w ]+)", text)
    return found[1] if found else "it stopped answering" if "timed out" in text else "the connection broke off"


def _without_password(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "the service"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "the service"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _netloc(location: str) -> str:
    try:
        return urlsplit(location).netloc.rpartition("@")[2]
    except ValueError:
        return "an address that is none"


def _secret_part(url: str) -> str:
    """Return what follows the host in an address: an answer may quote it."""
    return url.partition("//")[2].partition("/")[2]
