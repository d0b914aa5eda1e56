"""The settings: what they may be, and what is in force. Where they come from is `sources`' affair.

The fields of `Settings` are the table of all settings: the checks, `config show` and `docs/settings.md` come from it.
"""

import os
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from supervisor import measures
from supervisor.configuration import contradictions, forms, policy_forms, secret_forms, sources
from supervisor.configuration.forms import Form, hide_password
from supervisor.dispatch.destinations import CHOICES
from supervisor.errors import ConfigurationError
from supervisor.measures import GIB, Marks
from supervisor.policies import table
from supervisor.policies.base import Rules

DEFAULT_FILE = "/etc/seedcache/settings.toml"
HIDDEN = "********"

# Names that are also read from the environment without the prefix: those that the ancestor documents.
BARE = frozenset(
    {"download_path_ssd", "final_dest_base_hdd", "scgi_url", "max_concurrent_processes", "disk_space_threshold_gb"}
    | {"copy_retry_attempts", "verification_enabled", "notify_arr_enabled", "log_level", "log_file", "lock_dir"}
    | {"sonarr_url", "sonarr_api_key", "sonarr_tag", "radarr_url", "radarr_api_key", "radarr_tag"}
)


@dataclass(frozen=True, slots=True)
class Spec:
    """What a setting may be and what it means."""

    form: Form
    help: str
    secret: bool


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting in force: for `config show`."""

    name: str
    value: str  # a secret is hidden
    source: str


def _setting(form: Form, text: str, default: Any = MISSING, *, secret: bool = False) -> Any:  # noqa: ANN401  # as field
    return field(default=default, metadata={"spec": Spec(form, text, secret)})


_ARR = forms.address("http", "https", optional=True)
_MESSENGER = secret_forms.secret_address("http", "https")
_EVENTS = forms.words("failed", "proof-failed", "held", "released", "copied", "relocated", "cancelled", "gone")
_TOLD = ("failed", "proof-failed", "held", "relocated")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Settings:
    """All settings, checked. Made by `load`; a test may make one by hand."""

    download_path_ssd: str = _setting(
        forms.path(real=True),
        "The directory on the SSD that rTorrent downloads into; only below it is data removed.",
    )
    final_dest_base_hdd: tuple[str, ...] = _setting(
        forms.paths(), "The directory on the HDD that holds the copies, or a list of them, one on each HDD."
    )
    destination_template: str = _setting(
        forms.template(),
        "The directories below it that a copy goes into, of {label}, {tracker}, {year} and {month} (of finishing), "
        "and any text.",
        "{label}",
    )
    destinations: tuple[tuple[str, str], ...] = _setting(
        forms.destinations(), "The same for some labels. One that begins with / names the HDD, too.", ()
    )
    destination_choice: str = _setting(
        forms.one_of(*CHOICES),
        "Which of several HDDs gets a copy, among those that have room for it: the one with the most, the first, or "
        "the one that has its label's directory.",
        "most-free",
    )
    destination_reserve: str = _setting(policy_forms.amount(), "What stays free on each HDD, besides copies.", "0")
    hdd_daily_budget: str = _setting(policy_forms.amount(), "The most copied to each HDD in a day. 0: no limit.", "0")
    copy_hours: tuple[str, ...] = _setting(forms.windows(), "Copies are begun only then. Empty: at any time.", ())
    relocation_hours: tuple[str, ...] = _setting(forms.windows(), "Torrents leave only then. Empty: at any time.", ())
    time_zone: str = _setting(
        forms.time_zone(), "The time zone of days and hours in settings, like Europe/Berlin. Empty: the host's.", ""
    )
    scgi_url: str = _setting(forms.address("scgi", "http", "https", socket=True), "Where rTorrent answers.")
    max_concurrent_processes: int = _setting(forms.whole(1), "Copy workers.", 2)
    writers_per_device: int = _setting(forms.whole(1), "Copies that may write to one destination device at a time.", 1)
    disk_space_threshold_gb: float = _setting(
        forms.number(0), "Both SPACE_LOW and SPACE_HIGH, in GiB (1024^3 bytes), where these are not set.", 100.0
    )
    space_low: str = _setting(
        policy_forms.amount(optional=True),
        "With less than this free on the SSD, torrents begin to leave it. Empty: DISK_SPACE_THRESHOLD_GB.",
        "",
    )
    space_high: str = _setting(
        policy_forms.amount(optional=True), "They go on leaving until so much is free. Empty: SPACE_LOW.", ""
    )
    space_emergency: str = _setting(
        policy_forms.amount(),
        "With less than this free, protections yield: peers being served, POLICY_IMPORT_HOLD, POLICY_MIN_RATIO, "
        "POLICY_MIN_SEED_TIME, in this order; labels and trackers that are kept never do. 0: none yields.",
        "0",
    )
    policy_order: tuple[str, ...] = _setting(
        policy_forms.order(*table.KEYS),
        "What leaves first: least earned of late for its size (idle), oldest finished (age), lowest ratio, largest "
        "(size), most other seeders. What the first leaves open, the next decides.",
        ("idle", "age"),
    )
    policy_half_life: str = _setting(
        policy_forms.duration(), "After so long an upload counts half as much for `idle`.", "3 days"
    )
    policy_keep_labels: tuple[str, ...] = _setting(policy_forms.texts(), "Labels whose torrents stay on the SSD.", ())
    policy_keep_trackers: tuple[str, ...] = _setting(
        policy_forms.texts(), "Hosts of trackers, subdomains included, whose torrents stay on the SSD.", ()
    )
    policy_min_seed_time: str = _setting(policy_forms.duration(), "Torrents seed from the SSD at least so long.", "0")
    policy_min_ratio: float = _setting(forms.number(0), "Torrents stay on the SSD until they have this ratio.", 0.0)
    policy_import_hold: str = _setting(
        policy_forms.duration(),
        "Torrents stay until Sonarr or Radarr has confirmed the import, at most so long after they finished.",
        "0",
    )
    policy_patience: str = _setting(
        policy_forms.duration(),
        "While peers are being served, a torrent waits at most so long for a quiet moment.",
        "10 min",
    )
    policy_leave_labels: tuple[str, ...] = _setting(
        policy_forms.texts(), "Labels whose torrents leave the SSD as soon as they are copied.", ()
    )
    policy_max_stay: str = _setting(
        policy_forms.duration(), "Torrents leave so long after they finished, low space or not. 0: they need not.", "0"
    )
    space_check_interval: float = _setting(forms.number(1), "Seconds between two looks at the free space.", 30.0)
    admission: bool = _setting(
        forms.switch(), "Hold torrents that are being downloaded and do not fit on the SSD until they do.", True
    )
    admission_reserve: float = _setting(
        forms.number(0),
        "What downloads leave free on the SSD, in GiB, but never more than a tenth of it. More than rTorrent's own "
        "limit (`close_low_diskspace`), and what comes within a second.",
        2.0,
    )
    oversized: str = _setting(
        forms.one_of("hdd", "hold"),
        "A torrent larger than the SSD is downloaded to its place on the HDD, or held.",
        "hdd",
    )
    copy_retry_attempts: int = _setting(
        forms.whole(1), "Attempts at a step before its torrent is given up as failed.", 3
    )
    retry_delay: float = _setting(
        forms.number(0.1), "Seconds before the first retry; doubled for each further one, up to 15 minutes.", 10.0
    )
    verification_enabled: bool = _setting(
        forms.switch(),
        "Read each copy back from the device and prove it. Off: only what is read from the SSD is proven.",
        True,
    )
    proof: str = _setting(
        forms.one_of("before-publish", "before-removal"),
        "When a copy is read back: before it gets its final name, or later, when no copy waits (for slow disks); "
        "in any case before its SSD data goes.",
        "before-publish",
    )
    copy_rate_limit: float = _setting(
        forms.number(0), "The most that one copy reads in a second, in MiB (1024^2 bytes). 0: as fast as it can.", 0.0
    )
    pressure_limit: float = _setting(
        forms.number(0),
        "Copies slow down while all tasks of the machine wait for IO in more than this percent of the time "
        "(`full avg10` in /proc/pressure/io). 0: never.",
        0.0,
    )
    copy_nice: int = _setting(forms.whole(0, 19), "Niceness of the copy workers, see nice(1).", 10)
    copy_io_priority: str = _setting(
        forms.one_of("normal", "low", "idle"),
        "IO priority of the copy workers, where the disk's scheduler has any: as others, the lowest of them, or only "
        "when no other wants the disk, see ionice(1).",
        "low",
    )
    reconcile_interval: float = _setting(
        forms.number(0),
        "Seconds between two sweeps of rTorrent, journal and disks (`seedcache reconcile`). 0: none.",
        86400.0,
    )
    trash_retention: float = _setting(
        forms.number(0), "Days after which what was put into the trash is removed for good.", 30.0
    )
    notify_arr_enabled: bool = _setting(forms.switch(), "Tell Sonarr and Radarr of finished copies.", True)
    sonarr_url: str = _setting(_ARR, "Sonarr, with its URL base if it has one. Empty: there is none.", "")
    sonarr_api_key: str = _setting(
        secret_forms.secret(), "Sonarr's key (Settings, General, Security).", "", secret=True
    )
    sonarr_tag: str = _setting(forms.labels(), "Labels whose torrents are Sonarr's.", "sonarr")
    sonarr_path_map: tuple[tuple[str, str], ...] = _setting(
        forms.path_map(), "Our paths, and the same ones as Sonarr sees them.", ()
    )
    radarr_url: str = _setting(_ARR, "Radarr, with its URL base if it has one. Empty: there is none.", "")
    radarr_api_key: str = _setting(
        secret_forms.secret(), "Radarr's key (Settings, General, Security).", "", secret=True
    )
    radarr_tag: str = _setting(forms.labels(), "Labels whose torrents are Radarr's.", "radarr")
    radarr_path_map: tuple[tuple[str, str], ...] = _setting(
        forms.path_map(), "Our paths, and the same ones as Radarr sees them.", ()
    )
    webhook_url: str = _setting(
        _MESSENGER, "Where news are posted to as JSON, see docs/notifications.md. Empty: nowhere.", "", secret=True
    )
    webhook_secret: str = _setting(
        secret_forms.secret(), "Signs what is posted to WEBHOOK_URL. Empty: it is not signed.", "", secret=True
    )
    webhook_events: tuple[str, ...] = _setting(_EVENTS, "Of which events WEBHOOK_URL is told.", _TOLD)
    apprise_url: str = _setting(
        _MESSENGER,
        "An Apprise API server with the key of its configuration: http://HOST:8000/notify/KEY. Empty: there is none.",
        "",
        secret=True,
    )
    apprise_events: tuple[str, ...] = _setting(_EVENTS, "Of which events APPRISE_URL is told.", _TOLD)
    announce_limit: int = _setting(
        forms.whole(1),
        "Messages in an hour at most, to WEBHOOK_URL and to APPRISE_URL; one summary afterwards has what was withheld.",
        20,
    )
    log_level: str = _setting(
        forms.one_of("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"), "The least that is logged.", "INFO"
    )
    log_file: str = _setting(forms.path(optional=True), "The file that is logged to. Empty: standard error.", "")
    log_format: str = _setting(forms.one_of("logfmt", "json"), "How a line of the log is written.", "logfmt")
    state_dir: str = _setting(forms.path(), "The spool and the journal.", "/var/lib/seedcache")
    lock_dir: str = _setting(forms.path(optional=True), "The locks. Empty: the directory `locks` in STATE_DIR.", "")
    metrics_address: str = _setting(forms.ip_address(), "The address that /metrics is served on.", "127.0.0.1")
    metrics_port: int = _setting(forms.whole(0, 65535), "Its port. 0: any free one.", 9797)
    stop_grace: float = _setting(
        forms.number(0), "Seconds that running work gets to reach a safe point when stopped.", 30.0
    )
    rpc_timeout: float = _setting(forms.number(0.1), "Seconds that rTorrent has to answer one call.", 10.0)
    disk_timeout: float = _setting(
        forms.number(0),
        "After so many seconds in which a disk has not answered, workers that wait for it are killed and replaced; "
        "their torrents go on when it answers.",
        60.0,
    )
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)  # name of a field -> where it came from

    def __post_init__(self) -> None:
        """Fill in the one default that depends on another setting."""
        if not self.lock_dir:
            object.__setattr__(self, "lock_dir", os.path.join(self.state_dir, "locks"))

    def __repr__(self) -> str:
        """Return a text without secrets: reprs end up in logs and tracebacks."""
        return f"Settings({', '.join(f'{setting.name.lower()}={setting.value}' for setting in self.explain())})"

    def marks(self, size: int) -> Marks:
        """Given the size of the SSD in bytes, return how much of it shall be free."""
        low = measures.amount(self.space_low).of(size) if self.space_low else int(self.disk_space_threshold_gb * GIB)
        high = measures.amount(self.space_high).of(size) if self.space_high else low
        # Only here can percent be compared with bytes.
        return Marks(low, max(low, high), min(low, measures.amount(self.space_emergency).of(size)))

    @property
    def rules(self) -> Rules:
        """What is set of [policy]."""
        return Rules(
            order=self.policy_order,
            keep_labels=self.policy_keep_labels,
            keep_trackers=self.policy_keep_trackers,
            min_seed_time=measures.seconds(self.policy_min_seed_time),
            min_ratio=self.policy_min_ratio,
            import_hold=measures.seconds(self.policy_import_hold),
            patience=measures.seconds(self.policy_patience),
            leave_labels=self.policy_leave_labels,
            max_stay=measures.seconds(self.policy_max_stay),
            half_life=measures.seconds(self.policy_half_life),
        )

    def reserve(self, size: int) -> int:
        """Given the size of the SSD in bytes, return how much of it downloads leave free."""
        return min(int(self.admission_reserve * GIB), size // 10)

    def explain(self) -> list[Setting]:
        """Return every setting with its value, secrets hidden, and the source of the value."""
        return [
            Setting(name.upper(), _display(getattr(self, name), spec), self.sources.get(name, "default"))
            for name, spec in specs().items()
        ]


def specs() -> dict[str, Spec]:
    """Return the table of settings: the name of each field, and what it may be."""
    return {entry.name: entry.metadata["spec"] for entry in fields(Settings) if "spec" in entry.metadata}


def load(config: str | None, environ: Mapping[str, str]) -> Settings:
    """Given the file named on the command line, if any, and the environment, return the settings in force.

    The environment goes before the file, the file before the defaults; SEEDCACHE_NAME goes before the bare NAME.
    Raise ConfigurationError with one line for every problem there is.
    """
    problems: list[str] = []
    named = config or environ.get(sources.NAMES_FILE)
    known = specs()
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for name, (raw, source) in sources.gather(named, DEFAULT_FILE, environ, known, BARE, problems).items():
        origins[name] = source
        try:
            values[name] = known[name].form.parse(raw, source.startswith("environment"))
        except ValueError as error:
            problems.append(f"{name.upper()} ({source}): {error}")
    problems += [
        f"{name.upper()} (default): is not set; set it in {named or DEFAULT_FILE} or as {sources.PREFIX}{name.upper()}"
        for name in ("download_path_ssd", "final_dest_base_hdd", "scgi_url")
        if name not in origins
    ]
    problems += contradictions.find(values, origins)
    if problems:
        raise ConfigurationError("\n".join(problems))
    return Settings(**values, sources=origins)


def _display(value: object, spec: Spec) -> str:
    if spec.secret:
        return HIDDEN if value else ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(each if isinstance(each, str) else ":".join(each) for each in value)
    return f"{value:g}" if isinstance(value, float) else hide_password(str(value))


def reference() -> list[str]:
    """Return the lines of the table in `docs/settings.md`."""
    lines = ["| Setting | Default | Values | Meaning |", "|---|---|---|---|"]
    defaults = {entry.name: entry.default for entry in fields(Settings)}
    for name, spec in specs().items():
        default = "" if defaults[name] is MISSING else _display(defaults[name], spec)
        cell = "**required**" if defaults[name] is MISSING else default and f"`{default}`"
        lines.append(f"| `{name.upper()}`{'' if name in BARE else ' ⁺'} | {cell} | {spec.form.values} | {spec.help} |")
    return lines
