"""Where a torrent's copy belongs on the HDD. Pure.

It is decided once per torrent and journalled: Sonarr and Radarr change the label after their import.
"""

from supervisor.errors import Refused

_LONGEST = 255  # bytes of one name: NAME_MAX of ext4, xfs and btrfs
_OURS = b".seedcache-"  # our own names on the HDD: partial copies


def decide(root: bytes, label: str, multi: bool, name: bytes) -> bytes:
    """Given the HDD root, a torrent's label, kind and raw name, return the directory rTorrent will have it in there.

    That is d.directory after the switch: root/label/name for a directory of files, root/label for a single file, whose
    name does not matter here. The label is plain text: what ruTorrent stored URL-encoded has been decoded, once, by
    the adapter. It names a directory per `/` in it; an empty one names none.
    Raise Refused if the label or the name would lead out of the root or into a name of our own.
    """
    parent = b"/".join([root.rstrip(b"/"), *_components(label)]) or b"/"
    if not multi:
        return parent
    fault = "it has a /" if b"/" in name else _fault(name)
    if fault:
        raise Refused(f"The torrent's name {name!r} cannot name a directory: {fault}. It stays on the SSD.")
    return parent.rstrip(b"/") + b"/" + name


def _components(label: str) -> list[bytes]:
    if not label:
        return []
    components = []
    for text in label.split("/"):
        try:
            component = text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            component, fault = b"", "it has half a character"
        else:
            fault = _fault(component)
        if not fault and any(character < " " or "\x7f" <= character <= "\x9f" for character in text):
            fault = "it has a control character"
        if fault:
            raise Refused(
                f"The label {label!r} cannot be a directory below the HDD root: {fault}. "
                "Give the torrent another label in rTorrent, then retry it."
            )
        components.append(component)
    return components


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
