"""The status as coloured lines for a terminal, as wide and as high as that is."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rich.text import Text

from supervisor.commands.display import clean, columns, fit, percent, share, size, span, wrapped
from supervisor.commands.status import (
    View,
    about_marks,
    full_in,
    held_back,
    holds,
    marks,
    next_try,
    pace,
    problems,
    standing,
    totals,
)
from supervisor.jobs import Job, State
from supervisor.observation.snapshot import Disk, Snapshot, Worker

_HALVES = 140  # columns from which on there are two halves side by side
_ONE_LINE = 110  # columns from which on a worker takes one line
_GAP = 3  # columns between the halves
_ROWS = (20, 10, 5, 3, 2, 1, 0)  # torrents of each list, as many as the screen has room for
_STILL = 5  # the same where it scrolls
_HASH, _WHEN = 10, 14  # columns
_PHASES = {"copy": "cyan", "prove": "magenta", "switch": "yellow", "remove": "yellow"}


@dataclass(frozen=True, slots=True)
class Glyphs:
    """What bars are made of."""

    full: str = "█"
    empty: str = "░"
    mark: str = "┃"
    light: str = "●"


ASCII = Glyphs("#", "-", "|", "*")


def compose(view: View, width: int, height: int | None = None, glyphs: Glyphs | None = None) -> list[Text]:
    """Given what there is to show, and the columns (and lines) of the terminal, return the lines.

    Given no height, it may scroll; with one, the lists are as long as there is room for.
    """
    page = _Page(view, width, glyphs or Glyphs())
    found = page.lines(height)
    if height is None or len(found) <= height:
        return found
    more = Text(fit(f".. and {len(found) - height + 1} lines more: `seedcache status` has them", width), "dim")
    return [*found[: height - 1], more]


class _Page:
    """The lines for a terminal of so many columns."""

    def __init__(self, view: View, width: int, glyphs: Glyphs) -> None:
        self._view, self._glyphs = view, glyphs
        self._running = view.daemon.running
        self._snapshot = view.daemon.snapshot
        self._width = width  # columns of the part at hand
        self._rows = _STILL  # torrents of each list

    def lines(self, height: int | None) -> list[Text]:
        """Given how many there is room for, return the lines: perhaps more, but none wider than the terminal."""
        whole = self._width
        head = [*self._head()]
        room = None if height is None else height - len(head)
        if whole < _HALVES:
            found = [*head, *self._fitted(room, self._disks, self._workers, self._trouble, self._course)]
        else:
            self._width = (whole - _GAP) // 2
            left = self._fitted(room, self._disks, self._workers, self._trouble)
            found = [*head, *_side_by_side(left, self._fitted(room, self._course), self._width)]
        for line in found:
            line.plain = clean(line.plain)  # also what nobody expects there: the snapshot is another user's file
            line.truncate(whole, overflow="crop")
        return found

    def _fitted(self, room: int | None, *parts: Callable[[], Iterator[Text]]) -> list[Text]:
        """Return the lines of the parts, their lists as long as there is room for."""
        found: list[Text] = []
        for self._rows in _ROWS if room is not None else (_STILL,):  # the parts read it
            found = [line for part in parts for line in part()]
            if room is None or len(found) <= room:
                break
        return found

    def _head(self) -> Iterator[Text]:
        view, snapshot = self._view, self._snapshot
        found = problems(view)
        at = time.strftime("%H:%M:%S", time.localtime(view.now))
        if self._running and snapshot is not None:
            light = "yellow" if found else "green"
            about = f"up for {span(view.now - snapshot.started)}, pid {snapshot.pid}, {at}"
            version = f" {snapshot.version}"
        else:
            light, about, version = "red", f"{at}; this is what the journal says", ""
        yield Text.assemble(
            (f"{self._glyphs.light} ", light), (f"seedcache{version}", "bold"), "  ",
            (standing(view), f"bold {light}"), "  ", (about, "dim"),
        )  # fmt: skip
        for problem in found:
            for number, line in enumerate(wrapped(problem, "! ", self._width)):
                yield Text.assemble((line[:2], light), line[2:]) if number == 0 else Text(line)

    # -- disks and workers ---------------------------------------------------------------------------------------------

    def _disks(self) -> Iterator[Text]:
        snapshot = self._snapshot
        if snapshot is None or not snapshot.disks:
            return
        yield Text()
        for disk in snapshot.disks:
            yield self._gauge(snapshot, disk)
            limit = about_marks(snapshot, disk)
            yield Text(fit(f"    {clean(disk.path)}{f'  {limit}' if limit else ''}", self._width), "dim")
        if snapshot.bytes_at_risk:
            yield Text(f"    {size(snapshot.bytes_at_risk)} are finished and on the SSD only", "dim")

    def _gauge(self, snapshot: Snapshot, disk: Disk) -> Text:
        used = disk.size - disk.free
        full = full_in(disk)
        about = f"{size(disk.free)} of {size(disk.size)} free"
        if not self._running:
            about += " when last seen"
        elif full is not None:
            about += f", full in {span(full)}"
        width = min(max(self._width - 62, 10), 40)
        passed = sum(disk.free < mark for mark in marks(snapshot, disk))
        style = "green" if disk.trusted and not passed else "red" if passed == len(marks(snapshot, disk)) else "yellow"
        bar = self._bar(used, disk.size, width, style)
        for mark in marks(snapshot, disk) if disk.size else ():
            place = min(max(int(width * (disk.size - mark) / disk.size), 0), width - 1)
            bar = Text.assemble(bar[:place], (self._glyphs.mark, "bold"), bar[place + 1 :])
        return Text.assemble((f"{disk.role.upper():4}", "bold"), bar, f" {percent(used, disk.size)}  {about}")

    def _bar(self, done: float, total: float, width: int, style: str) -> Text:
        part = int(width * min(max(done / total, 0), 1)) if total > 0 else 0
        return Text.assemble((self._glyphs.full * part, style), (self._glyphs.empty * (width - part), "dim"))

    def _workers(self) -> Iterator[Text]:
        if self._snapshot is None or not self._running:
            return
        yield Text()
        for worker in self._snapshot.workers:
            if not worker.up or not worker.hash:
                yield Text.assemble(f"{worker.name:10} ", ("idle" if worker.up else "starting", "dim"))
            else:
                yield from self._busy(worker)

    def _busy(self, worker: Worker) -> Iterator[Text]:
        style = _PHASES.get(worker.phase, "blue")
        head = Text.assemble(f"{worker.name:10} ", (f"{worker.phase or 'begins':8} ", style))
        head.append(f"{worker.hash[:8]}  ", "dim")
        far = Text()
        if worker.total:
            about = f" {percent(worker.done, worker.total)}  {share(worker.done, worker.total)}  {pace(worker)}"
            far = Text.assemble(self._bar(worker.done, worker.total, 14, style), about)
        if self._width >= _ONE_LINE:
            room = self._width - head.cell_len - 66
            yield Text.assemble(head, f"{fit(clean(worker.name_of_torrent), room)}  ", far)
            return
        yield Text.assemble(head, fit(clean(worker.name_of_torrent), self._width - head.cell_len, pad=False))
        if far:
            yield Text.assemble(" " * 11, far)

    # -- lists ---------------------------------------------------------------------------------------------------------

    def _trouble(self) -> Iterator[Text]:
        """What failed, what waits, who was not told."""
        view = self._view
        yield from self._title("Failed", view.jobs[State.FAILED], "newest", "red")
        for job in view.failed[: self._rows]:
            yield from self._job(job, f"{span(view.now - job.changed)} ago", "red")
        yield from self._title("Waiting for another try", view.jobs[State.WAITING], "oldest", "yellow")
        for job in view.waiting[: self._rows]:
            yield from self._job(job, next_try(job, view.now), "yellow")
        yield from self._title("Notices that were refused", view.telling["failed"], "first", "red")
        for notice in view.notices[: self._rows]:
            name = clean(view.names.get(notice.hash, ""))
            yield self._row(notice.hash, f"{notice.service}: {name}", "")
            for line in wrapped(notice.reason, " " * (_HASH + 2), self._width):
                yield Text(line, "dim")

    def _course(self) -> Iterator[Text]:
        """What goes its way: the queue, what leaves the SSD, what has happened."""
        view, snapshot = self._view, self._snapshot
        if snapshot is not None and self._running:
            yield from self._title("Leaving the SSD", snapshot.relocations_planned, "next")
            for torrent in snapshot.leaving[: self._rows]:
                yield self._row(torrent.hash, torrent.name, size(torrent.size))
        if snapshot is not None and self._running:
            yield from self._title("Held, for want of room", len(snapshot.held), "oldest", "yellow")
            for held in snapshot.held[: self._rows]:
                much, why = held_back(held, view.now)
                yield self._row(held.hash, held.name, much)
                for line in wrapped(why, " " * (_HASH + 2), self._width):
                    yield Text(line, "dim")
        yield from self._title("Queue", view.jobs[State.SUBMITTED], "oldest")
        for job in view.queue[: self._rows]:
            yield self._row(job.hash, job.name or "(not yet looked up)", span(view.now - job.changed))
        for line in holds(snapshot, view.now) if snapshot is not None and self._running else ():
            yield Text(f"  {line}", "dim")
        if view.events and self._rows:
            yield Text()
            yield Text("Last events", "bold")
            for event in view.events[: self._rows]:
                about = f"{fit(clean(event.action), 12)} {clean(view.names.get(event.hash) or event.text)}"
                yield self._row(event.hash, about, f"{span(view.now - event.at)} ago")
        yield Text()
        for line in wrapped(totals(view), "", self._width):
            yield Text(line, "dim")

    def _title(self, name: str, count: int, which: str, style: str = "") -> Iterator[Text]:
        if count:
            few = f", the {which} {self._rows}" if count > self._rows > 0 else ""
            if self._rows:
                yield Text()
            yield Text.assemble((f"{name}: {count}", f"bold {style}"), (few, "dim"))

    def _job(self, job: Job, when: str, style: str) -> Iterator[Text]:
        yield self._row(job.hash, job.name, when)
        for line in wrapped(job.reason, " " * (_HASH + 2), self._width):
            yield Text(line, style)

    def _row(self, job_hash: str, name: str, about: str) -> Text:
        about = clean(about)
        room = self._width - _HASH - 4 - max(columns(about), _WHEN)
        return Text.assemble(
            "  ", (fit(job_hash[:8], _HASH), "dim"), fit(clean(name), room), "  ", (f"{about:>{_WHEN}}", "")
        )


def _side_by_side(left: list[Text], right: list[Text], width: int) -> Iterator[Text]:
    for number in range(max(len(left), len(right))):
        line = left[number].copy() if number < len(left) else Text()
        line.truncate(width, overflow="crop", pad=True)
        yield Text.assemble(line, " " * _GAP, right[number]) if number < len(right) else line
