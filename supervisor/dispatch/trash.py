"""The names of what is in the trash: when it was put there. Pure."""

from datetime import UTC, datetime

_FORM = "%Y-%m-%dT%H-%M-%SZ"
_DAY = 86400.0  # seconds


def name(now: float) -> bytes:
    """Given a time (unix seconds), return the name of the directory for what is put into the trash then."""
    return datetime.fromtimestamp(now, UTC).strftime(_FORM).encode()


def old(directory: bytes, now: float, days: float) -> bool:
    """Say whether a directory of the trash was made more than so many days ago; one of another name never was."""
    try:
        made = datetime.strptime(directory.decode(), _FORM).replace(tzinfo=UTC)
    except (UnicodeDecodeError, ValueError):
        return False
    return made.timestamp() < now - days * _DAY
