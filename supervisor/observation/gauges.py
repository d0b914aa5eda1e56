"""How things stand, as numbers: what each gauge reads from a snapshot. Pure; `metrics` gives them their form.

A time of 0 means "none": an expression asks for `x > 0` before it subtracts one from `time()`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from supervisor.dispatch.crew import COPIER, NOTIFIER, SPACE
from supervisor.dispatch.planning import Action
from supervisor.jobs import State
from supervisor.messages import Phase
from supervisor.observation.snapshot import WAITS, Disk, Snapshot

ROLES = (COPIER, SPACE, NOTIFIER)

Samples = Iterable[tuple[tuple[str, ...], float]]  # label values, value


@dataclass(frozen=True, slots=True)
class Reading:
    """One gauge."""

    name: str  # without the prefix
    text: str
    labels: tuple[str, ...]
    read: Callable[[Snapshot], Samples]


def _one(name: str, text: str, read: Callable[[Snapshot], float]) -> Reading:
    return Reading(name, text, (), lambda snapshot: [((), float(read(snapshot)))])


def _each(name: str, text: str, label: str, read: Callable[[Snapshot], dict[str, float]]) -> Reading:
    return Reading(
        name, text, (label,), lambda snapshot: [((value,), number) for value, number in read(snapshot).items()]
    )


def _disks(name: str, text: str, read: Callable[[Disk], float]) -> Reading:
    return Reading(
        name, text, ("disk", "path"), lambda snapshot: [((disk.role, disk.path), read(disk)) for disk in snapshot.disks]
    )


def _workers(snapshot: Snapshot, *, up: bool = False, busy: bool = False) -> dict[str, float]:
    """Count the workers of each role, or those that are up, or those that have a task."""
    counts = dict.fromkeys(ROLES, 0.0)
    for worker in snapshot.workers:
        counts[worker.role] += (worker.up or not up) and (bool(worker.hash) or not busy)
    return counts


def _in_hand(snapshot: Snapshot, *, done: bool) -> dict[str, float]:
    """Add up the bytes of the tasks in hand by phase."""
    total = dict.fromkeys((phase.value for phase in Phase if phase is not Phase.NOTIFY), 0.0)
    for worker in snapshot.workers:
        if worker.phase in total:
            total[worker.phase] += worker.done if done else worker.total
    return total


READINGS = (
    _one("snapshot_timestamp_seconds", "When the supervisor last looked around: its heartbeat.", lambda s: s.at),
    _one("ready", "1: the journal can be written, rTorrent answers, the disks are the right ones.", lambda s: s.ready),
    _one("draining", "1: it was told to stop and brings running work to a safe point.", lambda s: s.draining),
    _one("journal_writable", "1: the last write to the journal succeeded.", lambda s: not s.journal_error),
    _one("journal_size_bytes", "Size of the journal on disk, with its write-ahead log.", lambda s: s.journal_bytes),
    _each(
        "jobs",
        "Jobs by state.",
        "state",
        lambda s: {state.value: s.jobs.get(state.value, 0) for state in State},
    ),
    _each(
        "oldest_job_timestamp_seconds",
        "Since when the job that has been in a state the longest is in it; 0: none is.",
        "state",
        lambda s: {state.value: s.oldest.get(state.value, 0.0) for state in State},
    ),
    _one("queue_jobs", "Jobs that want a copy worker and have none.", lambda s: s.queue_depth),
    _one(
        "copies_waiting_for_device",
        "Jobs that only WRITERS_PER_DEVICE keeps from a copy worker that is free.",
        lambda s: s.waiting_for_device,
    ),
    _each(
        "torrents_waiting",
        "Torrents that wait for room on an HDD, for an hour at which they may be copied (COPY_HOURS) or relocated "
        "(RELOCATION_HOURS), or for another day (HDD_DAILY_BUDGET).",
        "reason",
        lambda s: {wait: s.waiting_for.get(wait, 0) for wait in WAITS},
    ),
    _one("queue_oldest_timestamp_seconds", "Since when the oldest of them waits; 0: none.", lambda s: s.oldest_queued),
    _each(
        "step_waiting_since_timestamp_seconds",
        "Since when the torrent that waits longest for a step has waited: since its submission, its copy, or the last "
        "change of its switch; 0: none waits.",
        "step",
        lambda s: {step: s.waiting_since.get(step, 0.0) for step in ("copy", "notify", "relocate")},
    ),
    _one("spool_entries", "Submissions that are not in the journal yet.", lambda s: s.spool_depth),
    _each(
        "notices",
        "Services that have still to be told of a copy, by whether we try again or a person must act.",
        "state",
        lambda s: {state: s.notices.get(state, 0) for state in ("pending", "failed")},
    ),
    _each("workers", "Worker processes by role.", "role", _workers),
    _each("workers_up", "Worker processes that wait for tasks or work.", "role", lambda s: _workers(s, up=True)),
    _each("workers_busy", "Worker processes that have a task.", "role", lambda s: _workers(s, busy=True)),
    _each(
        "worker_heartbeat_timestamp_seconds",
        "When a worker was last heard: as it started, told of progress, or ended a task.",
        "worker",
        lambda s: {worker.name: worker.heard for worker in s.workers},
    ),
    _each("in_hand_bytes", "Size of the tasks in hand by phase.", "phase", lambda s: _in_hand(s, done=False)),
    _each(
        "in_hand_done_bytes",
        "How much of the tasks in hand is done, by phase.",
        "phase",
        lambda s: _in_hand(s, done=True),
    ),
    _disks(
        "disk_size_bytes",
        "Size of the file system of a configured root; 0: it cannot be measured.",
        lambda disk: disk.size,
    ),
    _disks(
        "disk_free_bytes",
        "Bytes the service may still write there.",
        lambda disk: disk.free,
    ),
    _disks(
        "disk_trusted",
        "1: the root is there, on the file system it was on when it was first used.",
        lambda disk: disk.trusted,
    ),
    _each(
        "space_mark_bytes",
        "Free bytes of the SSD below which torrents begin to leave it (low), up to which they go on (high), and below "
        "which soft protections yield (emergency; 0: never).",
        "mark",
        lambda s: {"low": s.low_mark, "high": s.high_mark, "emergency": s.emergency_mark},
    ),
    _one("space_low", "1: torrents leave the SSD, from the low mark to the high one.", lambda s: s.low_space),
    _each(
        "space_plan_torrents",
        "Torrents of the last plan for the SSD, by what is to be done: finish a switch, relocate, prove or copy first, "
        "or keep, for a reason that `seedcache space plan` tells.",
        "verdict",
        lambda s: {verdict: s.verdicts.get(verdict, 0) for verdict in (*map(str, Action), "kept")},
    ),
    _one("relocations_planned", "Torrents that are to leave the SSD now.", lambda s: s.relocations_planned),
    _one("torrents_held", "Unfinished torrents that are held until they fit on the SSD.", lambda s: len(s.held)),
    _one(
        "held_since_timestamp_seconds",
        "Since when the one that is held the longest is; 0: none is.",
        lambda s: min((held.since for held in s.held if held.since), default=0.0),
    ),
    _one(
        "held_bytes", "Bytes that the held ones may still write to the SSD.", lambda s: sum(h.to_come for h in s.held)
    ),
    _one("downloads_to_come_bytes", "Bytes that running downloads may still write to the SSD.", lambda s: s.to_come),
    _one(
        "at_risk_bytes",
        "Finished data that is on the SSD only, as far as the journal knows.",
        lambda s: s.bytes_at_risk,
    ),
    _one(
        "verification_enabled",
        "1: copies are read back from the device; 0: only before their SSD data is removed.",
        lambda s: s.read_back,
    ),
    _one(
        "late_proof_enabled",
        "1: copies are published first and read back later (PROOF); 0: read back first.",
        lambda s: s.late_proof,
    ),
    _one("unproven_copies", "Copies that are published and were not read back yet.", lambda s: s.unproven),
    _one("rtorrent_reachable", "1: rTorrent answered the last call.", lambda s: s.rtorrent.reachable),
    _one("rtorrent_changed_timestamp_seconds", "Since when it answers, or does not.", lambda s: s.rtorrent.since),
    _one(
        "rtorrent_back_off_seconds",
        "How long rTorrent is left alone before it is asked again; 0: it answers.",
        lambda s: s.rtorrent.back_off,
    ),
)
