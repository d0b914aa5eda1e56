"""Is everything all right? One screen, for one host or a fleet."""

from grafana.panels import Board, Column, Kind, Panel, Query

_STAT = {"kind": Kind.STAT, "width": 3, "height": 4}
_YES_NO = {0: "no", 1: "yes"}

PANELS = (
    Panel(
        id=1,
        **_STAT,
        title="Firing alerts",
        text="Alerts of these hosts that fire, warnings and worse. When it is not 0, open the alert list: each alert "
        "names its runbook. The alert SeedcacheWatchdog, which always fires, is not counted.",
        unit="short",
        queries=(Query('count(ALERTS{@, alertstate="firing", severity=~"warning|critical"}) or vector(0)', "firing"),),
        alerts=("SeedcacheWatchdog",),
        warn_at=1,
    ),
    Panel(
        id=2,
        **_STAT,
        title="Ready",
        text="Whether every host can deal with torrents. When it is red, open /-/ready of the host: it says whether "
        "the "
        "journal, rTorrent or a disk is the reason.",
        unit="none",
        queries=(Query("min(seedcache_ready{@})", "ready"),),
        alerts=("SeedcacheNotReady",),
        words={0: "not ready", 1: "ready"},
    ),
    Panel(
        id=3,
        **_STAT,
        title="On the SSD only",
        text="Finished data that has no proven copy yet: what would be lost with the SSD. It rises with each download "
        "and falls with each copy; if it only rises, look at the longest wait.",
        unit="bytes",
        queries=(Query("sum(seedcache_at_risk_bytes{@})", "at risk"),),
    ),
    Panel(
        id=4,
        **_STAT,
        title="Longest wait for a copy",
        text="For how long the oldest finished torrent without a copy has waited. When it is orange, `seedcache "
        "status` "
        "on the host shows what the copy workers do, `seedcache explain HASH` why one waits.",
        unit="dtdurations",
        queries=(Query('max(instance_step:seedcache_step_wait:seconds{@, step="copy"})', "wait"),),
        alerts=("SeedcacheCopyStuck",),
    ),
    Panel(
        id=5,
        **_STAT,
        title="Given up",
        text="Torrents that need a person. When it is not 0, `seedcache queue list` names them with the reason, and "
        "`seedcache queue retry HASH` tries again.",
        unit="short",
        queries=(Query('sum(seedcache_jobs{@, state="failed"})', "failed"),),
        alerts=("SeedcacheTorrentFailed",),
    ),
    Panel(
        id=6,
        **_STAT,
        title="Least free on an SSD",
        text="The share of the SSD that is free, on the host that has least. When it is red or orange, look at Space "
        "and "
        "policy: what keeps torrents from leaving.",
        unit="percentunit",
        queries=(Query('min(instance_disk:seedcache_disk_free:ratio{@, disk="ssd"})', "free"),),
        alerts=("SeedcacheSsdFillingUp", "SeedcacheSsdFillingUpFast", "SeedcacheSsdCritical"),
    ),
    Panel(
        id=7,
        **_STAT,
        title="Least free on an HDD",
        text="The share of the HDD that is free, on the host that has least. When it is red or orange, remove data "
        "or add "
        "a disk: seedcache never removes anything from the HDD.",
        unit="percentunit",
        queries=(Query('min(instance_disk:seedcache_disk_free:ratio{@, disk="hdd"})', "free"),),
        alerts=("SeedcacheHddFillingUp", "SeedcacheHddReserveReached"),
    ),
    Panel(
        id=8,
        **_STAT,
        title="Not told",
        text="Copies that a service has refused to hear of. When it is not 0, `seedcache explain HASH` has the "
        "service's answer; a wrong key or path is the usual reason.",
        unit="short",
        queries=(Query('sum(seedcache_notices{@, state="failed"})', "refused"),),
        alerts=("SeedcacheNotificationRefused",),
    ),
    Panel(
        id=9,
        kind=Kind.TABLE,
        title="Fleet",
        text="One row for each host. When Up or Ready is red, start with that host: `systemctl status seedcache` and "
        "`seedcache check` there.",
        unit="none",
        width=24,
        height=7,
        queries=(
            Query("max by (job, instance) (up{@})"),
            Query("max by (job, instance) (seedcache_ready{@})"),
            Query("max by (job, instance) (seedcache_rtorrent_reachable{@})"),
            Query('sum by (job, instance) (seedcache_jobs{@, state=~"submitted|copying|waiting"})'),
            Query('max by (job, instance) (seedcache_jobs{@, state="failed"})'),
            Query("max by (job, instance) (seedcache_at_risk_bytes{@})"),
            Query('max by (job, instance) (instance_disk:seedcache_disk_free:ratio{@, disk="ssd"})'),
            Query('max by (job, instance) (instance_disk:seedcache_disk_free:ratio{@, disk="hdd"})'),
            Query('max by (job, instance) (instance_step:seedcache_step_wait:seconds{@, step="copy"})'),
            Query("time() - max by (job, instance) (seedcache_process_start_time_seconds{@})"),
            Query("max by (job, instance, version, python_version) (seedcache_build_info{@})"),
        ),
        columns=(
            Column("Up", alert="SeedcacheTargetDown", words=_YES_NO),
            Column("Ready", alert="SeedcacheNotReady", words=_YES_NO),
            Column("rTorrent", alert="SeedcacheRtorrentUnreachable", words=_YES_NO),
            Column("In work", "short"),
            Column("Given up", "short", alert="SeedcacheTorrentFailed"),
            Column("On the SSD only", "bytes"),
            Column("SSD free", "percentunit", alert="SeedcacheSsdCritical"),
            Column("HDD free", "percentunit", alert="SeedcacheHddReserveReached"),
            Column("Longest wait", "dtdurations", alert="SeedcacheCopyStuck"),
            Column("Running for", "dtdurations"),
            Column(""),
        ),
        labels={"instance": "Host", "version": "Version", "python_version": "Python"},
        alerts=("SeedcacheAbsent", "SeedcacheTargetDown"),
    ),
    Panel(
        id=10,
        kind=Kind.LINES,
        title="Copied and freed",
        text="Bytes of finished copies, and bytes removed from SSDs. Both are counted when a torrent is done.",
        unit="binBps",
        queries=(
            Query("sum by (instance) (rate(seedcache_copied_bytes_total{@}[$__rate_interval]))", "{{instance}} copied"),
            Query("sum by (instance) (rate(seedcache_removed_bytes_total{@}[$__rate_interval]))", "{{instance}} freed"),
        ),
    ),
    Panel(
        id=11,
        kind=Kind.LINES,
        title="Jobs by state",
        text="How many torrents are in each state. Healthy: cached and relocated grow, the others come and go.",
        unit="short",
        queries=(Query("sum by (state) (seedcache_jobs{@})", "{{state}}"),),
    ),
    Panel(
        id=12,
        kind=Kind.LINES,
        title="Free on the SSD",
        text="Bytes that may still be written to each SSD. Healthy: it falls with downloads and is raised in time.",
        unit="bytes",
        queries=(Query('seedcache_disk_free_bytes{@, disk="ssd"}', "{{instance}}"),),
    ),
)

BOARD = Board("seedcache-overview", "seedcache: Overview", "Is everything all right, for one host or a fleet?", PANELS)
