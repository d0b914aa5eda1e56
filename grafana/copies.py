"""From the hook to the proven copy: what waits, what is copied, what fails."""

from grafana.panels import Board, Kind, Panel, Query

_WAIT = {"kind": Kind.LINES, "unit": "s", "height": 7}

PANELS = (
    Panel(
        id=1,
        **_WAIT,
        title="Longest wait for a copy",
        text="Time since the oldest torrent without a copy was submitted. When it is orange, `seedcache explain HASH` "
        "says why that one waits: a failing disk, rTorrent away, or simply a long queue.",
        queries=(Query('instance_step:seedcache_step_wait:seconds{@, step="copy"}', "{{instance}}"),),
        alerts=("SeedcacheCopyStuck",),
    ),
    Panel(
        id=2,
        **_WAIT,
        title="Longest wait for a notification",
        text="Time since the oldest copy that somebody has still to be told of was published. When it is orange, look "
        "at rTorrent and notifications: the service is away, or refuses.",
        queries=(Query('instance_step:seedcache_step_wait:seconds{@, step="notify"}', "{{instance}}"),),
        alerts=("SeedcacheNotificationStuck",),
    ),
    Panel(
        id=3,
        **_WAIT,
        title="Longest wait for a switch",
        text="Time since the last change of the oldest torrent that is being relocated. When it is orange, rTorrent is "
        "busy with it or away: `seedcache explain HASH`.",
        queries=(Query('instance_step:seedcache_step_wait:seconds{@, step="relocate"}', "{{instance}}"),),
        alerts=("SeedcacheRelocationStuck",),
    ),
    Panel(
        id=4,
        kind=Kind.LINES,
        title="Submissions in the spool",
        text="Submissions that are not in the journal yet, for milliseconds if all is well. When it is orange, the "
        "supervisor is stuck, or the journal cannot be written: `journalctl -u seedcache`.",
        unit="short",
        queries=(Query("seedcache_spool_entries{@}", "{{instance}}"),),
        alerts=("SeedcacheSpoolNotRead",),
    ),
    Panel(
        id=5,
        kind=Kind.LINES,
        title="Failed attempts in 30 minutes",
        text="By step. When it is orange, `seedcache queue list` has the reason beside each torrent. Attempts are made "
        "again by themselves, COPY_RETRY_ATTEMPTS times.",
        unit="short",
        queries=(
            Query(
                'instance_step:seedcache_step_failures:increase30m{@, step=~"locate|copy|prove"}',
                "{{instance}} {{step}}",
            ),
        ),
        alerts=("SeedcacheCopyFailing",),
    ),
    Panel(
        id=6,
        kind=Kind.STAT,
        title="Proofs that found wrong bytes, 1 hour",
        text="When it is red, a disk, the memory or a cable damages data: nothing was removed. Run the disk's self "
        "test "
        "and a memory test before you trust this host again.",
        unit="short",
        width=4,
        queries=(Query("max(instance:seedcache_proof_failures:increase1h{@})", "wrong"),),
        alerts=("SeedcacheProofFailed",),
    ),
    Panel(
        id=7,
        kind=Kind.STAT,
        title="Copies are read back",
        text="Whether VERIFICATION_ENABLED is on everywhere. When it is blue, copies count as done before they are "
        "read "
        "back from the disk.",
        unit="none",
        width=4,
        queries=(Query("min(seedcache_verification_enabled{@})", "read back"),),
        alerts=("SeedcacheVerificationOff",),
        words={0: "no", 1: "yes"},
    ),
    Panel(
        id=8,
        kind=Kind.LINES,
        title="Throughput",
        text="Bytes of finished copies, and bytes that an interrupted attempt had left and that needed no second copy.",
        unit="binBps",
        queries=(
            Query("rate(seedcache_copied_bytes_total{@}[$__rate_interval])", "{{instance}} copied"),
            Query("rate(seedcache_resumed_bytes_total{@}[$__rate_interval])", "{{instance}} resumed"),
        ),
    ),
    Panel(
        id=9,
        kind=Kind.LINES,
        title="In hand",
        text="Size of the torrents that workers have in hand, and how much of it is done.",
        unit="bytes",
        queries=(
            Query("sum by (phase) (seedcache_in_hand_bytes{@})", "{{phase}} in all"),
            Query("sum by (phase) (seedcache_in_hand_done_bytes{@})", "{{phase}} done"),
        ),
    ),
    Panel(
        id=10,
        kind=Kind.LINES,
        title="Queue",
        text="Jobs that want a copy worker and have none, and how long the first of them has waited in the queue.",
        unit="short",
        queries=(
            Query("seedcache_queue_jobs{@}", "{{instance}} jobs"),
            Query(
                "(time() - seedcache_queue_oldest_timestamp_seconds{@}) / 60 "
                "* (seedcache_queue_oldest_timestamp_seconds{@} > bool 0)",
                "{{instance}} minutes",
            ),
        ),
    ),
    Panel(
        id=11,
        kind=Kind.LINES,
        title="Time to copy a torrent",
        text="Median and 95th percentile of reading, hashing, writing and syncing one torrent.",
        unit="s",
        queries=(
            Query(
                "histogram_quantile(0.5, sum by (le) "
                "(rate(seedcache_copy_duration_seconds_bucket{@}[$__rate_interval])))",
                "median",
            ),
            Query(
                "histogram_quantile(0.95, sum by (le) "
                "(rate(seedcache_copy_duration_seconds_bucket{@}[$__rate_interval])))",
                "95 %",
            ),
        ),
    ),
    Panel(
        id=12,
        kind=Kind.LINES,
        title="Time to prove a copy",
        text="Median and 95th percentile of reading one HDD copy back from the device.",
        unit="s",
        queries=(
            Query(
                "histogram_quantile(0.5, sum by (le) "
                "(rate(seedcache_proof_duration_seconds_bucket{@}[$__rate_interval])))",
                "median",
            ),
            Query(
                "histogram_quantile(0.95, sum by (le) "
                "(rate(seedcache_proof_duration_seconds_bucket{@}[$__rate_interval])))",
                "95 %",
            ),
        ),
    ),
    Panel(
        id=13,
        kind=Kind.LINES,
        title="Attempts and what became of them",
        text="Attempts by step, those that will be made again by themselves, and those after which a person must act.",
        unit="short",
        queries=(
            Query("sum by (step) (increase(seedcache_step_attempts_total{@}[$__rate_interval]))", "{{step}} begun"),
            Query("sum by (step) (increase(seedcache_step_retries_total{@}[$__rate_interval]))", "{{step}} again"),
            Query("sum by (step) (increase(seedcache_step_given_up_total{@}[$__rate_interval]))", "{{step}} given up"),
            Query("sum(increase(seedcache_foreign_targets_total{@}[$__rate_interval]))", "a foreign file in the way"),
        ),
    ),
    Panel(
        id=14,
        kind=Kind.LINES,
        title="Copies by proof",
        text="Copies that were published, by how they were proven; those that stood there before us; proofs in all.",
        unit="short",
        queries=(
            Query("sum by (proof) (increase(seedcache_copies_total{@}[$__rate_interval]))", "{{proof}}"),
            Query("sum(increase(seedcache_adopted_copies_total{@}[$__rate_interval]))", "adopted"),
            Query("sum(increase(seedcache_proof_attempts_total{@}[$__rate_interval]))", "proofs"),
        ),
    ),
    Panel(
        id=15,
        kind=Kind.LINES,
        title="Submissions",
        text="What hooks and people submitted. Joined: the torrent was in work already.",
        unit="short",
        queries=(
            Query(
                "sum by (event, outcome) (increase(seedcache_submissions_total{@}[$__rate_interval]))",
                "{{event}} {{outcome}}",
            ),
        ),
    ),
    Panel(
        id=19,
        kind=Kind.LINES,
        title="Held back on purpose",
        text="Seconds in each second that copies waited for COPY_RATE_LIMIT or because the disks were under pressure, "
        "and how many torrents wait only because their disk has WRITERS_PER_DEVICE copies already. If the queue grows, "
        "these are the settings to look at.",
        unit="short",
        queries=(
            Query("sum by (reason) (rate(seedcache_copy_held_back_seconds_total{@}[$__rate_interval]))", "{{reason}}"),
            Query("seedcache_copies_waiting_for_device{@}", "{{instance}} waiting for the device"),
        ),
    ),
    Panel(
        id=18,
        kind=Kind.LINES,
        title="Copies not read back yet",
        text="Published copies that were proven only as they were read from the SSD, and whether PROOF wants it so. "
        "They "
        "are read back when no copy waits, and in any case before their SSD data is removed.",
        unit="short",
        queries=(
            Query("seedcache_unproven_copies{@}", "{{instance}}"),
            Query("seedcache_late_proof_enabled{@}", "{{instance}} PROOF is before-removal"),
        ),
    ),
    Panel(
        id=16,
        kind=Kind.BARS,
        title="Longest in a state",
        text="For how long the job that has been in each state the longest is in it; 0: no job is. Long is normal for "
        "cached; anything else should move.",
        unit="dtdurations",
        width=12,
        queries=(
            Query(
                "max by (state) ((time() - seedcache_oldest_job_timestamp_seconds{@}) "
                "* (seedcache_oldest_job_timestamp_seconds{@} > bool 0))",
                "{{state}}",
            ),
        ),
    ),
    Panel(
        id=17,
        kind=Kind.BARS,
        title="Last success",
        text="Time since a step last ended well; 0: not since the start. It is long on a quiet host.",
        unit="dtdurations",
        width=12,
        queries=(
            Query(
                "min by (step) ((time() - seedcache_last_success_timestamp_seconds{@}) "
                "* (seedcache_last_success_timestamp_seconds{@} > bool 0))",
                "{{step}}",
            ),
        ),
    ),
)

BOARD = Board("seedcache-copies", "seedcache: Copies and queue", "What waits, what is copied, what fails.", PANELS)
