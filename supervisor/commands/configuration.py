"""The settings in force, and where each came from: `seedcache config show`."""

from collections.abc import Iterator
from typing import Any

from supervisor.settings import Settings

_WIDE = 40  # characters of a value that the column is not made wider for


def render(settings: Settings) -> Iterator[str]:
    """Return the lines for a person."""
    lines = [(f"{entry.name} = {entry.value}", entry) for entry in settings.explain()]
    width = max(len(line) for line, entry in lines if len(entry.value) < _WIDE)
    for line, entry in lines:
        yield f"{line:{width}}  # {entry.source}"


def as_dict(settings: Settings) -> dict[str, Any]:
    """Return it for `--json`."""
    return {
        "version": 1,
        "settings": {entry.name: {"value": entry.value, "source": entry.source} for entry in settings.explain()},
    }
