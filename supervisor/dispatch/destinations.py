"""Where a torrent's copy belongs: on which HDD, and in which directory there. Pure.

It is decided once per torrent and journalled: Sonarr and Radarr change the label after their import.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from supervisor.errors import NoRoom, Refused

if TYPE_CHECKING:
    from supervisor.adapters.torrents import Torrent

CHOICES = ("most-free", "first-fit", "with-label")
_FIELDS = ("label", "tracker", "year", "month")
_FIELD = re.compile(r"\{([^{}]*)\}")
_LONGEST = 255  # bytes of one name: NAME_MAX of ext4, xfs and btrfs
_OURS = b".seedcache-"  # our own names on the HDD: partial copies
_LABEL_REMEDY = "Give the torrent another label in rTorrent, then retry it."
_GIB = 2**30


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say of destinations."""

    template: str  # of the directories below an HDD root
    by_label: tuple[tuple[str, str], ...] = ()  # label, template; one that begins with a / names the HDD, too
    choice: str = "most-free"  # one of CHOICES: which HDD, where the template names none


@dataclass(frozen=True, slots=True)
class Root:
    """One HDD root."""

    path: bytes
    room: float  # bytes that may still be promised there
    there: bool = True  # it is mounted, and the disk that it was


def check(template: str) -> None:
    """Raise ValueError if a text is no template."""
    for field in _FIELD.findall(template):
        if field not in _FIELDS:
            raise ValueError(f"{{{field}}} is no field; there are {', '.join(f'{{{each}}}' for each in _FIELDS)}")
    plain = _FIELD.sub("x", template)
    if "{" in plain or "}" in plain:
        raise ValueError(f"{template!r} has a brace that is not part of a field")
    for component in plain.removeprefix("/").split("/") if plain else ():
        fault = _fault(component.encode("utf-8", "surrogateescape"))
        if fault:
            raise ValueError(f"{template!r} names no directory: {fault}")


def decide(
    torrent: "Torrent",
    finished: date,
    rules: Rules,
    roots: Sequence[Root],
    exists: Callable[[bytes], bool],
) -> bytes:
    """Given a torrent, when it finished, the rules and the HDDs, return the directory rTorrent will have it in there.

    That is d.directory after the switch: for a directory of files its own, for a single file the one it lies in.
    `exists` says whether a directory is there.
    Raise Refused if the label or the name would lead out of the root or into a name of our own, NoRoom if the torrent
    fits on none of the HDDs now.
    """
    parent = _parent(torrent, finished, rules, roots, exists)
    if not torrent.multi:
        return parent
    name = torrent.directory.rpartition(b"/")[2]
    fault = _fault(name)
    if fault:
        raise Refused(f"The torrent's name {name!r} cannot name a directory: {fault}. It stays on the SSD.")
    return parent.rstrip(b"/") + b"/" + name


def root_of(path: bytes, roots: Sequence[bytes]) -> bytes | None:
    """Return the root that a path is or is below, component by component; None if it is in none of them."""
    return next((root for root in roots if path == root or path.startswith(root.rstrip(b"/") + b"/")), None)


def _parent(
    torrent: "Torrent", finished: date, rules: Rules, roots: Sequence[Root], exists: Callable[[bytes], bool]
) -> bytes:
    template = dict(rules.by_label).get(torrent.label, rules.template)
    if template.startswith("/"):
        paths = [root.path for root in roots]
        fixed = root_of(template.encode("utf-8", "surrogateescape"), paths)
        if fixed is None:
            raise Refused(f"{template} is on none of FINAL_DEST_BASE_HDD; correct DESTINATIONS, then retry it")
        roots = [root for root in roots if root.path == fixed]
        template = template[len(fixed.rstrip(b"/").decode("utf-8", "surrogateescape")) + 1 :]
    values = {
        "label": torrent.label,
        "tracker": torrent.tracker,
        "year": f"{finished.year:04}",
        "month": f"{finished.month:02}",
    }
    below = _components(template, values)
    before, field, _ = template.rpartition("{label}")
    of_label = _components(before + field, values) if torrent.label and field else []
    root = _choose(rules.choice, roots, torrent.size, lambda path: exists(b"/".join([path, *of_label])))
    return b"/".join([root.path.rstrip(b"/"), *below]) or b"/"


def _choose(rule: str, roots: Sequence[Root], size: int, has_label: Callable[[bytes], bool]) -> Root:
    if len(roots) == 1 and not roots[0].there:
        return roots[0]  # there is no choice: the copy waits for this disk
    there = [root for root in roots if root.there]
    if not there:
        raise NoRoom(
            "none of the HDDs is mounted and answers, or they are not the ones they were; `seedcache check` says more"
        )
    fitting = [root for root in there if root.room >= size]
    if not fitting:
        best = max(there, key=lambda root: root.room)
        lacking = int(size - best.room)
        which = "it does not fit on the HDD" if len(there) == 1 else "it fits on none of the HDDs"
        raise NoRoom(
            f"{which}: {lacking / _GIB:.2f} GiB more must be free on {best.path.decode('utf-8', 'backslashreplace')}, "
            "besides DESTINATION_RESERVE and what other copies still need",
            lacking,
        )
    if rule == "first-fit":
        return fitting[0]
    if rule == "with-label":
        fitting = [root for root in fitting if has_label(root.path)] or fitting
    return max(fitting, key=lambda root: root.room)


def _components(template: str, values: dict[str, str]) -> list[bytes]:
    """Fill in a template; a label names a directory per `/` in it, and an empty value none."""
    found = []
    for piece in template.split("/") if template else ():
        for field in _FIELD.findall(piece):
            _refuse_odd(field, values[field])
        filled = _FIELD.sub(lambda match: values[match[1]], piece)
        found += [_component(text, piece) for text in filled.split("/")] if filled else []
    return found


def _refuse_odd(field: str, value: str) -> None:
    """Raise Refused if a value cannot be a directory, or several."""
    for text in value.split("/") if value else ():
        fault = _fault_of_text(text)
        if fault:
            remedy = _LABEL_REMEDY if field == "label" else "Change DESTINATION_TEMPLATE, then retry it."
            raise Refused(f"The {field} {value!r} cannot be a directory below the HDD root: {fault}. {remedy}")


def _component(text: str, piece: str) -> bytes:
    fault = _fault_of_text(text)
    if fault:
        raise Refused(f"{text!r}, which the destination's {piece!r} becomes, cannot be a directory: {fault}.")
    return text.encode("utf-8", "surrogateescape")


def _fault_of_text(text: str) -> str:
    try:
        fault = _fault(text.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        return "it has half a character"
    if not fault and any(character < " " or "\x7f" <= character <= "\x9f" for character in text):
        return "it has a control character"
    return fault


def _fault(component: bytes) -> str:
    """Say why bytes cannot be one name in a directory of ours; empty if they can."""
    if not component:
        return "a part of it is empty"
    if component in {b".", b".."}:
        return f"{component.decode()} is a part of it"
    if b"\0" in component:
        return "it has a NUL byte"
    if len(component) > _LONGEST:
        return f"a part of it is {len(component)} bytes long, more than the {_LONGEST} a name may have"
    if component.startswith(_OURS):
        return f"names beginning with {_OURS.decode()} are the supervisor's own"
    return ""
