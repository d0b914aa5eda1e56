"""A real terminal (tmux) that a test types into and looks at."""

import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from typing import Self

from tests.support.needs import need_program
from tests.support.rtorrents import until


class Terminal:
    """A window of so many columns and lines, with a program in it."""

    def __init__(self, columns: int, lines: int, *command: str, **environment: str) -> None:
        self._tmux = need_program("tmux")
        self._size, self._command = (columns, lines), command
        self._environment: Mapping[str, str] = {
            "PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8", "TERM": "xterm-256color",
        } | environment  # fmt: skip

    def __enter__(self) -> Self:
        self._home = tempfile.TemporaryDirectory(prefix="seedcache-tmux-")
        columns, lines = self._size
        # The window stays when its program has ended, so that what it left can be seen.
        self._run(
            "-f", "/dev/null", "start-server", ";", "set-option", "-g", "remain-on-exit", "on", ";",
            "set-option", "-g", "default-terminal", self._environment["TERM"], ";",
            "new-session", "-d", "-x", str(columns), "-y", str(lines), "env", "-i",
            *(f"{name}={value}" for name, value in self._environment.items()), *self._command,
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        self._run("kill-server", check=False)
        self._home.cleanup()

    def _run(self, *words: str, check: bool = True) -> str:
        command = [self._tmux, "-u", "-S", f"{self._home.name}/socket", *words]
        return subprocess.run(command, check=check, capture_output=True, text=True).stdout

    def type(self, text: str) -> None:
        """Type a text, letter by letter."""
        self._run("send-keys", "-l", text)

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names: Enter, Tab, C-c."""
        self._run("send-keys", *keys)

    def resize(self, columns: int, lines: int) -> None:
        """Change the window's size."""
        self._run("resize-window", "-x", str(columns), "-y", str(lines))

    def screen(self) -> str:
        """Return what is seen."""
        return self._run("capture-pane", "-p")

    def colours(self) -> str:
        """Return what is seen, with the escape sequences that colour it."""
        return self._run("capture-pane", "-p", "-e")

    def fact(self, name: str) -> str:
        """Return one of tmux's facts about the window: cursor_flag, alternate_on, pane_dead_status, pane_pid."""
        return self._run("display-message", "-p", f"#{{{name}}}").strip()

    def wait(self, wanted: str | Callable[[str], object], seconds: float = 60.0) -> str:
        """Wait until a text is seen, or a condition on what is seen holds; return what is seen then."""
        found = ""

        def there() -> object:
            nonlocal found
            found = self.screen()
            return wanted in found if isinstance(wanted, str) else wanted(found)

        try:
            until(there, f"{wanted} is seen", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; seen:\n{found}") from None
        return found
