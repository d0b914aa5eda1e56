"""Writes packaging/seedcache.1, the manual page, from the grammar of the command line.

Usage: python packaging/manual.py [--check]. With --check nothing is written, and the exit code is 1 if something would
be. Run it after a change in supervisor/commands/arguments.py. Own code rather than argparse-manpage, which knows no
examples and repeats the common options under each command.
"""

import argparse
import os
import sys
from collections.abc import Iterator

import written

from supervisor.commands.arguments import parser

PLACE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "seedcache.1")
_HEAD = r""".\" Written by packaging/manual.py from supervisor/commands/arguments.py.
.TH SEEDCACHE 1 "" seedcache "User Commands"
.SH NAME
seedcache \- moves an rTorrent seedbox's finished torrents from the SSD to the HDD
.SH SYNOPSIS
"""
_TAIL = r""".SH EXIT STATUS
0 done, 1 failed, 2 usage or invalid input, 3 configuration, 4 rTorrent unreachable, 5 busy.
.SH ENVIRONMENT
.TP
.B SEEDCACHE_CONFIG
the settings file
.TP
.B SEEDCACHE_STATE_DIR
the state directory
.TP
.B NO_COLOR
if it is set, nothing is coloured
.TP
.B SEEDCACHE_DEBUG
1: a defect shows where it happened
.PP
Every setting is read from the environment, too: \fBseedcache config show\fR lists them.
.SH FILES
.TP
.I /etc/seedcache/settings.toml
the settings
.TP
.I /var/lib/seedcache
the state: the spool, the journal, the metafiles of what is on the HDD
.SH SEE ALSO
.BR rtorrent (1),
.BR systemctl (1)
"""


def page() -> str:
    """Return the manual page as man(7) reads it."""
    top = parser()
    lines = [f".B seedcache\n{_roman(_usage(top))}", ".SH DESCRIPTION", *_text(top.description or "")]
    lines += [".SH OPTIONS", "These may stand before the command or after it.", *_arguments(top)]
    lines.append(".SH COMMANDS")
    common = {option for action in top._actions for option in action.option_strings}
    for name, command in _commands(top):
        lines += [f".SS {_roman(name)} {_roman(_usage(command))}".rstrip(), *_text(command.description or "")]
        lines += _arguments(command, common)
        lines += [".PP", ".nf", ".RS", *map(_roman, (command.epilog or "").splitlines()), ".RE", ".fi"]
    return _HEAD + "\n".join(lines) + "\n" + _TAIL


def _commands(above: argparse.ArgumentParser, name: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield each command that does something, with its name."""
    for action in above._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, command in action.choices.items():
                yield from _commands(command, f"{name} {word}".strip())
    if above.get_default("handler"):
        yield name, above


def _usage(command: argparse.ArgumentParser) -> str:
    """Return what may follow a command's name: its positional arguments, optional ones in brackets."""
    words = [
        action.metavar or "|".join(action.choices or ()) for action in command._actions if not action.option_strings
    ]
    optional = [action.nargs == "?" for action in command._actions if not action.option_strings]
    shown = [f"[{word}]" if maybe else str(word) for word, maybe in zip(words, optional, strict=True)]
    return " ".join(["[OPTION ...]", *shown])


def _arguments(command: argparse.ArgumentParser, known: frozenset[str] | set[str] = frozenset()) -> Iterator[str]:
    """Yield a paragraph for each argument, but for the options that are known already."""
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction) or known & set(action.option_strings):
            continue
        choices = "{" + ",".join(action.choices) + "}" if action.choices else ""
        value = "" if action.nargs == 0 else str(action.metavar or choices or action.dest.upper())
        names = ", ".join(action.option_strings)
        yield f".TP\n.B {_roman(' '.join(filter(None, (names, value))))}\n{_roman(action.help or '')}"


def _text(text: str) -> list[str]:
    return [_roman(line) for line in text.splitlines()]


def _roman(text: str) -> str:
    """Return a text that man(7) shows as it is: hyphens that can be copied, nothing taken for a request."""
    shown = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{shown}" if shown.startswith((".", "'")) else shown


if __name__ == "__main__":
    sys.exit(written.main(PLACE, page()))
