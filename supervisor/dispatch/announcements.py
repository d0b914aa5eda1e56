"""Who is told the news, and when: the webhook and Apprise, one message at a time, not too many in an hour.

The journal's events are the outbox: a bookmark for each messenger says how far it has been told, so nothing is lost and
nothing is kept twice. When an hour's messages are used up the events wait, and when the hour is over one summary tells
of all of them.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from supervisor.dispatch import decisions
from supervisor.dispatch.board import Board
from supervisor.dispatch.crew import NOTIFIER, Crew
from supervisor.dispatch.decisions import Limits
from supervisor.jobs import OFF, Bookmark, Event, Telling, is_due
from supervisor.messages import SUMMARY, Announce, Failed, News
from supervisor.notifiers import table
from supervisor.observation.metrics import Metrics
from supervisor.settings import Settings

HOUR = 3600.0  # seconds
_NOTIFIERS = 2  # at most: one that hangs keeps one of them for half a minute
_AT_ONCE = 10_000  # events that one summary may tell of
_NEVER = float("inf")

Pending = Sequence[tuple[int, Event]]  # events with their numbers, the oldest first


def notifiers(settings: Settings) -> int:
    """Return how many notifiers are wanted: with several services, one that hangs must not keep the others waiting."""
    return min(max(len(table.services(settings)), 1), _NOTIFIERS)


def free_at(mark: Bookmark, limit: int, now: float) -> float:
    """Return when the next message may be sent (unix seconds)."""
    used_up = mark.sent >= limit and mark.hour <= now < mark.hour + HOUR
    return max(mark.due, mark.hour + HOUR if used_up else 0.0)


def news_of(mark: Bookmark, pending: Pending, limit: int, name: str) -> News:
    """Given what a messenger has not been told (at least one) and the name of the oldest's torrent, return the news.

    That is the oldest event, or a summary of all if it was withheld: the messages of its hour had been used up.
    """
    (number, event), (last, latest) = pending[0], pending[-1]
    withheld = mark.sent >= limit and event.at < mark.hour + HOUR
    if not withheld or len(pending) == 1:
        return News(number, event.action, event.at, event.hash, name, event.text)
    counts = tuple(sorted(Counter(event.action for _, event in pending).items()))
    said = ", ".join(f"{count} {action}" for action, count in counts)
    text = f"more than {limit} messages in an hour; since then: {said}. `seedcache status` shows how things stand"
    return News(last, SUMMARY, latest.at, "", "", text, counts)


def told(mark: Bookmark, news: News, now: float) -> Bookmark:
    """A messenger has taken the news. Return its bookmark."""
    same = bool(mark.sent) and mark.hour <= now < mark.hour + HOUR
    return Bookmark(mark.service, news.id, hour=mark.hour if same else now, sent=mark.sent + 1 if same else 1)


def missed(mark: Bookmark, failure: Failed, limits: Limits, now: float) -> Bookmark:
    """A messenger has not taken the news. Return its bookmark: it is tried again, where a person must act only late."""
    attempts = mark.attempts + failure.counts
    refused = failure.configuration or not failure.retry
    return replace(
        mark,
        state=Telling.FAILED if refused else Telling.PENDING,
        attempts=attempts,
        due=now + (HOUR if refused else decisions.delay(limits, attempts)),
        reason=failure.reason,
    )


class Announcements:
    """The messengers that have an address, and when each is to be looked at again."""

    def __init__(self, board: Board, crew: Crew, metrics: Metrics) -> None:
        self._board, self._crew, self._metrics = board, crew, metrics
        self._look: dict[str, float] = {}  # unix seconds; a service that is not in it has no address
        self._seen: dict[str, int] = {}  # number of the event up to which there is nothing to tell it
        board.on_events = self._happened

    @property
    def next_due(self) -> float:
        """When there may be something to tell (unix seconds; infinity: not before something happens)."""
        told = self._crew.telling()
        return min((look for service, look in self._look.items() if service not in told), default=_NEVER)

    def _happened(self, _events: Sequence[Event]) -> None:
        self._look = dict.fromkeys(self._look, 0.0)

    def schedule(self, now: float, settings: Settings, tokens: Iterator[int]) -> None:
        """Give idle notifiers the next messages, if any are due."""
        wanted = table.messengers(settings)
        for service, mark in self._board.bookmarks.items():
            if service not in wanted and mark.event != OFF:
                self._board.put_bookmark(Bookmark(service, OFF))
        self._look = {service: self._look.get(service, 0.0) for service in wanted}
        for service in wanted:
            worker = next(self._crew.idle(NOTIFIER), None)
            if worker is None:
                return
            if service in self._crew.telling():
                continue
            found = self._board.bookmark(service)
            if found is None or found.event == OFF:  # it is told of what happens from now on
                self._board.put_bookmark(Bookmark(service, self._board.last_event()))
                continue
            if self._look[service] == _NEVER:
                continue
            self._look[service] = free_at(found, settings.announce_limit, now)
            if is_due(self._look[service], now):
                pending = self._pending(found, settings)
                if not pending:
                    self._look[service] = _NEVER
                    continue
                job = self._board.get(pending[0][1].hash)
                news = news_of(found, pending, settings.announce_limit, job.name if job else "")
                self._crew.assign(worker, table.announcement(next(tokens), service, news, settings), now)
                self._metrics.attempt("notify")

    def _pending(self, mark: Bookmark, settings: Settings) -> Pending:
        after = max(mark.event, self._seen.get(mark.service, 0))
        last = self._board.last_event()
        pending = self._board.events_of(getattr(settings, f"{mark.service}_events"), after, _AT_ONCE)
        if not pending:
            self._seen[mark.service] = last
        return pending

    def done(self, task: Announce, failure: Failed | None, limits: Limits, now: float) -> None:
        """A messenger has taken the news, or has not."""
        mark = self._board.bookmark(task.service)
        if mark is None or mark.event == OFF or mark.event >= task.news.id:
            return
        if failure is None:
            self._board.put_bookmark(told(mark, task.news, now))
            self._board.then(lambda: self._metrics.notified(task.service, "sent"))
            return
        mark_now = missed(mark, failure, limits, now)
        self._board.put_bookmark(mark_now)
        outcome = "failed" if mark_now.state is Telling.FAILED else "retry"
        self._board.then(lambda: self._metrics.notified(task.service, outcome))
        if failure.reason != mark.reason and task.hash:
            self._board.tell(task.hash, "told", now, f"{task.service}: {failure.reason}")
