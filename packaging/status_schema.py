"""Writes docs/status.schema.json, the JSON Schema of `seedcache status --json`.

Usage: python packaging/status_schema.py [--check]. With --check nothing is written, and the exit code is 1 if something
would be. Run it after a field was added to what the snapshot is made of: the kinds are read from the dataclasses, and
what each field means from the comment beside it.
"""

import inspect
import json
import os
import re
import sys
from dataclasses import fields, is_dataclass
from enum import StrEnum
from typing import Any, get_args, get_origin, get_type_hints

import written

from supervisor.commands import status
from supervisor.jobs import Event, Job, State
from supervisor.observation.snapshot import Disk, Snapshot, Worker

PLACE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "docs", "status.schema.json")
_KINDS = {str: "string", bytes: "string", int: "integer", float: "number", bool: "boolean"}
_COMMENT = re.compile(r"    (\w+): [^#]+?  # (.+)")
# What `status` works out, beside what the dataclass has: name, meaning; null if it cannot be told.
_MORE = {
    Worker: ("eta_seconds", "until the phase at hand ends, at that rate; null: there is no rate"),
    Disk: ("full_in_seconds", "until it is full, at the rate of late; null: it does not fill up"),
}


def schema() -> dict[str, Any]:
    """Return the schema."""
    made: dict[str, Any] = {}
    job = _of(Job, made)
    top = {
        "version": {"const": status.VERSION, "description": "raised when a name goes away or changes its meaning"},
        "at": _said("number", "unix seconds"),
        "state_dir": _said("string", "the state directory"),
        "running": _said(["boolean", "null"], "whether the supervisor runs; null: this user may not see that"),
        "problems": _list({"type": "string"}, "what a person should know first, the worst first"),
        "jobs": _counts("how many torrents there are in each state"),
        "notices": _counts("how many notices to Sonarr, Radarr and others are pending, and how many were refused"),
        "snapshot": {
            "anyOf": [_of(Snapshot, made), {"type": "null"}],
            "description": "how the supervisor stood when it last said so; null: it never ran, or is hidden",
        },
        "queue": _list(job, "the oldest submitted, at most 20: `queue list --json` has all"),
        "waiting": _list(job, "the oldest that wait for another try, at most 20"),
        "failed": _list(job, "the newest that failed, at most 20"),
        "events": _list(_of(Event, made), "the last events, the newest first, at most 20"),
    }
    top["jobs"]["required"] = [state.value for state in State]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "seedcache status --json",
        "description": "Written by packaging/status_schema.py. More names may be added without raising the version.",
        **_object(top),
        "$defs": dict(sorted(made.items())),
    }


def _said(kind: str | list[str], text: str) -> dict[str, Any]:
    return {"type": kind, "description": text}


def _list(items: dict[str, Any], text: str) -> dict[str, Any]:
    return {"type": "array", "items": items, "description": text}


def _counts(text: str) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": {"type": "integer"}, "description": text}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _of(kind: Any, made: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a kind; those of dataclasses are put into `made`, and named."""
    if is_dataclass(kind):
        if kind.__name__ not in made:
            made[kind.__name__] = {}
            texts = dict(
                match.groups() for match in map(_COMMENT.fullmatch, inspect.getsource(kind).splitlines()) if match
            )
            hints = get_type_hints(kind)
            properties = {}
            for field in fields(kind):
                meaning = {"description": texts[field.name]} if field.name in texts else {}
                properties[field.name] = _of(hints[field.name], made) | meaning
            doc = (kind.__doc__ or "").splitlines()[0]
            if kind in _MORE:
                name, text = _MORE[kind]
                properties[name] = _said(["number", "null"], text)
            made[kind.__name__] = {"description": doc, **_object(properties)}
        return {"$ref": f"#/$defs/{kind.__name__}"}
    if get_origin(kind) is tuple:
        return {"type": "array", "items": _of(get_args(kind)[0], made)}
    if get_origin(kind) is dict:
        return {"type": "object", "additionalProperties": _of(get_args(kind)[1], made)}
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return {"enum": [str(member) for member in kind]}
    return {"type": _KINDS[kind]}


if __name__ == "__main__":
    sys.exit(written.main(PLACE, json.dumps(schema(), indent=2) + "\n"))
