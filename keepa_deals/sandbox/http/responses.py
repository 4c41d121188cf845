"""How an answer leaves: compressed like Keepa's, or damaged on the way when a fault is asked for."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flask import Response, request

from keepa_deals.sandbox.faults import Fault

SILENCE = 120.0
"""Seconds without an answer: longer than any client waits."""
DELAY = 3.0
RETRY_AFTER = 7
"""Seconds after which a proxy's 429 wants to be asked again."""
_WORDS = {429: "Too Many Requests", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Time-out"}


class Delivery:
    """Makes responses; ``stopping`` ends every delay at once."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping

    def json(
        self, status: int, body: Mapping[str, Any] | Sequence[Any], fault: Fault | None = None
    ) -> Response:
        """``body`` as JSON, gzip'ed when the client takes that; damaged by some faults."""
        data = json.dumps(body, separators=(",", ":")).encode()
        if fault is Fault.GARBAGE:
            data = b"\x00\xff not JSON" + data[:20]
        if fault is Fault.SLOW:
            self._stopping.wait(DELAY)
        if fault is Fault.TIMEOUT:
            self._stopping.wait(SILENCE)
            data = b""
        headers = {"Content-Type": "application/json;charset=utf-8"}
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            data = gzip.compress(data, 5)
            headers["Content-Encoding"] = "gzip"
        if fault is Fault.TRUNCATED:
            headers["Content-Length"] = str(len(data) + 100)
            headers["Connection"] = "close"
            return Response(_half(data), status, headers)
        return Response(data, status, headers)

    def html_error(self, status: int) -> Response:
        """What a proxy in front of Keepa says when Keepa doesn't."""
        words = f"{status} {_WORDS[status]}"
        page = (
            f"<html><head><title>{words}</title></head><body><center><h1>{words}</h1></center></body></html>"
        )
        headers = {"Content-Type": "text/html"}
        if str(status) == Fault.TOO_MANY:
            headers["Retry-After"] = str(RETRY_AFTER)
        return Response(page, status, headers)


def _half(data: bytes) -> Iterator[bytes]:
    yield data[: len(data) // 2]
