"""Where the log goes: one line an event, in logfmt (`action=… hash=… text`)."""

import logging
import re

_FORMAT = "%(asctime)s level=%(levelname)s %(message)s"
# What would end a line, or move a terminal's cursor or its text's direction: names come from strangers.
_UNFIT = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028-\\u202e\\u2066-\\u2069]")


class _OneLine(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (logging's name)
        """Return the line, harmless whatever is in it."""
        return _UNFIT.sub(lambda found: f"\\u{ord(found.group()):04x}", super().formatMessage(record))


def start(level: str, file: str) -> None:
    """Given a level's name and a file (empty: standard error), log there from now on. Raise OSError."""
    handler = logging.FileHandler(file, encoding="utf-8") if file else logging.StreamHandler()
    handler.setFormatter(_OneLine(_FORMAT))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # These tell at DEBUG what they send: all of rTorrent's torrents, and keys.
    for chatty in ("pyrosimple", "urllib3", "filelock"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
