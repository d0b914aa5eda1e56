"""The forms a setting's value may have: from what a person wrote to a checked value. Pure but for symlinks.

A form's `parse` is given the value as written and whether it is text from an environment variable (where everything is
text) rather than a typed value from a file. It returns the checked value or raises ValueError, whose message says what
is wrong and what to write instead, and never contains a secret.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from supervisor.adapters import clock, mounts
from supervisor.adapters.patience import Patience
from supervisor.dispatch import destinations as destinations_of
from supervisor.dispatch import schedules

_LARGEST = 10**15  # of anything: more is a mistake, and neither infinity nor "not a number" is less
_TRUE, _FALSE = frozenset({"true", "yes", "on", "1"}), frozenset({"false", "no", "off", "0"})


@dataclass(frozen=True, slots=True)
class Form:
    """One form, and how the documentation names it."""

    values: str
    parse: Callable[[object, bool], Any]


def shown(value: object) -> str:
    """Return a value as text that is fit for a message: quoted, and without the password of an address."""
    return repr(hide_password(value) if isinstance(value, str) else value)


def hide_password(address: str) -> str:
    """Return an address with `user:password@` replaced."""
    return re.sub(r"//[^/?#]*@", "//***@", address)


def switch() -> Form:
    """Give true or false."""

    def parse(raw: object, _text: bool) -> bool:
        if isinstance(raw, bool):
            return raw
        word = raw.strip().lower() if isinstance(raw, str) else ""
        if word in _TRUE | _FALSE:
            return word in _TRUE
        raise ValueError(f"{shown(raw)} is neither true nor false; write true or false")

    return Form("true or false (also yes/no, on/off, 1/0)", parse)


def whole(at_least: int, at_most: int | None = None) -> Form:
    """Give a whole number within bounds."""
    values = f"whole number, {_bounds(at_least, at_most)}"

    def parse(raw: object, text: bool) -> int:
        if text and isinstance(raw, str) and re.fullmatch(r"\s*[+-]?[0-9]+\s*", raw):
            raw = int(raw)
        if isinstance(raw, bool) or not isinstance(raw, int):
            raise ValueError(f"{shown(raw)} is not a {values}{_unquote(raw, text)}")  # noqa: TRY004  # one kind for all
        if raw < at_least or (at_most is not None and raw > at_most):
            raise ValueError(f"{raw} is not {_bounds(at_least, at_most)}")
        return raw

    return Form(values, parse)


def number(at_least: float) -> Form:
    """Give a number, whole or not, within a bound."""
    values = f"number, {_bounds(at_least, None)}"

    def parse(raw: object, text: bool) -> float:
        if text and isinstance(raw, str) and re.fullmatch(r"\s*[+-]?[0-9]+(\.[0-9]*)?\s*", raw):
            raw = float(raw)
        if isinstance(raw, bool) or not isinstance(raw, int | float) or not abs(raw) < _LARGEST:
            raise ValueError(f"{shown(raw)} is not a {values}{_unquote(raw, text)}")
        if raw < at_least:
            raise ValueError(f"{raw:g} is not {_bounds(at_least, None)}")
        return float(raw)

    return Form(values, parse)


def one_of(*words: str) -> Form:
    """Give one of some words, in either case; the result is as listed here."""

    def parse(raw: object, _text: bool) -> str:
        written = _text_of(raw).strip().casefold()
        for word in words:
            if word.casefold() == written:
                return word
        raise ValueError(f"{shown(raw)} is none of {', '.join(words)}")

    return Form(", ".join(words), parse)


def path(*, real: bool = False, optional: bool = False) -> Form:
    """Give an absolute path; with `real`, every symlink in it is resolved; with `optional`, it may be empty."""

    def parse(raw: object, _text: bool) -> str:
        text = _text_of(raw)
        if optional and not text:
            return text
        if "\0" in text or not text.startswith("/"):
            raise ValueError(f"{shown(raw)} is not an absolute path; write it from the root, like /srv/downloads")
        return _real(text) if real else os.path.normpath(text)

    return Form("absolute path", parse)


def _real(text: str) -> str:
    """Resolve every symlink; raise ValueError if the disk does not answer. A place where one is mounted has none."""
    plain = text.rstrip("/")
    if mounts.is_mounted(plain):
        return plain
    try:
        return Patience().ask(os.fsencode(text), lambda: os.path.realpath(text))
    except TimeoutError:
        raise ValueError(
            f"{shown(text)} does not answer; is it a network mount whose server is away, or a failing disk? "
            "Mend it, or unmount it"
        ) from None


def paths() -> Form:
    """Give one absolute path or several, with every symlink in them resolved."""
    one = path(real=True)

    def parse(raw: object, text: bool) -> tuple[str, ...]:
        entries = raw.split(":") if text and isinstance(raw, str) else raw if isinstance(raw, list) else [raw]
        found = tuple(one.parse(entry, text) for entry in entries)
        if not found:
            raise ValueError("the list is empty; name at least one directory")
        return found

    return Form("absolute path, or a list of them; in the environment with colons", parse)


def address(*schemes: str, socket: bool = False, optional: bool = False) -> Form:
    """Give `scheme://host[:port][/path]`; with `socket`, also an absolute path; with `optional`, it may be empty."""
    values = ", ".join(f"{scheme}://host[:port]" for scheme in schemes)
    values = f"/path/of/a.socket, {values}" if socket else values

    def parse(raw: object, _text: bool) -> str:
        from urllib.parse import urlsplit  # noqa: PLC0415  # only who loads settings pays for it

        text = _text_of(raw).strip()
        if optional and not text:
            return text
        if socket and text.startswith("/") and "\0" not in text:
            return text
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise ValueError(f"{shown(raw)} is not an address ({error}); write {values}") from None
        # Two ways to write the same socket, both understood by rTorrent's clients.
        if socket and parts.scheme in {"scgi+unix", "unix", "scgi"} and not parts.netloc and parts.path.startswith("/"):
            return text
        if parts.scheme not in schemes or not parts.hostname or re.search(r"\s", text):
            raise ValueError(f"{shown(raw)} is not an address; write {values}")
        if parts.scheme == "scgi" and port is None:
            raise ValueError(f"{shown(raw)} names no port; write scgi://host:port")
        return text

    return Form(values, parse)


def ip_address() -> Form:
    """Give an address to listen on, without a port."""

    def parse(raw: object, _text: bool) -> str:
        from ipaddress import ip_address as parse_ip  # noqa: PLC0415  # as above

        text = _text_of(raw).strip()
        if text == "localhost":
            return text
        try:
            return str(parse_ip(text))
        except ValueError:
            raise ValueError(
                f"{shown(raw)} is not an IP address; write one like 127.0.0.1 or :: (the port is METRICS_PORT)"
            ) from None

    return Form("IP address or localhost", parse)


def labels() -> Form:
    """Give one label, or several with commas between them."""

    def parse(raw: object, _text: bool) -> str:
        text = _text_of(raw)
        if not all(label.strip() for label in text.split(",")):
            raise ValueError(f"{shown(raw)} has an empty label; write one label, or several with commas between them")
        return text

    return Form("label, or several with commas between them", parse)


def words(*known: str) -> Form:
    """Give some of a few words, as a list or with commas between them; each once, in the order they are known here."""

    def parse(raw: object, _text: bool) -> tuple[str, ...]:
        written = raw if isinstance(raw, list) else _text_of(raw).split(",")
        wanted = {_text_of(word).strip().casefold() for word in written} - {""}
        strange = sorted(wanted - set(known))
        if strange:
            raise ValueError(f"{shown(', '.join(strange))} is none of {', '.join(known)}")
        return tuple(word for word in known if word in wanted)

    return Form(f"list of {', '.join(known)}; in the environment with commas", parse)


def path_map() -> Form:
    """Give pairs of path prefixes: ours, and the same directory as another program sees it."""

    def parse(raw: object, text: bool) -> tuple[tuple[str, str], ...]:
        if isinstance(raw, dict):
            pairs = [(str(key), str(value)) for key, value in raw.items()]
        else:
            entries = raw.split(",") if text and isinstance(raw, str) else raw
            if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
                raise ValueError(f'{shown(raw)} is not a list of pairs; write ["/ours:/theirs"]')
            pairs = [(ours, theirs) for ours, _, theirs in (entry.strip().partition(":") for entry in entries)]
        for ours, theirs in pairs:
            # What the other program sees may be a Windows path: its form is its own affair.
            if not ours.startswith("/") or not theirs:
                raise ValueError(f"{shown(f'{ours}:{theirs}')} is not a pair of paths; write /ours:/theirs")
        return tuple(pairs)

    return Form('list of "/ours:/theirs", or a table; in the environment with commas', parse)


def template() -> Form:
    """Give a template of directories below an HDD root."""

    def parse(raw: object, _text: bool) -> str:
        text = _text_of(raw).strip("/") if isinstance(raw, str) and not raw.startswith("/") else _text_of(raw)
        if text.startswith("/"):
            raise ValueError(f"{shown(raw)} is absolute; it is below each HDD root: begin without a /")
        destinations_of.check(text)
        return text

    return Form("relative path with fields", parse)


def destinations() -> Form:
    """Give a template for each of some labels, which may name an HDD; symlinks before its first field are resolved."""

    def parse(raw: object, text: bool) -> tuple[tuple[str, str], ...]:
        if isinstance(raw, dict):
            pairs = list(raw.items())
        else:
            entries = raw.split(",") if text and isinstance(raw, str) else raw
            if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
                raise ValueError(f'{shown(raw)} is no table; write label = "directory"')
            pairs = [(label, place) for label, _, place in (entry.strip().partition("=") for entry in entries)]
        found = []
        for label, place in pairs:
            if not isinstance(place, str) or not label or not place.rstrip("/"):
                raise ValueError(
                    f'{shown(f"{label}={place}")} is no label with its directory; write label = "directory"'
                )
            destinations_of.check(place.rstrip("/"))
            before = place.partition("{")[0].rpartition("/")[0] if "{" in place else place.rstrip("/")
            real = _real(before) if place.startswith("/") else before
            found.append((str(label), real + place.rstrip("/")[len(before) :]))
        return tuple(found)

    return Form('table of label = "directory"; also a list of "label=directory", in the environment with commas', parse)


def windows() -> Form:
    """Give windows of the week, as texts that `schedules.windows` understands."""

    def parse(raw: object, text: bool) -> tuple[str, ...]:
        entries = raw.split(";") if text and isinstance(raw, str) else raw
        if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
            raise ValueError(f'{shown(raw)} is no list of windows; write ["Mon-Fri 01:00-07:00", "Sat,Sun *"]')
        schedules.windows(entries)
        return tuple(entry.strip() for entry in entries)

    return Form("list of windows like Mon-Fri 01:00-07:00; in the environment with semicolons", parse)


def time_zone() -> Form:
    """Give the name of a time zone, or nothing."""

    def parse(raw: object, _text: bool) -> str:
        text = _text_of(raw).strip()
        clock.zone(text)
        return text

    return Form("name of a time zone", parse)


def _text_of(raw: object) -> str:
    if not isinstance(raw, str):
        raise ValueError(f"{shown(raw)} is not a text; put it in quotes")  # noqa: TRY004  # one kind for all
    return raw


def _bounds(at_least: float, at_most: float | None) -> str:
    return f"at least {at_least:g}" if at_most is None else f"{at_least:g} to {at_most:g}"


def _unquote(raw: object, text: bool) -> str:
    return "; remove the quotes" if isinstance(raw, str) and not text else ""
