"""Showing on a terminal: the status once or for ever, and how far something is. Takes 80 ms to import: only for one."""

import os
import signal
import sys

from rich.console import Console, Group
from rich.control import Control
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from supervisor.adapters import clock
from supervisor.commands import waiting
from supervisor.commands.display import clean
from supervisor.commands.screen import ASCII, Glyphs, compose
from supervisor.commands.status import View, gather
from supervisor.errors import Exit

_EVERY = 1.0  # seconds between two pictures
_ENDS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
_SIGNALLED = 128  # and the signal's number: the exit code of a command that a signal has ended, as shells say


def console() -> Console:
    """Return the terminal. Somebody who says LC_ALL=C gets ASCII; nothing in a name is markup."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        plain = os.environ.get("LC_ALL") in ("C", "POSIX")
        reconfigure(encoding="ascii" if plain else None, errors="replace")
    return Console(markup=False, emoji=False, highlight=False, soft_wrap=False)


def show(view: View) -> int:
    """Show the status once; return the exit code."""
    screen = console()
    lines = compose(view, screen.width, glyphs=_glyphs(screen))
    screen.print(Group(*lines), no_wrap=True, overflow="crop", crop=False)
    return Exit.DONE


def watch(state_dir: str) -> int:
    """Show the status on a screen of its own, anew every second and when the window changes, until Ctrl-C.

    Return the exit code. The terminal is left as it was, also when SIGTERM ends it or the journal cannot be read.
    """
    screen = console()
    noticed = _ENDS | {signal.SIGWINCH}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, noticed)  # they come between two pictures, never in one
    try:
        with screen.screen(hide_cursor=True) as picture:
            while True:
                lines = compose(gather(state_dir, clock.now()), screen.width, screen.height, _glyphs(screen))
                screen.control(Control.home())
                picture.update(Group(*lines))
                came = signal.sigtimedwait(noticed, _EVERY)
                if came is not None and came.si_signo in _ENDS:
                    break
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return Exit.DONE if came.si_signo == signal.SIGINT else _SIGNALLED + came.si_signo


def progress(waited: waiting.Wait) -> int:
    """Show a bar for what is waited for until it has ended; return the exit code."""
    screen = console()
    before = signal.signal(signal.SIGTERM, _leave)  # else the cursor stays hidden
    about, text = TextColumn("{task.fields[about]}", markup=False), TextColumn("{task.description}", markup=False)
    try:
        with Progress(
            BarColumn(bar_width=20), about, text, console=screen, transient=True, auto_refresh=False
        ) as shown:
            task = shown.add_task("", total=None, about="")

            def look(seen: waiting.Look) -> None:
                shown.update(
                    task, description=clean(seen.text), about=seen.share, completed=seen.done, total=seen.total or None
                )
                shown.refresh()

            end = waiting.follow(waited, look)
            last = shown.tasks[0].description
    finally:
        signal.signal(signal.SIGTERM, before)
    screen.print(Text(last))
    return end


def _leave(number: int, _frame: object) -> None:
    raise SystemExit(_SIGNALLED + number)


def _glyphs(screen: Console) -> Glyphs:
    return ASCII if screen.options.ascii_only else Glyphs()
