"""What a person sees of the status, in a real terminal (tmux)."""

import signal
import sys
import time
from dataclasses import replace

import psutil
import pytest

from supervisor.jobs import Event, Job, Notice, Proof, State, Telling
from supervisor.journal import Journal, place
from supervisor.observation.snapshot import Disk, Leaving, Worker
from tests.support.needs import ROOT
from tests.support.terminals import Terminal
from tests.unit.commands.test_status import HOSTILE, hash_of, live, snapshot

STATUS = [sys.executable, "-c", "import sys; from supervisor.cli import main; sys.exit(main())", "status"]
STATES = [State.FAILED, State.SUBMITTED, State.WAITING, State.CACHED]
PLAIN_NAMES = ["Some.Show.S01E02.1080p.WEB.x264-GROUP", 'Big, Bold & 100% "Awkward" - S01', "日本語の名前のトレント"]
HOSTILE_NAMES = [
    HOSTILE.replace("\ud800", ""),  # the journal has no halves of letters
    "[bold red]x[/] :smile: [link=http://x]y[/link]",
    "e\u0301" * 200,
    "a" * 300,
    "\x1b]0;a title\x07 %s {0} `$(id)`",
    "👨\u200d👩\u200d👧 a family",
]


def made(top, number, names=PLAIN_NAMES, **changes):
    """Make the state of a supervisor (this process) with so many torrents; return its directory."""
    now = time.time()
    for name in ("spool", "run"):
        (top / name).mkdir()
    jobs = [
        Job(hash_of(n)[::-1], STATES[n % 4], now - 900 - n, now - 60 - n, name=names[n % len(names)], size=n << 28,
            reason=f"{names[n % len(names)]}: no room; make some" if n % 2 == 0 else "", attempts=2, due=now + 300,
            proof=Proof.NONE)
        for n in range(number)
    ]  # fmt: skip
    journal = Journal(place(str(top)))
    notices = [Notice(job.hash, "sonarr", Telling.FAILED, now, reason="the key is wrong") for job in jobs[:1]]
    journal.write(jobs, notices, [Event(now - n, job.hash, job.state, job.reason) for n, job in enumerate(jobs)])
    journal.close()
    busy = [
        Worker(f"copier-{n}", "copier", 1, True, now, job.hash, job.name, "copy", now, 3 << 30, 5 << 30, 9e7)
        for n, job in enumerate(jobs[:2], 1)
    ]
    disks = (
        Disk("ssd", "/mnt/ssd", 1 << 40, 3 << 38, True, filling=4e6),
        Disk("hdd", "/mnt/hdd", 9 << 40, 1 << 42, True),
    )
    shot = snapshot(
        at=now,
        disks=disks,
        workers=(*busy, Worker("space", "space", 1, True, now)),
        low_mark=1 << 37,
        high_mark=1 << 37,
        relocations_planned=len(jobs),
        leaving=tuple(Leaving(job.hash, job.name, job.size) for job in jobs[:10]),
    )
    live(top, replace(shot, **changes))
    return top


def shown(state, columns, lines, *words, **environment):
    """Return a terminal in which a shell runs the command, and then says its exit code and waits."""
    shell = ["sh", "-c", 'trap : INT; "$@"; echo "code $?"; exec sleep 1000', "sh"]
    return Terminal(columns, lines, *shell, *STATUS, "-d", str(state), *words, PYTHONPATH=ROOT, **environment)


def command_of(window):
    """Return the command's process in the terminal."""
    (command,) = psutil.Process(int(window.fact("pane_pid"))).children()
    return command


def left_clean(window):
    """Check that the terminal is as it was before."""
    assert (window.fact("alternate_on"), window.fact("cursor_flag")) == ("0", "1")


