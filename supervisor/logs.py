"""Where the log goes: one line an event, in logfmt or JSON. `docs/logs.md` has the keys and every action.

A caller says what happened in words, and for programs in `extra`: `action`, and where it applies `hash` and `worker`.
Our own forty lines rather than a library's: names come from strangers, so what is escaped is decided here.
"""

import json
import logging
import os
import re
import sys
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler

FORMATS = ("logfmt", "json")
_KEYS = ("action", "hash", "worker")
# What would end a line, or move a terminal's cursor or its text's direction.
_UNFIT = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028-\\u202e\\u2066-\\u2069]")
_PLAIN = re.compile(r'[^\s"=]+')
_PRIORITIES = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}  # sd-daemon(3)


class _Formatter(logging.Formatter):
    def __init__(self, form: str, worker: str, *, journald: bool) -> None:
        super().__init__()
        self._form, self._worker, self._journald = form, worker, journald

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, harmless whatever is in it."""
        fields = {} if self._journald else {"time": _time(record.created)}
        fields |= {"level": record.levelname.lower(), "action": "library", "worker": self._worker}
        fields |= {key: str(getattr(record, key)) for key in _KEYS if hasattr(record, key)}
        fields |= {"text": record.getMessage(), "trace": self._trace(record)}
        said = {key: value for key, value in fields.items() if value}
        if self._form == "json":
            line = _escaped(json.dumps(said, ensure_ascii=False))
        else:
            line = " ".join(f"{key}={_value(value)}" for key, value in said.items())
        return f"<{_PRIORITIES.get(record.levelname, 6)}>{line}" if self._journald else line

    def _trace(self, record: logging.LogRecord) -> str:
        return self.formatException(record.exc_info) if record.exc_info else ""


class _File(WatchedFileHandler):
    def emit(self, record: logging.LogRecord) -> None:
        """Write a line; a file that cannot be opened anew is told of on standard error, and stops no work."""
        try:
            super().emit(record)
        except OSError:
            self.handleError(record)


def start(level: str, file: str, form: str = "logfmt", worker: str = "") -> None:
    """Log there from now on: given a level's name, a file (empty: standard error), a format and the worker we are.

    A file that was renamed or removed is opened anew (logrotate needs no signal); what is written to journald has its
    priority, and no time, as journald adds one. Raise OSError if the file cannot be opened.
    """
    handler = _File(file, encoding="utf-8") if file else logging.StreamHandler()
    handler.setFormatter(_Formatter(form, worker, journald=not file and _is_journal()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # These tell at DEBUG what they send: all of rTorrent's torrents, and keys.
    for chatty in ("pyrosimple", "urllib3", "filelock"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _is_journal() -> bool:
    """Say whether standard error is journald's: see JOURNAL_STREAM in systemd.exec(5)."""
    try:
        status = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _time(created: float) -> str:
    return datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _value(text: str) -> str:
    return _escaped(text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False))


def _escaped(text: str) -> str:
    """Return a text whose characters of _UNFIT are spelt as in JSON."""
    spelt = _UNFIT.sub(lambda found: f"\\u{ord(found.group()):04x}", text)
    return spelt.encode("utf-8", "replace").decode()
