"""A web server on loopback that channels send to: it keeps what came, and answers as it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = tuple[int, dict[str, str]]


@dataclass
class Hooks:
    """The server; ``answer`` says what a request with a path gets, and may wait."""

    port: int = 0
    answer: Callable[[str], Answer] = lambda _path: (200, {})
    taken: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    """(path, headers with small names, body) of each request."""
    _came: threading.Condition = field(default_factory=threading.Condition)

    def address(self, path: str = "hook") -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def note(self, path: str, headers: dict[str, str], body: bytes) -> None:
        with self._came:
            self.taken.append((path, headers, body))
            self._came.notify_all()

    def wait_for(self, count: int, path: str = "", *, within: float = 20.0) -> list[bytes]:
        """The bodies for ``path`` once there are so many."""

        def bodies() -> list[bytes]:
            return [body for at, _, body in self.taken if path in at]

        with self._came:
            assert self._came.wait_for(lambda: len(bodies()) >= count, within), f"{len(bodies())} of {count}"
            return bodies()


@contextmanager
def hooks() -> Iterator[Hooks]:
    """A server until the block ends."""
    known = Hooks()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            known.note(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            status, headers = known.answer(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing to the test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    known.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield known
    finally:
        server.shutdown()
        server.server_close()
