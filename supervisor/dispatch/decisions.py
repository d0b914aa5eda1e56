"""What becomes of a job when something happens to it. Pure: given a job, what happened and the time, the next job.

Retry is decided here and nowhere else: a job that waits knows when it is due, and `resumed` says with what it goes on.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from supervisor.dispatch.planning import inside
from supervisor.errors import Refused
from supervisor.jobs import Job, Notice, Proof, State, Telling
from supervisor.messages import Copied, Copy, Failed, Prove, Relocate, Task

if TYPE_CHECKING:
    from supervisor.adapters.torrents import Torrent
    from supervisor.settings import Settings

_LONGEST_DELAY = 900.0  # seconds between two attempts at most
_ABSENCES = 3  # how often rTorrent must deny a torrent before it counts as erased: 0.16 lists none just after its start
_DENIED = "rTorrent does not list it"
_FAILED_NOTICE_DELAY = 3600.0  # seconds: what a person must mend is not hammered


@dataclass(frozen=True, slots=True)
class Limits:
    """How often and how soon a failed step is tried again."""

    attempts: int
    delay: float  # seconds before the second attempt; doubles from one to the next


def limits_of(settings: "Settings") -> Limits:
    """Return what the settings say."""
    return Limits(settings.copy_retry_attempts, settings.retry_delay)


def delay(limits: Limits, attempts: int) -> float:
    """Given how many attempts have failed, return the seconds until the next."""
    return min(limits.delay * 2.0 ** max(attempts - 1, 0), _LONGEST_DELAY)


def submitted(job: Job | None, job_hash: str, now: float) -> Job:
    """A hook fired, or a person asked. Return the job that is due then; an unchanged one has been joined."""
    if job is None or job.state is State.GONE:
        return Job(job_hash, State.SUBMITTED, submitted=now, changed=now)
    if job.state is State.WAITING:
        return replace(job, due=now)
    if job.state in (State.SUBMITTED, State.COPYING, State.RELOCATING):
        return job
    return job.to(State.SUBMITTED, now, submitted=now, attempts=0, due=0.0, reason="", proof=Proof.NONE)


def waiting(job: Job, failure: Failed, limits: Limits, now: float, tries: int = 1) -> Job:
    """A step of the job failed. Return the job that waits for its next attempt, or has failed for good.

    One that the HDD has no room for, for so many `tries` in a row, waits ever longer, and never fails for it.
    """
    attempts = job.attempts + failure.counts
    if failure.gone:
        return absent(job, limits, now)
    if failure.lacking is not None:
        return job.to(State.WAITING, now, due=now + delay(limits, tries), reason=failure.reason)
    if not failure.retry or attempts >= limits.attempts:
        return job.to(State.FAILED, now, attempts=attempts, reason=failure.reason)
    due = now + delay(limits, attempts)
    return job.to(State.WAITING, now, attempts=attempts, due=due, reason=failure.reason)


def proven(job: Job, now: float) -> tuple[Job, ...]:
    """A published copy was read back well. Return the steps its job takes.

    One that was being looked at from the start had been switched by an earlier run: what is left of it on the SSD goes.
    """
    if job.state is State.COPYING:
        copied = job.to(State.COPIED, now, attempts=0, due=0.0, reason="", proof=Proof.READ_BACK)
        return (copied, copied.to(State.RELOCATING, now))
    return (replace(job, proof=Proof.READ_BACK, reason=""),)


def disproven(job: Job, failure: Failed, limits: Limits, now: float) -> Job:
    """A published copy could not be read back well. Return the job: failed if the bytes are wrong, else as it was."""
    if job.state is State.COPYING:
        return waiting(job, replace(failure, retry=failure.retry and not failure.proof), limits, now)
    if not failure.proof or job.state is State.RELOCATED:
        return replace(job, reason=failure.reason, due=now + limits.delay)
    return job.to(State.FAILED, now, proof=Proof.NONE, reason=failure.reason)


def absent(job: Job, limits: Limits, now: float) -> Job:
    """RTorrent answered and did not list the torrent. Return the job, gone if that was said often enough."""
    denied = job.attempts + 1 if job.reason == _DENIED else 1
    if denied >= _ABSENCES:
        return job.to(State.GONE, now, reason="erased in rTorrent; what is on the disks was left as it is")
    return job.to(State.WAITING, now, attempts=denied, due=now + limits.delay, reason=_DENIED)


def resumed(job: Job, now: float) -> Job:
    """The time of a waiting job has come. Return it as it goes on: with the switch it had begun, or from the start.

    A job is given its proof when its copy stands, and loses it when it is submitted again: with one, it was relocating.
    """
    if job.proof is not Proof.NONE:
        return job.to(State.RELOCATING, now, due=0.0)
    return job.to(State.SUBMITTED, now, due=0.0)


def copied(job: Job, result: Copied, services: tuple[str, ...], now: float) -> tuple[Job, tuple[Notice, ...]]:
    """The copy stands. Return the job and who has to be told."""
    notices = tuple(Notice(job.hash, service, Telling.PENDING, now) for service in services)
    return job.to(State.COPIED, now, attempts=0, due=0.0, reason="", proof=result.proof), notices


def told(notice: Notice, failure: Failed | None, limits: Limits, now: float) -> Notice:
    """A service answered, or did not. Return the next notice: a failed one is due again too, only late."""
    if failure is None:
        return replace(notice, state=Telling.SENT, changed=now, reason="")
    attempts = notice.attempts + failure.counts
    if failure.configuration or not failure.retry:
        due = now + _FAILED_NOTICE_DELAY
        return replace(notice, state=Telling.FAILED, changed=now, attempts=attempts, due=due, reason=failure.reason)
    due = now + delay(limits, attempts)
    return replace(notice, changed=now, attempts=attempts, due=due, reason=failure.reason)


def settled(job: Job, now: float) -> tuple[Job, ...]:
    """Everybody has been told. Return the steps a copied job takes then."""
    if job.state is not State.COPIED:
        return ()
    notified = job.to(State.NOTIFIED, now)
    return (notified, notified.to(State.CACHED, now))


def cancelled(job: Job, now: float) -> Job:
    """A person gives the job up. Return it; one that is on the HDD, or being switched, stays what it is."""
    if job.state in (State.SUBMITTED, State.COPYING, State.WAITING, State.FAILED) and job.proof is Proof.NONE:
        return job.to(State.CANCELLED, now, reason="cancelled by hand")
    return job


def retried(job: Job, now: float) -> Job:
    """A person wants it tried again now. Return it."""
    if job.state is State.WAITING:
        return replace(job, due=now, attempts=0)
    if job.state in (State.FAILED, State.CANCELLED, State.GONE):
        return submitted(job, job.hash, now)
    return job


def beside(torrent: "Torrent", kin: Iterable[Job]) -> Job | None:
    """Return the first of its kin that lies on the very paths of a torrent on the SSD: one copy is to serve both."""
    for job in kin:
        same = job.source == torrent.directory and job.multi == torrent.multi
        if same and job.destination and (job.multi or job.name == torrent.name):
            return job
    return None


def located(
    job: Job,
    torrent: "Torrent",
    ssd: bytes,
    hdds: Sequence[bytes],
    destination_of: Callable[["Torrent"], bytes],
    limits: Limits,
    now: float,
) -> Job:
    """RTorrent has the torrent. Return its job, still SUBMITTED and its destination decided, if it is to be copied now.

    Or in another state. The destination is decided once, by `destination_of`, since Sonarr changes the label after its
    import. Raise NoRoom if it fits on no HDD now.
    """
    if torrent.meta or not (torrent.complete or torrent.hashing):
        reason = "still a magnet" if torrent.meta else f"not finished: {torrent.left_bytes} bytes are missing"
        return waiting(job, Failed(f"{reason}; it is copied once rTorrent has all of it", retry=True), limits, now)
    if torrent.hashing:
        return waiting(job, Failed("rTorrent is checking it", retry=True, counts=False), limits, now)
    if job.source and torrent.directory == job.destination:
        return job  # switched by an earlier run: the copy is proven again where it stands, then the SSD is cleared
    if any(inside(torrent.directory, hdd) for hdd in hdds):
        if job.source:
            where = torrent.directory.decode(errors="replace")
            return job.to(State.FAILED, now, reason=f"somebody else moved it, to {where}; nothing was removed")
        return job.to(State.RELOCATED, now, reason="it was on the HDD already")
    if not inside(torrent.directory, ssd):
        reason = f"its data is in {torrent.directory.decode(errors='replace')}, outside DOWNLOAD_PATH_SSD"
        return job.to(State.FAILED, now, reason=reason)
    destination = job.destination
    decided = any(inside(destination, hdd) for hdd in hdds)  # not on a disk that is no longer configured
    if not decided:
        try:
            destination = destination_of(torrent)
        except Refused as error:
            return job.to(State.FAILED, now, reason=str(error))
    return replace(
        job,
        name=torrent.name,
        label=job.label if decided else torrent.label,
        size=torrent.size,
        multi=torrent.multi,
        source=torrent.directory,
        destination=destination,
        finished=torrent.finished,
        attempts=0 if job.reason == _DENIED else job.attempts,
        reason="" if job.reason == _DENIED else job.reason,
    )


def concerns(task: Task, job: Job) -> bool:
    """Say whether what came of a task is still of interest: it was not cancelled or submitted again meanwhile."""
    match task:
        case Copy():
            return job.state is State.COPYING
        case Prove():
            return job.state is State.COPYING or job.proof is not Proof.NONE
        case Relocate():
            return job.state is State.RELOCATING
    return True
