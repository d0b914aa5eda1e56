"""Where the log goes: one line an event, in logfmt (`action=… hash=… text`)."""

import logging

_FORMAT = "%(asctime)s level=%(levelname)s %(message)s"


def start(level: str, file: str) -> None:
    """Given a level's name and a file (empty: standard error), log there from now on. Raise OSError."""
    handler = logging.FileHandler(file, encoding="utf-8") if file else logging.StreamHandler()
    handler.setFormatter(logging.Formatter(_FORMAT))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # These tell at DEBUG what they send: all of rTorrent's torrents, and keys.
    for chatty in ("pyrosimple", "urllib3", "filelock"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
