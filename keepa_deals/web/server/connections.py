"""Connections that can't hold anything up: each has deadlines, and what is slow is the first to go.

Waitress takes a request in whole before a thread sees it, and takes an answer off the thread's hands. So a
slow reader costs a socket and a buffer, no thread. What it leaves open is bounded here: how long a request
may arrive, how long an answer may be left unread, how many requests wait, how many connections there are.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, ThreadedTaskDispatcher, WSGITask
from waitress.utilities import BadRequest, Error

from keepa_deals.web.http.networks import reader_networks

RECEIVE = 20.0
"""Seconds for a whole request, from its first byte on."""
IDLE = 30.0
"""Seconds that a connection may stay open between two requests, or before the first."""
UNREAD = 30.0
"""Seconds that an answer may wait without the reader taking a byte."""
SLOWEST = 10_000
"""Bytes a second that a reader takes of an answer at least, once it has lasted ``UNREAD``."""
MAX_WAITING = 100
"""Requests that wait for a thread; further ones are told to come again."""
COME_AGAIN = 5
"""Seconds, for those."""
PROBE = "/healthz"
"""Answered by a thread of its own, whatever the others do."""

Monotonic = Callable[[], float]


class _BusyError(Error):  # type: ignore[misc]  # waitress comes without types
    code = 503
    reason = "Service Unavailable"

    def to_response(self, ident: str | None = None) -> tuple[str, list[tuple[str, str]], bytes]:
        status, headers, body = super().to_response(ident)
        return status, [*headers, ("Retry-After", str(COME_AGAIN))], body


class _Pipelined(HTTPRequestParser):  # type: ignore[misc]
    """Refuses a request that came before the answer to the one before it: many of them would fill memory."""

    def received(self, data: bytes) -> int:
        self.error = BadRequest("send one request at a time")
        self.completed = True
        return len(data)


class _Leaving:
    """Tells the client that the connection ends with this answer, once the server is about to stop."""

    channel: Any
    set_close_on_finish: Callable[[], None]

    def build_response_header(self) -> bytes:
        if self.channel.server.stopping:
            self.set_close_on_finish()
        return bytes(super().build_response_header())  # type: ignore[misc]


class _Answer(_Leaving, WSGITask):  # type: ignore[misc]
    pass


class _Refusal(_Leaving, ErrorTask):  # type: ignore[misc]
    pass


class Connection(HTTPChannel):  # type: ignore[misc]
    """One client's connection. ``quiet_since``: since when it owes us a request."""

    task_class = _Answer
    error_task_class = _Refusal

    def __init__(self, server: Server, sock: Any, addr: Any, adj: Any, map: Any = None) -> None:  # noqa: A002
        self._now = server.monotonic
        self.reader = reader_networks(addr[0])[0]
        self.quiet_since = self._sent_at = self._now()
        self._request_since: float | None = None
        self._answer_since: float | None = None
        self._sent = 0
        super().__init__(server, sock, addr, adj, map=map)

    @property
    def is_served(self) -> bool:
        """Whether a request of it waits for a thread, or is worked on."""
        return bool(self.requests)

    def parser_class(self, adj: Any) -> HTTPRequestParser:
        return (_Pipelined if self.requests else HTTPRequestParser)(adj)

    def received(self, data: bytes) -> bool:
        if self._request_since is None:
            self._request_since = self._now()
        taken = bool(super().received(data))
        if self.request is None:
            self._request_since = None
        return taken

    def send(self, data: bytes, do_close: bool = True) -> int:
        sent = int(super().send(data, do_close=do_close))
        if sent:
            self._sent += sent
            self._sent_at = self._now()
        return sent

    def service(self) -> None:
        try:
            super().service()
        finally:
            self.quiet_since = self.server.progress_at = self._now()

    def is_overdue(self, now: float) -> bool:
        """Whether it broke one of its deadlines. Asked again and again: it remembers since when it sends."""
        if self.total_outbufs_len:
            if self._answer_since is None:
                self._answer_since, self._sent = now, 0
                self._sent_at = now
            self.quiet_since = now
            lasted = now - self._answer_since
            return now - self._sent_at > UNREAD or lasted > UNREAD + self._sent / SLOWEST
        self._answer_since = None
        if self.is_served:
            return False
        if self._request_since is not None and now - self._request_since > RECEIVE:
            return True
        return now - self.quiet_since > IDLE + (RECEIVE if self._request_since is not None else 0)

    def drop(self) -> None:
        """Close at once, whatever is still to be sent; a thread that waits to send is let go."""
        if self.total_outbufs_len:  # else the kernel would keep what it has, up to 4 MB, for minutes
            with contextlib.suppress(OSError):
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.will_close = True
        self.handle_close()


class Server(TcpWSGIServer):  # type: ignore[misc]
    """One listening socket with its connections."""

    channel_class = Connection
    stopping = False

    def __init__(self, *positional: Any, probe: ThreadedTaskDispatcher, most: int, **named: Any) -> None:
        self.monotonic: Monotonic = time.monotonic
        self.progress_at = self.monotonic()
        self.taken = 0
        self._probe = probe
        self._most = most
        super().__init__(*positional, **named)

    def add_task(self, task: Connection) -> None:
        request = task.requests[0]
        self.taken += 1
        queue = self.task_dispatcher.queue
        if request.error is None and request.path != PROBE:
            if len(queue) < MAX_WAITING:
                if not queue:
                    self.progress_at = self.monotonic()
                self.task_dispatcher.add_task(task)
                return
            request.error = _BusyError("Too many requests wait already.")
        self._probe.add_task(task)

    def handle_accept(self) -> None:
        super().handle_accept()
        if len(self.active_channels) > self._most:
            self._make_room()

    def _make_room(self) -> None:
        """Close the connection that has owed us a request longest, of the reader that has most of them."""
        held = Counter(connection.reader for connection in self.active_channels.values())
        idle = [connection for connection in self.active_channels.values() if not connection.is_served]
        if idle:
            min(idle, key=lambda one: (-held[one.reader], one.quiet_since)).drop()

    def maintenance(self, now: float) -> None:
        """Nothing: waitress's own goes by a clock that may be set."""

    def drop_overdue(self) -> None:
        """Close what broke its deadline."""
        for connection in self.connections():
            if connection.is_overdue(self.monotonic()):
                connection.drop()

    def connections(self) -> list[Connection]:
        return list(self.active_channels.values())

    def is_stuck(self, seconds: float) -> bool:
        """Whether requests have waited for so long without any being answered."""
        return bool(self.task_dispatcher.queue) and self.monotonic() - self.progress_at > seconds
