"""A gunicorn worker whose connections are waitress's: threads never wait for a slow reader.

gunicorn's own threads read requests and write answers themselves: eight connections that sent one line and
waited silenced all of them for good. The master stays: it reloads on HUP, starts anew what dies, and kills
what gives no sign of life.
"""

from __future__ import annotations

import logging
import os
import resource
import socket
import time
from collections.abc import Iterator
from typing import Any

from gunicorn.workers.base import Worker
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.task import ThreadedTaskDispatcher

from keepa_deals.web.server.connections import Server

MAX_CONNECTIONS = 1000
MIN_CONNECTIONS = 50
FILES = 4096
"""Open files that we ask the system for: a connection may need two, its answer waiting in a file."""
OWN_FILES = 200
LOOK_EVERY = 1.0
LINGER = 2.0
"""Seconds that a worker about to stop waits for a request that may be on its way on an open connection."""
STUCK = 120.0
"""Seconds without any answer, while requests wait, after which the process is given up."""
PROBE_THREADS = 1


class WaitressWorker(Worker):  # type: ignore[misc]  # gunicorn comes without types
    """One process: a loop for all input and output, ``threads`` threads for the application."""

    def init_process(self) -> None:
        logging.getLogger("waitress").setLevel(logging.ERROR)  # it warns of each request that waits
        super().init_process()

    def run(self) -> None:
        """Serve until told to stop; then end what is under way."""
        self._map: dict[int, Any] = {}
        self._looked_at = 0.0
        _Waker(self.PIPE[0], self._map)
        self._servers = list(self._listen())
        while self.alive and self._has_parent():
            self._step()
            if sum(server.taken for server in self._servers) >= self.max_requests:
                self.log.info("enough requests for one process: another one takes over")
                break
        self._leave()

    def _listen(self) -> Iterator[Server]:
        application, probe = ThreadedTaskDispatcher(), ThreadedTaskDispatcher()
        application.set_thread_count(self.cfg.threads)
        probe.set_thread_count(PROBE_THREADS)
        most = max(MIN_CONNECTIONS, min(MAX_CONNECTIONS, (_open_files() - OWN_FILES) // 2))
        for listener in self.sockets:
            sock: socket.socket = listener.sock
            yield Server(
                self.wsgi,
                self._map,
                True,  # listens at once
                sock,
                dispatcher=application,
                adj=_adjustments(self.cfg, most),
                sockinfo=(sock.family, sock.type, sock.proto, sock.getsockname()),
                bind_socket=False,
                probe=probe,
                most=most,
            )

    def _step(self) -> None:
        self.notify()
        wasyncore.loop(timeout=1.0, use_poll=True, map=self._map, count=1)
        now = time.monotonic()
        if now - self._looked_at < LOOK_EVERY:
            return
        self._looked_at = now
        for server in self._servers:
            server.drop_overdue()
            if server.is_stuck(STUCK):
                self.log.critical("no request was answered for %.0f s while others wait: giving up", STUCK)
                os._exit(1)  # threads that hang would hold up any other end

    def _has_parent(self) -> bool:
        return bool(self.ppid == os.getppid())

    def _leave(self) -> None:
        """Accept nothing more, answer what came, and close what stays quiet."""
        for server in self._servers:
            server.accepting = False
            server.stopping = True
        now = self._servers[0].monotonic
        ends = now() + self.cfg.graceful_timeout
        while now() < ends:
            open_ = [one for server in self._servers for one in server.connections()]
            for one in open_:
                if not one.is_served and not one.total_outbufs_len and now() - one.quiet_since > LINGER:
                    one.drop()
            if not open_:
                return
            self._step()


class _Waker(wasyncore.file_dispatcher):  # type: ignore[misc]
    """Ends the loop's wait when a signal has come: Python writes its number to the pipe."""

    def writable(self) -> bool:
        return False

    def handle_read(self) -> None:
        self.recv(64)


def _adjustments(cfg: Any, most: int) -> Adjustments:
    return Adjustments(
        threads=cfg.threads,
        backlog=cfg.backlog,
        connection_limit=most + OWN_FILES,  # ours acts first: it makes room instead of refusing
        max_request_header_size=32 << 10,
        max_request_body_size=128 << 10,
        outbuf_overflow=256 << 10,  # the rest of a longer answer waits in a file
        outbuf_high_watermark=1 << 20,  # what is streamed is made no faster than it is read
        log_socket_errors=False,
        clear_untrusted_proxy_headers=False,  # DASHBOARD_PROXIES says whom to believe
        ident="",
    )


def _open_files() -> int:
    """How many files the process may have open, raised as far as we may and need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return FILES if soft == resource.RLIM_INFINITY else soft
