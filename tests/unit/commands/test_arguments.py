import os
import re
import shlex
import subprocess
import sys

import pytest

from supervisor.commands import completion
from supervisor.commands.arguments import SHELLS, parser
from tests.support.needs import ROOT, need_program
from tests.support.terminals import Terminal

PAGE = os.path.join(ROOT, "packaging", "seedcache.1")


def parsers(top, name=""):
    """Yield every command and group, with its name."""
    yield name, top
    for action in top._actions:
        if isinstance(action.choices, dict):
            for word, made in action.choices.items():
                yield from parsers(made, f"{name} {word}".strip())


# -- the manual page ---------------------------------------------------------------------------------------------------


def test_the_manual_page_is_what_the_grammar_makes():
    done = subprocess.run([sys.executable, "packaging/manual.py", "--check"], cwd=ROOT, check=False)
    assert done.returncode == 0, "run: python packaging/manual.py"


def test_man_shows_every_command_every_option_and_every_example_without_a_warning():
    shown = subprocess.run(
        [need_program("man"), "--warnings", "-l", PAGE],
        capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"], "MANWIDTH": "200", "LC_ALL": "C"},
    )  # fmt: skip
    assert shown.stderr == ""
    text = " ".join(re.sub(r".\x08", "", shown.stdout).split())
    for name, made in parsers(parser()):
        if made.get_default("handler"):
            assert f" {name} [OPTION ...]" in text
            for line in made.epilog.splitlines():
                assert line.strip() in text
            for action in made._actions:
                assert all(option in text for option in action.option_strings)
                assert " ".join(action.help.split()) in text, "every argument says what it is for"


# -- completion --------------------------------------------------------------------------------------------------------

TEACH = {
    "bash": (["bash", "--norc", "-i"], "source {}"),
    "zsh": (
        ["zsh", "-f", "-i"],
        "autoload -Uz compinit && compinit -u -D; source {}; compdef _shtab_seedcache seedcache",
    ),
    "fish": (["fish", "--no-config", "-i"], "source {}"),
}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_real_shell_completes_commands_options_and_choices(shell, tmp_path):
    script = tmp_path / "script"
    script.write_text(completion.script(shell))
    command, teach = TEACH[shell]
    need_program(shell)
    with Terminal(100, 30, *command, HOME=str(tmp_path), PS1="$ ") as window:
        window.type(teach.format(script) + "; clear; echo rea''dy")
        window.press("Enter")
        window.wait("ready")
        for typed, completed in (
            ("seedcache sta", "seedcache status"),
            ("seedcache queue ret", "seedcache queue retry"),
            ("seedcache status --wat", "seedcache status --watch"),
            ("seedcache completion zs", "seedcache completion zsh"),
            ("seedcache hook install --li", "seedcache hook install --live"),
        ):
            window.type(typed)
            window.press("Tab")
            window.wait(completed)
            window.press("C-u")


def test_bash_completes_paths_where_a_path_belongs(tmp_path):
    (tmp_path / "settings-of-mine.toml").touch()
    script = tmp_path / "script"
    script.write_text(completion.script("bash"))
    with Terminal(160, 20, "bash", "--norc", "-i", HOME=str(tmp_path), PS1="$ ") as window:
        window.type(f"source {shlex.quote(str(script))}; cd {shlex.quote(str(tmp_path))}; clear; echo rea''dy")
        window.press("Enter")
        window.wait("ready")
        window.type("seedcache --config set")
        window.press("Tab")
        window.wait("seedcache --config settings-of-mine.toml")


def test_a_shell_that_is_not_known_is_a_usage_error():
    with pytest.raises(SystemExit) as error:
        parser().parse_args(["completion", "tcsh"])
    assert error.value.code == 2
