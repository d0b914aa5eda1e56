"""Where the state is, found as quickly as can be."""

import os
from collections.abc import Mapping


def state_dir(config: str | None, environ: Mapping[str, str]) -> str:
    """Given the settings file that was named, if one was, and the environment, return the state directory.

    The settings are loaded (a quarter of a second) only if they may name it. Raise ConfigurationError if that fails.
    """
    named = environ.get("SEEDCACHE_STATE_DIR")
    if named:
        return os.path.abspath(named)
    from supervisor.settings import DEFAULT_FILE, Settings, load  # noqa: PLC0415  (only if they are needed)

    file = config or environ.get("SEEDCACHE_CONFIG")
    try:
        with open(file or DEFAULT_FILE, "rb") as content:
            mentioned = b"state" in content.read().lower()
    except OSError:
        mentioned = file is not None  # then loading says what is wrong with it
    if mentioned or any(name.startswith("SEEDCACHE_STATE") for name in environ):
        return load(config, environ).state_dir
    return str(Settings.__dataclass_fields__["state_dir"].default)
