"""Loads the settings in an interpreter that ends: dynaconf's 8 MB would stay in the supervisor for as long as it runs.

python -P -m supervisor.apart      reads the pickled arguments of `settings.load`, writes what it returned or raised
"""

import pickle
import subprocess
import sys
from collections.abc import Mapping

from supervisor.errors import ConfigurationError
from supervisor.settings import Settings, load


def load_apart(config: str | None, environ: Mapping[str, str]) -> Settings:
    """As settings.load, at the price of the start of an interpreter, a quarter of a second.

    Raise ConfigurationError as it does, or if the interpreter could not do it.
    """
    try:
        done = subprocess.run(
            # -P: the directory we work in is no place to import from.
            [sys.executable, "-P", "-m", "supervisor.apart"],
            input=pickle.dumps((config, dict(environ))),
            stdout=subprocess.PIPE,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise ConfigurationError(
            f"the settings could not be loaded: {error}. Is there memory left? Try again"
        ) from error
    result = pickle.loads(done.stdout)  # noqa: S301  (our own child wrote it)
    if isinstance(result, ConfigurationError):
        raise result
    return result  # type: ignore[no-any-return]  # the only other thing it writes


def _main() -> None:
    config, environ = pickle.load(sys.stdin.buffer)  # noqa: S301  (our own parent wrote it)
    try:
        result: Settings | ConfigurationError = load(config, environ)
    except ConfigurationError as error:
        result = error
    sys.stdout.buffer.write(pickle.dumps(result))


if __name__ == "__main__":
    _main()
