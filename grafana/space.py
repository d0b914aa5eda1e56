"""The two disks: how full they are, what leaves the SSD, and what keeps it there."""

from grafana.panels import Board, Kind, Panel, Query

PANELS = (
    Panel(
        id=1,
        kind=Kind.LINES,
        title="Free share of the SSD",
        text="When it is orange or red, look at the plan: `seedcache space plan` on the host lists what would leave "
        "and "
        "why the rest stays. The alerts also ask whether it goes on falling.",
        unit="percentunit",
        queries=(Query('instance_disk:seedcache_disk_free:ratio{@, disk="ssd"}', "{{instance}}"),),
        alerts=("SeedcacheSsdFillingUp", "SeedcacheSsdFillingUpFast", "SeedcacheSsdCritical"),
    ),
    Panel(
        id=2,
        kind=Kind.LINES,
        title="Free share of the HDD",
        text="When it is orange or red, remove data or add a disk; seedcache never removes anything from the HDD. "
        "Once it is full, copies wait and the SSD fills up.",
        unit="percentunit",
        queries=(Query('instance_disk:seedcache_disk_free:ratio{@, disk="hdd"}', "{{instance}}"),),
        alerts=("SeedcacheHddFillingUp", "SeedcacheHddReserveReached"),
    ),
    Panel(
        id=3,
        kind=Kind.STATES,
        title="Disks are the right ones",
        text="When it is red, a disk is not mounted, or another one is: `findmnt`, then `seedcache check`. If the "
        "new one "
        "is right, `seedcache check` says how to trust it.",
        unit="none",
        queries=(Query("seedcache_disk_trusted{@}", "{{instance}} {{disk}} {{path}}"),),
        alerts=("SeedcacheDiskMissingOrChanged",),
        words={0: "missing or changed", 1: "right"},
    ),
    Panel(
        id=4,
        kind=Kind.STATES,
        title="The SSD is low",
        text="Whether less is free than SPACE_LOW, until SPACE_HIGH is reached. When it stays orange and nothing "
        "leaves, `seedcache space plan` says why.",
        unit="none",
        queries=(Query("seedcache_space_low{@}", "{{instance}}"),),
        alerts=("SeedcacheSpaceNotRelieved",),
        words={0: "enough", 1: "low"},
    ),
    Panel(
        id=5,
        kind=Kind.LINES,
        title="Free on the SSD, and the marks",
        text="Torrents leave the SSD from below the low mark until the high one; below the emergency mark also those "
        "that soft protections keep.",
        unit="bytes",
        queries=(
            Query('seedcache_disk_free_bytes{@, disk="ssd"}', "{{instance}} free"),
            Query("seedcache_space_mark_bytes{@} > 0", "{{instance}} {{mark}} mark"),
            Query('seedcache_disk_size_bytes{@, disk="ssd"}', "{{instance}} size"),
        ),
    ),
    Panel(
        id=6,
        kind=Kind.LINES,
        title="Time until the SSD is full",
        text="At the pace of the last hour; 30 days at most. Short is normal during a download, if torrents leave in "
        "time.",
        unit="dtdurations",
        queries=(Query("instance:seedcache_ssd_time_to_full:seconds{@}", "{{instance}}"),),
    ),
    Panel(
        id=7,
        kind=Kind.LINES,
        title="Free on the HDD",
        text="Bytes that may still be written to each HDD.",
        unit="bytes",
        queries=(
            Query('seedcache_disk_free_bytes{@, disk="hdd"}', "{{instance}} {{path}} free"),
            Query('seedcache_disk_size_bytes{@, disk="hdd"}', "{{instance}} {{path}} size"),
        ),
    ),
    Panel(
        id=8,
        kind=Kind.LINES,
        title="On the SSD only",
        text="Finished data without a proven copy. It falls with every copy.",
        unit="bytes",
        queries=(Query("seedcache_at_risk_bytes{@}", "{{instance}}"),),
    ),
    Panel(
        id=9,
        kind=Kind.LINES,
        title="Torrents relocated in an hour",
        text="Torrents that seed from the HDD now, their SSD data removed.",
        unit="short",
        queries=(Query("instance:seedcache_relocations:increase1h{@}", "{{instance}}"),),
    ),
    Panel(
        id=10,
        kind=Kind.LINES,
        title="Freed on the SSD",
        text="Bytes removed from the SSD after a switch, by the second.",
        unit="binBps",
        queries=(Query("rate(seedcache_removed_bytes_total{@}[$__rate_interval])", "{{instance}}"),),
    ),
    Panel(
        id=11,
        kind=Kind.BARS,
        title="Verdicts of the last plan",
        text="What the last look over the SSD decided, as numbers of torrents; empty until the SSD was low once. "
        "`seedcache space plan` gives the names and the reasons.",
        unit="short",
        queries=(Query("sum by (verdict) (seedcache_space_plan_torrents{@})", "{{verdict}}"),),
    ),
    Panel(
        id=12,
        kind=Kind.LINES,
        title="Relocations still planned",
        text="Torrents that are to leave the SSD in the pass at hand.",
        unit="short",
        queries=(Query("seedcache_relocations_planned{@}", "{{instance}}"),),
    ),
    Panel(
        id=13,
        kind=Kind.LINES,
        title="Torrents that wait for a disk or an hour",
        text="Torrents that wait for room on an HDD, for COPY_HOURS or RELOCATION_HOURS, or for tomorrow's "
        "HDD_DAILY_BUDGET. When it is orange, look at those that wait for room: remove data or add a disk.",
        unit="short",
        queries=(Query("seedcache_torrents_waiting{@}", "{{instance}} {{reason}}"),),
        alerts=("SeedcacheHddLacksRoom",),
    ),
    Panel(
        id=14,
        kind=Kind.LINES,
        title="What disagrees",
        text="What the last sweep of rTorrent, journal and disks left open. `seedcache reconcile` on the host "
        "names each and says what to do.",
        unit="short",
        queries=(Query("seedcache_reconcile_findings{@}", "{{instance}} {{kind}}"),),
    ),
    Panel(
        id=15,
        kind=Kind.LINES,
        title="Data that no torrent uses",
        text="On the SSD (stray), and copies whose torrents were erased. `seedcache trash` puts it aside.",
        unit="bytes",
        queries=(Query("seedcache_reconcile_bytes{@}", "{{instance}} {{kind}}"),),
    ),
    Panel(
        id=20,
        kind=Kind.LINES,
        title="What should have been mended",
        text="Torrents that no hook told of and partial copies, where the last sweep could not hand them in, or remove "
        "them. When it stays orange, `seedcache reconcile --fix` on the host says why.",
        unit="short",
        queries=(Query('seedcache_reconcile_findings{@, kind=~"missed|partial"}', "{{instance}} {{kind}}"),),
        alerts=("SeedcacheFindingStays",),
    ),
    Panel(
        id=16,
        kind=Kind.LINES,
        title="Since the last sweep",
        text="Time since rTorrent, journal and disks were compared; 0: not since the start. RECONCILE_INTERVAL says "
        "how often they are; the log says why one failed.",
        unit="s",
        queries=(
            Query(
                "(time() - seedcache_last_reconcile_timestamp_seconds{@}) "
                "* (seedcache_last_reconcile_timestamp_seconds{@} > bool 0)",
                "{{instance}}",
            ),
        ),
    ),
    Panel(
        id=17,
        kind=Kind.LINES,
        title="Downloads, and the room for them",
        text="What running downloads and those that are held have still to write to the SSD. When it stays not 0 for "
        "the held ones, nothing makes room: `seedcache status` says for each what it waits for.",
        unit="bytes",
        queries=(
            Query("seedcache_downloads_to_come_bytes{@}", "{{instance}} running"),
            Query("seedcache_held_bytes{@}", "{{instance}} held"),
            Query('seedcache_disk_free_bytes{@, disk="ssd"}', "{{instance}} free"),
        ),
        alerts=("SeedcacheTorrentsHeld",),
    ),
    Panel(
        id=18,
        kind=Kind.LINES,
        title="Torrents held",
        text="Unfinished torrents that wait until they fit on the SSD. When it stays orange, `seedcache status` says "
        "for each what it waits for.",
        unit="short",
        queries=(Query("seedcache_torrents_held{@}", "{{instance}}"),),
        alerts=("SeedcacheTorrentsHeld",),
    ),
    Panel(
        id=19,
        kind=Kind.BARS,
        title="Admissions",
        text="Downloads held and released, by the hour, sent to the HDD, and revived after rTorrent had closed them "
        "for low disk space. Many revived: ADMISSION_RESERVE is too small.",
        unit="short",
        queries=(
            Query("sum by (change) (rate(seedcache_admissions_total{@}[$__rate_interval])) * 3600", "{{change}}"),
        ),
    ),
)

BOARD = Board("seedcache-space", "seedcache: Space and policy", "What leaves the SSD, and what stays.", PANELS)
