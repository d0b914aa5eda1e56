"""rTorrent, and the services that are told of copies."""

from grafana.panels import Board, Kind, Panel, Query

PANELS = (
    Panel(
        id=1,
        kind=Kind.STATES,
        title="rTorrent answers",
        text="When it is red, rTorrent is down or hangs: `systemctl status rtorrent`. Copies that were begun go on; "
        "nothing is switched.",
        unit="none",
        queries=(Query("seedcache_rtorrent_reachable{@}", "{{instance}}"),),
        alerts=("SeedcacheRtorrentUnreachable",),
        words={0: "no", 1: "yes"},
    ),
    Panel(
        id=2,
        kind=Kind.LINES,
        title="90 % of rTorrent's answers within",
        text="Over 15 minutes. When it is orange, rTorrent is hashing, or its disk is: seedcache backs off by itself.",
        unit="s",
        queries=(Query("instance:seedcache_rtorrent_call_duration:p90_15m{@}", "{{instance}}"),),
        alerts=("SeedcacheRtorrentSlow",),
    ),
    Panel(
        id=3,
        kind=Kind.LINES,
        title="Calls to rTorrent",
        text="Calls by the second, and those without a usable answer.",
        unit="reqps",
        queries=(
            Query("rate(seedcache_rtorrent_call_duration_seconds_count{@}[$__rate_interval])", "{{instance}} all"),
            Query("rate(seedcache_rtorrent_call_failures_total{@}[$__rate_interval])", "{{instance}} failed"),
        ),
    ),
    Panel(
        id=4,
        kind=Kind.LINES,
        title="Back-off from rTorrent",
        text="For how long rTorrent is left alone before the next call, 60 s at most; 0: it answers.",
        unit="s",
        queries=(Query("seedcache_rtorrent_back_off_seconds{@}", "{{instance}}"),),
    ),
    Panel(
        id=5,
        kind=Kind.STAT,
        title="Last change of rTorrent",
        text="How long rTorrent has answered, or not answered.",
        unit="dtdurations",
        queries=(Query("time() - seedcache_rtorrent_changed_timestamp_seconds{@}", "{{instance}}"),),
    ),
    Panel(
        id=6,
        kind=Kind.LINES,
        title="Outage of a switch",
        text="For how long torrents were closed in rTorrent while they were switched: median and worst of 100. "
        "Milliseconds are normal.",
        unit="s",
        queries=(
            Query(
                "histogram_quantile(0.5, sum by (le) "
                "(rate(seedcache_switch_outage_seconds_bucket{@}[$__rate_interval])))",
                "median",
            ),
            Query(
                "histogram_quantile(0.99, sum by (le) "
                "(rate(seedcache_switch_outage_seconds_bucket{@}[$__rate_interval])))",
                "99 %",
            ),
        ),
    ),
    Panel(
        id=7,
        kind=Kind.LINES,
        title="Switches rolled back in an hour",
        text="When it is orange, rTorrent could not seed from the HDD copy and was pointed back at the SSD; nothing "
        "was "
        "removed. `seedcache explain HASH` has the reason.",
        unit="short",
        queries=(Query("instance:seedcache_rollbacks:increase1h{@}", "{{instance}}"),),
        alerts=("SeedcacheSwitchRolledBack",),
    ),
    Panel(
        id=8,
        kind=Kind.LINES,
        title="Finished torrents that no hook told of, 1 day",
        text="When it is orange, rTorrent's hook does not run: `seedcache check`, and `seedcache hook print` for the "
        "line "
        "that belongs into rtorrent.rc.",
        unit="short",
        queries=(Query("instance:seedcache_unannounced_torrents:increase1d{@}", "{{instance}}"),),
        alerts=("SeedcacheHookSilent",),
    ),
    Panel(
        id=9,
        kind=Kind.LINES,
        title="Failed notifications in an hour",
        text="By service. When it is orange, the service is away or refuses: `seedcache check` asks it and says which.",
        unit="short",
        queries=(Query("instance_service:seedcache_notification_failures:increase1h{@}", "{{instance}} {{service}}"),),
        alerts=("SeedcacheNotificationFailing",),
    ),
    Panel(
        id=10,
        kind=Kind.LINES,
        title="Notifications that a person must mend",
        text="When it is orange, the service refuses: a wrong key, or a path it does not know. `seedcache explain "
        "HASH` "
        "has its answer; it is tried again every hour, or at once with `seedcache queue retry HASH`.",
        unit="short",
        queries=(Query('seedcache_notices{@, state="failed"}', "{{instance}}"),),
        alerts=("SeedcacheNotificationRefused",),
    ),
    Panel(
        id=11,
        kind=Kind.LINES,
        title="Notifications",
        text="Attempts to tell a service, by what came of them.",
        unit="short",
        queries=(
            Query(
                "sum by (service, outcome) (increase(seedcache_notifications_total{@}[$__rate_interval]))",
                "{{service}} {{outcome}}",
            ),
        ),
    ),
    Panel(
        id=12,
        kind=Kind.LINES,
        title="Still to be told",
        text="Services that have still to be told of a copy, and will be tried again by themselves.",
        unit="short",
        queries=(Query('seedcache_notices{@, state="pending"}', "{{instance}}"),),
    ),
)

BOARD = Board(
    "seedcache-services", "seedcache: rTorrent and notifications", "What seedcache talks to, and how that goes.", PANELS
)
