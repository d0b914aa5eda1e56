"""Takes what is posted to it: the far end of a webhook, or an Apprise API server.

As Apprise it answers as github.com/caronc/apprise-api does (views.py): 200; 204 for a key without a configuration; 400
for what is no notification; 424 when a service behind it could not be told.
"""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.support.ports import free_port


@dataclass
class Post:
    path: str
    headers: dict[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.content)


@dataclass
class Receiver:
    """On a free port of the loopback interface; a context manager."""

    status: int = 200  # of the next answers
    answer: bytes = b"ok"
    location: str = ""
    apprise_keys: set[str] = field(default_factory=set)  # not empty: it is an Apprise API server
    posts: list[Post] = field(default_factory=list)
    port: int = field(default_factory=free_port)  # its own, also while it does not listen
    answers: threading.Event = field(default_factory=threading.Event)  # until it is set it hangs

    def __post_init__(self) -> None:
        self.answers.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                fake.posts.append(Post(self.path, dict(self.headers), content))
                fake.answers.wait()
                status = fake.status_for(self.path, content)
                answer = b"" if status == 204 else fake.answer
                self.send_response(status)
                if fake.location:
                    self.send_header("Location", fake.location)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.answers.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def status_for(self, path: str, content: bytes) -> int:
        if not self.apprise_keys or self.status != 200:
            return self.status
        message = json.loads(content)
        if not message.get("body") or message.get("type") not in {"info", "success", "warning", "failure"}:
            return 400
        return 200 if path.removeprefix("/notify/") in self.apprise_keys else 204
