"""The shapes of the answers of Sonarr's and Radarr's API v3 that matter here, in our own words, as JSON Schema.

Written from reading their API documentation. A field that is not named may not
be answered: the stand-in must not invent.
"""

from typing import Any

TEXT = {"type": ["string", "null"]}
SWITCH = {"type": "boolean"}
TIME = {"type": ["string", "null"], "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"}


def _resource(**fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "additionalProperties": False}


def _one_of(*words: str) -> dict[str, Any]:
    return {"enum": list(words)}


COMMAND = _resource(
    id={"type": "integer"},
    name=TEXT,
    commandName=TEXT,
    message=TEXT,
    exception=TEXT,
    body={"type": "object"},
    priority=_one_of("normal", "high", "low"),
    trigger=_one_of("unspecified", "manual", "scheduled"),
    status=_one_of("queued", "started", "completed", "failed", "aborted", "cancelled", "orphaned"),
    result=_one_of("unknown", "successful", "unsuccessful"),
    queued={"type": "string"},
    started=TIME,
    ended=TIME,
    duration=TEXT,
    sendUpdatesToClient=SWITCH,
    updateScheduledTask=SWITCH,
)

STATUS = _resource(
    appName=TEXT,
    instanceName=TEXT,
    version=TEXT,
    buildTime=TIME,
    branch=TEXT,
    urlBase=TEXT,
    osName=TEXT,
    isDebug=SWITCH,
    isProduction=SWITCH,
    isLinux=SWITCH,
    isDocker=SWITCH,
    mode=_one_of("console", "service", "tray"),
    packageAuthor=TEXT,
    authentication=_one_of("none", "basic", "forms", "external"),
    startTime=TIME,
)

DOWNLOAD_CLIENT_CONFIG = _resource(
    id={"type": "integer"},
    downloadClientWorkingFolders=TEXT,
    enableCompletedDownloadHandling=SWITCH,
    checkForFinishedDownloadInterval={"type": "integer"},
    autoRedownloadFailed=SWITCH,
    autoRedownloadFailedFromInteractiveSearch=SWITCH,
)
