"""What a shell needs to complete the commands: `seedcache completion bash`. Made from the grammar by shtab."""

import argparse

import shtab

from supervisor.commands.arguments import parser

# metavar -> what stands there
_PLACES = {"FILE": shtab.FILE, "ENV_FILE": shtab.FILE, "PATH": shtab.FILE, "DIR": shtab.DIRECTORY}


def script(shell: str) -> str:
    """Given one of `arguments.SHELLS`, return the script that teaches it."""
    grammar = parser()
    _name_places(grammar)
    return str(shtab.complete(grammar, shell))


def _name_places(grammar: argparse.ArgumentParser) -> None:
    """Say of each argument that is a path, also those of the commands below, that it is one."""
    for action in grammar._actions:  # noqa: SLF001  (argparse has no public way; shtab goes the same)
        if action.metavar in _PLACES:
            action.complete = _PLACES[action.metavar]  # type: ignore[attr-defined]
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for command in action.choices.values():
                _name_places(command)
