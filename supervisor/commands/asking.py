"""What a person asks of the supervisor: an entry in its spool, which it also finds when it is started later."""

from dataclasses import dataclass

from supervisor import spool
from supervisor.commands.reader import Reader, daemon
from supervisor.errors import SeedcacheError
from supervisor.jobs import ON_HDD, State, Telling

_POSSIBLE = {
    "relocate": {State.COPIED, State.NOTIFIED, State.CACHED},
    "verify": ON_HDD,
    "cancel": {State.SUBMITTED, State.COPYING, State.WAITING, State.FAILED},
}
_RETRIED = {State.WAITING, State.FAILED, State.CANCELLED, State.GONE}


@dataclass(frozen=True, slots=True)
class Request:
    """An entry that is in the spool."""

    state_dir: str
    subject: str  # a hash, or spool.ALL
    event: str
    text: str  # what was asked for
    at: float  # unix seconds
    running: bool  # the supervisor is there to do it
    last_event: int  # id of the journal's last event before it was asked for, if it is to be followed

    @property
    def lines(self) -> list[str]:
        """What a person is told."""
        there = "seedcache is running and sees to it"
        return [f"asked: {self.text}", there if self.running else "it will be done when `seedcache run` starts"]


def ask(state_dir: str, subject: str, event: str, text: str, now: float, *, follow: bool = False) -> Request:
    """Given what is asked for of which subject, in words, and whether it is to be followed, put it into the spool.

    Raise SeedcacheError if that fails.
    """
    seen = daemon(state_dir, now)
    last_event = _last_event(state_dir) if seen.running and follow else 0
    try:
        spool.write(state_dir, subject, event)
    except OSError as error:
        place = spool.directory(state_dir)
        raise SeedcacheError(
            f"cannot create a file in '{place}': {error.strerror}. Has `seedcache run` been started once, is STATE_DIR "
            f"right, and may this user write there?"
        ) from error
    return Request(state_dir, subject, event, text, now, seen.running, last_event)


def ask_for_one(state_dir: str, digits: str, event: str, now: float, *, follow: bool = False) -> Request:
    """Given a hash or its first digits, ask for something to be done to that torrent; `follow` as in ask.

    Raise SeedcacheError if its state rules that out, or the entry cannot be written.
    """
    journal = Reader(state_dir)
    try:
        job_hash = journal.full_hash(digits)
        job = journal.job(job_hash)
        untold = any(notice.state is not Telling.SENT for notice in journal.notices(job_hash=job_hash))
    finally:
        journal.close()
    possible = _POSSIBLE.get(event) or (set(State) if untold else _RETRIED)
    if job is not None and job.state not in possible:
        raise SeedcacheError(
            f"{job_hash} is {job.state}: {event} is for a torrent that is {', '.join(sorted(possible))}. "
            f"`seedcache explain {job_hash[:8]}` says more"
        )
    name = job.name if job else "not in the journal yet"
    return ask(state_dir, job_hash, event, f"{event} {job_hash} {name}", now, follow=follow)


def _last_event(state_dir: str) -> int:
    journal = Reader(state_dir)
    try:
        return journal.last_event()
    finally:
        journal.close()
