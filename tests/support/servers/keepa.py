"""A Keepa over real sockets that answers what a test wants, and a reservation that remembers."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from keepa_deals.keepa.envelope import TokenEnvelope

KEY = "secretkey" * 7 + "x"
ENVELOPE = {
    "timestamp": 1_780_000_000_000,
    "tokensLeft": 42,
    "refillIn": 30_000,
    "refillRate": 20,
    "tokenFlowReduction": 0.0,
    "tokensConsumed": 5,
    "processingTimeInMs": 3,
}
Answer = Callable[[BaseHTTPRequestHandler], None]


def reply(
    status: int,
    body: object,
    *,
    compressed: bool = False,
    kind: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        data = gzip.compress(payload) if compressed else payload
        handler.send_response_only(status)
        handler.send_header("Content-Type", kind)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(data)))
        if compressed:
            handler.send_header("Content-Encoding", "gzip")
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def cut_short(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    handler.wfile.write(json.dumps(ENVELOPE).encode()[:40])
    handler.close_connection = True


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


class Keepa:
    """A server that gives its ``answers`` in turn (the last for ever) and remembers the requests."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.by_asins: Callable[[BaseHTTPRequestHandler, Sequence[str]], None] | None = None
        """Answers the calls for products, if set."""
        self.requests: list[tuple[str, str, dict[str, list[str]], bytes]] = []
        self.released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                url = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                query = parse_qs(url.query)
                outer.requests.append((self.command, url.path, query, body))
                if url.path == "/product" and outer.by_asins is not None:
                    outer.by_asins(self, query["asin"][0].split(","))
                    return
                answer = outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0]
                answer(self)

            do_GET = do_POST = _serve  # noqa: N815  # the names that http.server looks for

            def log_message(self, *args: object) -> None:
                """Keep quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def silent(self, handler: BaseHTTPRequestHandler) -> None:
        self.released.wait(10)
        handler.close_connection = True

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Recorder:
    """A ``Reserve`` that counts how often it was asked and given back, and what it was told."""

    def __init__(self) -> None:
        self.asked = 0
        self.released = 0
        self.settled: list[TokenEnvelope] = []

    @contextlib.contextmanager
    def __call__(self) -> Iterator[Recorder]:
        self.asked += 1
        yield self

    def settle(self, envelope: TokenEnvelope) -> None:
        self.settled.append(envelope)

    def release(self) -> None:
        self.released += 1


STATS = {"current": [-1, 1999]}


def product(asin: str, **changes: object) -> dict[str, Any]:
    """An entry of ``/product`` with the least that one has."""
    return {"asin": asin, "domainId": 1, "title": "T", "stats": STATS} | changes


def trickle(keepa: Keepa, *, head: bytes) -> Answer:
    """``head`` at once, then a byte every tenth of a second for as long as somebody reads."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        with contextlib.suppress(OSError):
            handler.wfile.write(head)
            for _ in range(300):
                handler.wfile.write(b"x")
                if keepa.released.wait(0.1):
                    return

    return answer
