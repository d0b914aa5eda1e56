"""A stand-in Sonarr for the compose file: on all addresses of its container; prints what it is told."""

import json
import signal
from http.server import ThreadingHTTPServer
from typing import Any

from tests.fakes import arr

PORT = 8989


def main() -> None:
    """Serve until SIGTERM."""
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # before the first thread: each inherits it

    def everywhere(_address: object, handler: Any) -> ThreadingHTTPServer:
        return ThreadingHTTPServer(("0.0.0.0", PORT), handler)

    arr.ThreadingHTTPServer = everywhere  # type: ignore[assignment,misc]
    with arr.FakeArr("sonarr") as fake:
        fake.on_command = lambda command: print(json.dumps(command), flush=True)  # noqa: T201
        signal.sigwait(signals)


if __name__ == "__main__":
    main()
