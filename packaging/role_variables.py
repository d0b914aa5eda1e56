"""Writes the settings into the Ansible role: a variable each, its specification, and a row of the README.

Usage: python packaging/role_variables.py [--check]. With --check nothing is written, and the exit code is 1 if
something would be. Run it after a setting was added to supervisor/settings.py.
"""

import json
import os
import sys
import textwrap
from dataclasses import MISSING, fields

from supervisor.settings import Settings, specs

ROLE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "ansible", "roles", "seedcache")
_TYPES = {bool: "bool", int: "int", float: "float", str: "str", tuple: "list"}
_REQUIRED = ("download_path_ssd", "final_dest_base_hdd", "scgi_url")


def between(text: str, begin: str, end: str, lines: list[str]) -> str:
    """Given a text with two marker lines, return it with `lines` between them."""
    before, _, rest = text.partition(f"{begin}\n")
    _, _, after = rest.partition(end)
    indent = before.rpartition("\n")[2]
    return f"{before}{begin}\n" + "".join(f"{indent}{line}\n" for line in lines) + f"{indent}{end}{after}"


def _default(name: str) -> object:
    default = next(entry.default for entry in fields(Settings) if entry.name == name)
    return list(default) if isinstance(default, tuple) else default


def variables() -> list[str]:
    """Return the lines of defaults/main.yml."""
    lines = []
    for name, spec in specs().items():
        default = _default(name)
        lines += [f"# {line}" for line in textwrap.wrap(spec.help, 110)]
        lines.append(
            f"# seedcache_{name}: required" if default is MISSING else f"seedcache_{name}: {json.dumps(default)}"
        )
    return lines


def options() -> list[str]:
    """Return the lines of meta/argument_specs.yml."""
    lines = []
    for name, spec in specs().items():
        default = _default(name)
        lines.append(f"seedcache_{name}:")
        lines.append(f"  type: {_required_type(name) if default is MISSING else _TYPES[type(_raw(name))]}")
        if default is MISSING:
            lines.append("  required: true")
        if isinstance(_raw(name), tuple):
            lines.append("  elements: str")
        if spec.secret:
            lines.append("  no_log: true")
        lines.append("  description: >-")
        lines += [f"    {line}" for line in textwrap.wrap(spec.help, 100)]
    return lines


def _required_type(name: str) -> str:
    """One text, or also a list of them."""
    declared = next(entry.type for entry in fields(Settings) if entry.name == name)
    return "str" if declared is str else "raw"


def _raw(name: str) -> object:
    return next(entry.default for entry in fields(Settings) if entry.name == name)


def names() -> list[str]:
    """Return the lines of vars/main.yml: what the template leaves out because it is the default, and what is secret."""
    lines = ["# What equals its default is left out of the file: a release that lacks a newer setting can read it."]
    lines.append("seedcache_setting_defaults:")
    for name in specs():
        default = _default(name)
        lines.append(f"  {name}: {'null' if default is MISSING else json.dumps(default)}")
    return [*lines, "seedcache_secret_names:", *(f"  - {name}" for name, spec in specs().items() if spec.secret)]


def rows() -> list[str]:
    """Return the lines of the README's table."""
    lines = ["| Variable | Default | Values | Meaning |", "|---|---|---|---|"]
    for name, spec in specs().items():
        default = _default(name)
        shown = "**required**" if default is MISSING else f"`{json.dumps(default)}`"
        lines.append(f"| `seedcache_{name}` | {shown} | {spec.form.values} | {spec.help} |")
    return lines


def main(arguments: list[str]) -> int:
    """Write, or check; return the exit code."""
    stale = []
    for file, lines in (
        ("defaults/main.yml", variables()), ("meta/argument_specs.yml", options()), ("vars/main.yml", names()),
        ("README.md", rows()),
    ):  # fmt: skip
        marks = (
            ("<!-- begin settings -->", "<!-- end settings -->")
            if file.endswith(".md")
            else ("# begin settings", "# end settings")
        )
        path = os.path.join(ROLE, file)
        with open(path, encoding="utf-8") as current:
            before = current.read()
        after = between(before, *marks, lines)
        if after != before:
            stale.append(file)
            if "--check" not in arguments:
                with open(path, "w", encoding="utf-8") as to:
                    to.write(after)
    if "--check" in arguments and stale:
        print(f"not as supervisor/settings.py has it: {', '.join(stale)}; run python packaging/role_variables.py")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