def harmless(screen):
    """Check that nothing was drawn that does not show itself."""
    for bad in ("\x1b", "\x07", "\u202e", "\u2066", "\u200b"):
        assert bad not in screen


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize("number", [0, 3, 500])
@pytest.mark.parametrize("names", [PLAIN_NAMES, HOSTILE_NAMES], ids=["plain", "hostile"])
def test_one_screen_has_what_matters(tmp_path, columns, number, names):
    state = made(tmp_path, number, names)
    with shown(state, columns, 50, "--watch") as window:
        screen = window.wait("Torrents: ")
        harmless(screen)
        lines = screen.splitlines()
        assert lines[0].startswith("● seedcache 9.9  ")
        assert "all is well" in lines[0] if number == 0 else "needs a look" in lines[0]
        ssd = next(line for line in lines if line.startswith("SSD"))
        assert "┃" in ssd
        assert "768.0 GiB of 1.0 TiB free, full in 2 d 9 h" in ssd
        if number:
            assert " 60 %  3.0 of 5.0 GiB  85.8 MiB/s  ETA 23 s" in screen
            assert f"Failed: {(number + 3) // 4}" in screen
            assert f"Queue: {(number + 2) // 4}" in screen
            assert "Leaving the SSD" in screen
        if names is HOSTILE_NAMES and number == 500 and columns == 200:
            assert "[bold red]x[/] :smile: [link=http://x]y[/link]" in screen
            assert "?]0;a title? %s {0} `$(id)`" in screen
        assert window.fact("pane_title") != "a title"


def test_watch_is_on_a_screen_of_its_own_and_leaves_the_terminal_as_it_was(tmp_path):
    state = made(tmp_path, 3)
    with shown(state, 80, 40, "--watch") as window:
        window.wait("Torrents: ")
        assert (window.fact("alternate_on"), window.fact("cursor_flag")) == ("1", "0")
        window.press("C-c")
        assert "seedcache" not in window.wait("code ")
        left_clean(window)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_the_terminal_clean_and_says_so(tmp_path, number):
    state = made(tmp_path, 3)
    with shown(state, 80, 40, "--watch") as window:
        window.wait("Torrents: ")
        command_of(window).send_signal(number)
        window.wait(f"code {128 + number}")
        left_clean(window)


def test_what_changes_is_drawn_anew_and_a_window_that_is_resized_too(tmp_path):
    state = made(tmp_path, 3)
    with shown(state, 80, 40, "--watch") as window:
        window.wait("Failed: 1")
        live(state, snapshot(at=time.time(), low_space=True, version="10.0"))
        window.wait("seedcache 10.0")
        assert window.screen().count("● seedcache") == 1
        window.resize(160, 30)
        wide = window.wait(lambda screen: any("SSD" in line and "Queue" in line for line in screen.splitlines()))
        harmless(wide)
        window.resize(60, 12)
        small = window.wait("lines more")
        assert small.startswith("● seedcache 10.0")
        (state / "run" / "live.json").unlink()
        window.wait("down")


def test_a_journal_that_vanishes_ends_the_watch_with_a_line_and_a_clean_terminal(tmp_path):
    state = made(tmp_path, 3)
    with shown(state, 300, 40, "--watch") as window:  # the line has a path of any length, and is not broken
        window.wait("Torrents: ")
        (state / "journal.sqlite").unlink()
        assert "cannot be opened" in window.wait("code 3")
        left_clean(window)


def test_colours_are_there_unless_they_are_not_wanted(tmp_path):
    state = made(tmp_path, 3)
    with shown(state, 80, 60) as window:
        window.wait("Torrents: ")
        assert "\x1b[31m" in window.colours() or "\x1b[1m\x1b[31m" in window.colours()
    with shown(state, 80, 60, NO_COLOR="1") as window:
        window.wait("Torrents: ")
        assert not any(f"\x1b[{colour}m" in window.colours() for colour in range(31, 38))


def test_in_the_c_locale_everything_is_ascii(tmp_path):
    state = made(tmp_path, 3)
    with shown(state, 80, 60, LC_ALL="C") as window:
        screen = window.wait("Torrents: ")
        assert screen.isascii()
        assert "###" in screen
        assert "???????????" in screen


def test_a_dumb_terminal_gets_plain_lines(tmp_path):
    state = made(tmp_path, 3, HOSTILE_NAMES)
    with shown(state, 80, 100, TERM="dumb") as window:
        screen = window.wait("Last events")
        assert screen.startswith("seedcache 9.9: up for")
        assert "SSD [#####" in screen
        assert window.colours().count("\x1b") == 0


def test_while_the_supervisor_is_down_the_journal_is_shown(tmp_path):
    state = made(tmp_path, 8)
    (state / "run" / "live.json").unlink()
    with shown(state, 80, 60) as window:
        screen = window.wait("Torrents: ")
        assert "down" in screen.splitlines()[0]
        assert "start `seedcache run`" in " ".join(screen.split())
        assert "Failed: 2" in screen
