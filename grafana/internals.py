"""The supervisor itself: its processes, its journal, what it costs."""

from grafana.panels import Board, Kind, Panel, Query

PANELS = (
    Panel(
        id=1,
        kind=Kind.LINES,
        title="Age of the heartbeat",
        text="Time since the supervisor's loop last went round; 10 s at most if all is well. When it is red, it hangs: "
        "`journalctl -u seedcache`, then `systemctl restart seedcache`. Nothing is lost.",
        unit="s",
        queries=(Query("instance:seedcache_heartbeat_age:seconds{@}", "{{instance}}"),),
        alerts=("SeedcacheHeartbeatOld",),
    ),
    Panel(
        id=2,
        kind=Kind.LINES,
        title="Starts in an hour",
        text="When it is orange, the supervisor ends and is started again: `journalctl -u seedcache` says why.",
        unit="short",
        queries=(Query("instance:seedcache_starts:changes1h{@}", "{{instance}}"),),
        alerts=("SeedcacheRestarting",),
    ),
    Panel(
        id=3,
        kind=Kind.LINES,
        title="Workers up",
        text="Workers by role that work or wait for tasks. When it is red, a role has none: `journalctl -u "
        "seedcache` says "
        "how they ended.",
        unit="short",
        queries=(Query("seedcache_workers_up{@}", "{{instance}} {{role}}"),),
        alerts=("SeedcacheWorkerMissing",),
    ),
    Panel(
        id=4,
        kind=Kind.LINES,
        title="Processes replaced in 15 minutes",
        text="When it is orange, processes of that role keep dying: look for the OOM killer in `journalctl -k`, and "
        "for a "
        "traceback in `journalctl -u seedcache`. Their jobs are done again.",
        unit="short",
        queries=(Query("instance_role:seedcache_worker_restarts:increase15m{@}", "{{instance}} {{role}}"),),
        alerts=("SeedcacheWorkerRestarting",),
    ),
    Panel(
        id=5,
        kind=Kind.STATES,
        title="The journal can be written",
        text="When it is red, the disk of STATE_DIR is full or read-only: `df` and `dmesg`. Submissions wait in the "
        "spool.",
        unit="none",
        queries=(Query("seedcache_journal_writable{@}", "{{instance}}"),),
        alerts=("SeedcacheJournalUnwritable",),
        words={0: "no", 1: "yes"},
    ),
    Panel(
        id=6,
        kind=Kind.LINES,
        title="90 % of the journal's writes within",
        text="Over 15 minutes. When it is orange, the disk of STATE_DIR is overloaded: put it on a quiet SSD.",
        unit="s",
        queries=(Query("instance:seedcache_journal_write_duration:p90_15m{@}", "{{instance}}"),),
        alerts=("SeedcacheJournalSlow",),
    ),
    Panel(
        id=7,
        kind=Kind.LINES,
        title="Writes to the journal",
        text="Transactions by the second, each synced to the disk; and those that failed.",
        unit="ops",
        queries=(
            Query("rate(seedcache_journal_write_duration_seconds_count{@}[$__rate_interval])", "{{instance}} all"),
            Query("rate(seedcache_journal_write_failures_total{@}[$__rate_interval])", "{{instance}} failed"),
        ),
    ),
    Panel(
        id=8,
        kind=Kind.LINES,
        title="Size of the journal",
        text="On disk, with its write-ahead log.",
        unit="bytes",
        queries=(Query("seedcache_journal_size_bytes{@}", "{{instance}}"),),
    ),
    Panel(
        id=9,
        kind=Kind.LINES,
        title="Workers by role",
        text="Worker processes, and those that have a task.",
        unit="short",
        queries=(
            Query("sum by (role) (seedcache_workers{@})", "{{role}}"),
            Query("sum by (role) (seedcache_workers_busy{@})", "{{role}} busy"),
        ),
    ),
    Panel(
        id=10,
        kind=Kind.LINES,
        title="Last word of a worker",
        text="Time since each worker started, told of progress or ended a task: long when there is nothing to do.",
        unit="s",
        queries=(Query("time() - seedcache_worker_heartbeat_timestamp_seconds{@}", "{{instance}} {{worker}}"),),
    ),
    Panel(
        id=11,
        kind=Kind.LINES,
        title="Memory",
        text="Resident memory of the supervisor and of each worker; and the supervisor's address space.",
        unit="bytes",
        queries=(
            Query("seedcache_process_resident_memory_bytes{@}", "{{instance}} supervisor"),
            Query("seedcache_worker_resident_memory_bytes{@}", "{{instance}} {{worker}}"),
            Query("seedcache_process_virtual_memory_bytes{@}", "{{instance}} supervisor, virtual"),
        ),
    ),
    Panel(
        id=12,
        kind=Kind.LINES,
        title="CPU",
        text="Share of one core, of the supervisor and of each worker. Near 0 when nothing is copied.",
        unit="percentunit",
        queries=(
            Query("rate(seedcache_process_cpu_seconds_total{@}[$__rate_interval])", "{{instance}} supervisor"),
            Query("rate(seedcache_worker_cpu_seconds_total{@}[$__rate_interval])", "{{instance}} {{worker}}"),
        ),
    ),
    Panel(
        id=13,
        kind=Kind.LINES,
        title="Open files of the supervisor",
        text="As a share of what the kernel allows it. It should stay where it is.",
        unit="percentunit",
        queries=(Query("seedcache_process_open_fds{@} / seedcache_process_max_fds{@}", "{{instance}}"),),
    ),
    Panel(
        id=14,
        kind=Kind.STATES,
        title="Draining",
        text="Whether the supervisor was told to stop and brings running work to a safe point.",
        unit="none",
        queries=(Query("seedcache_draining{@}", "{{instance}}"),),
        words={0: "no", 1: "yes"},
    ),
    Panel(
        id=15,
        kind=Kind.LINES,
        title="Time of a scrape",
        text="How long Prometheus waits for /metrics. Milliseconds are normal.",
        unit="s",
        queries=(Query("scrape_duration_seconds{@}", "{{instance}}"),),
    ),
)

BOARD = Board("seedcache-internals", "seedcache: Supervisor internals", "Processes, journal, costs.", PANELS)
