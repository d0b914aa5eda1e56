import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from supervisor.commands.reader import Daemon
from supervisor.commands.screen import ASCII, compose
from supervisor.commands.status import View
from supervisor.jobs import Event, Notice, State, Telling
from supervisor.observation.snapshot import Disk, Held, Leaving, Worker
from tests.support.needs import ROOT
from tests.unit.commands.test_status import HOSTILE, NOW, hash_of, job, snapshot


def view(number, name="A torrent", *, running=True, **changes):
    """Return a view with so many torrents in each list."""
    jobs = [
        job(n, state, name=name, reason=f"{name}: no room, make some" if state is not State.SUBMITTED else "")
        for n in range(number)
        for state in (State.SUBMITTED, State.WAITING, State.FAILED)
    ]
    of = {state: tuple(each for each in jobs if each.state is state)[:20] for state in State}
    busy = Worker("copier-1", "copier", 1, True, NOW, hash_of(1), name, "copy", NOW, 50 << 30, 100 << 30, 512 << 20)
    shot = replace(
        snapshot(
            workers=(*([busy] if number else []), Worker("space", "space", 0, False, NOW)),
            leaving=tuple(Leaving(each.hash, name, 5) for each in jobs[:10]), relocations_planned=number,
            held=tuple(Held(each.hash, name, 5, 4, NOW - 90, f"{name}: too large") for each in jobs[:10]),
        ),
        **changes,
    )  # fmt: skip
    return View(
        NOW, "/state", Daemon(running=running, snapshot=shot),
        dict.fromkeys(map(str, State), 0) | {str(state): number for state in of if of[state]},
        of[State.SUBMITTED], of[State.WAITING], of[State.FAILED], {"pending": 0, "failed": min(number, 1)},
        tuple(Notice(hash_of(1), "sonarr", Telling.FAILED, NOW, reason="wrong key") for _ in range(min(number, 1))),
        tuple(Event(NOW, each.hash, each.state, name) for each in jobs[:20]), {hash_of(1): name},
    )  # fmt: skip


def text(*arguments, **options):
    return "\n".join(line.plain for line in compose(*arguments, **options))


@pytest.mark.parametrize("width", [40, 80, 110, 139, 140, 200, 300])
@pytest.mark.parametrize("number", [0, 3, 500])
@pytest.mark.parametrize("name", ["A torrent", HOSTILE, "日本語" * 50, "e\u0301" * 200, "a" * 400, "[red]x[/] :smile:"])
@pytest.mark.parametrize("running", [True, False])
def test_no_line_is_wider_than_the_window_and_nothing_hostile_reaches_it(width, number, name, running):
    lines = compose(view(number, name, running=running), width)
    assert max(cell_len(line.plain) for line in lines) <= width
    assert all(letter.isprintable() for line in lines for letter in line.plain)


@given(st.text(max_size=60), st.integers(20, 250), st.integers(5, 60), st.integers(0, 40))
def test_whatever_a_torrent_is_called_the_picture_fits_its_window(name, width, height, number):
    lines = compose(view(number, name), width, height)
    assert len(lines) <= height
    assert all(cell_len(line.plain) <= width for line in lines)


def test_a_name_that_looks_like_markup_is_shown_as_it_is():
    assert "[red]x[/] :smile:" in text(view(3, "[red]x[/] :smile:"), 80)


def test_lists_are_as_long_as_there_is_room_for():
    short, long = (text(view(30), 80, height).count("no room, make some") for height in (40, 120))
    assert 0 < short < long
    assert text(view(30), 80, 10).splitlines()[-1].startswith(".. and ")


def test_a_wide_window_has_two_halves_and_a_narrow_one_has_everything_below_each_other():
    assert any("100.0 GiB" in line and "Leaving" in line for line in text(view(3), 160).splitlines())
    assert not any("100.0 GiB" in line and "Leaving" in line for line in text(view(3), 120).splitlines())


def test_a_very_wide_half_has_a_worker_on_one_line():
    assert any("copier-1" in line and "ETA" in line for line in text(view(3), 240).splitlines())


def test_the_gauge_has_a_bar_at_the_water_mark_and_turns_red_below_it():
    disk = Disk("ssd", "/ssd", 100 << 30, 40 << 30, trusted=True)
    (line,) = (line for line in compose(view(0, disks=(disk,)), 80) if line.plain.startswith("SSD"))
    bar = line.plain[4 : line.plain.index(" 60 %") - 1]
    assert bar.index("┃") == int(len(bar) * 0.8)
    assert bar.count("█") == int(len(bar) * 0.6)
    assert "green" in {str(span.style) for span in line.spans}
    (line,) = (
        line for line in compose(view(0, disks=(replace(disk, free=9 << 30),)), 80) if line.plain.startswith("SSD")
    )
    assert "red" in {str(span.style) for span in line.spans}


def test_a_disk_that_fills_up_says_when_it_is_full_and_one_that_empties_does_not():
    disk = Disk("ssd", "/ssd", 100 << 30, 36 << 20, trusted=True, filling=10240)
    assert "full in 1 h 1 min" in text(view(0, disks=(disk,)), 80)
    assert "full in" not in text(view(0, disks=(replace(disk, filling=-5.0),)), 80)
    assert "full in" not in text(view(0, disks=(disk,), running=False), 80)


def test_what_is_held_is_named_with_its_reason():
    assert "Held, for want of room: 3" in text(view(1), 80)
    assert "4 B of 5 B to come" in text(view(1), 80)
    assert "for 1 min 30 s: A torrent: too large" in text(view(1), 80)


def test_ascii_is_ascii():
    assert text(view(3), 160, glyphs=ASCII).isascii()


def test_only_a_terminal_pays_for_rich():
    """Neither the hook, the supervisor, its workers, nor a command that is read by a program imports it."""
    code = (
        "import sys; from supervisor.cli import main;"
        "from supervisor import arbiter, submit, apart; from supervisor.workers import copier, loop, notifier, space;"
        "from supervisor.commands import asking, check, explaining, outlook, plain, status, waiting;"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not {"rich", "shtab", "pygments", "markdown_it"} & set(done.stdout.split())
