"""A limit for a whole HTTP exchange: a server that sends a byte now and then keeps every shorter one."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class Watch:
    """Ends the connections of one exchange when its time is over: their reads then fail at once.

    It holds duplicates of the sockets, because TLS takes a socket over and a pool closes it.
    """

    def __init__(self, seconds: float) -> None:
        self.over = False
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def guard(self, connection: socket.socket) -> None:
        twin = socket.socket(fileno=os.dup(connection.fileno()))
        with self._lock:
            self._sockets.append(twin)
        if self.over:
            _shut(twin)

    def _end(self) -> None:
        with self._lock:
            self.over = True
            for twin in self._sockets:
                _shut(twin)

    def close(self) -> None:
        self._timer.cancel()
        with self._lock:
            while self._sockets:
                self._sockets.pop().close()


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it is closed already
        connection.shutdown(socket.SHUT_RDWR)


_watches = threading.local()


@contextlib.contextmanager
def watched(seconds: float) -> Iterator[Watch]:
    """Let an exchange through a ``WatchedAdapter`` last ``seconds``; ``over`` says that it was cut."""
    watch = _watches.current = Watch(seconds)
    try:
        yield watch
    finally:
        _watches.current = None
        watch.close()


def _guard(connection: socket.socket | None) -> None:
    watch: Watch | None = getattr(_watches, "current", None)
    if watch is not None and connection is not None:
        watch.guard(connection)


class _WatchedConnection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        made = super()._new_conn()
        _guard(made)
        return made

    def getresponse(self) -> Any:
        _guard(self.sock)
        return super().getresponse()


class _WatchedHTTPSConnection(_WatchedConnection, HTTPSConnection):
    """The same over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _WatchedConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedHTTPSConnection


class WatchedAdapter(HTTPAdapter):
    """Makes connections that the watch of the exchange knows of."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _HTTPSPool}
