"""The server's connections: what is slow is ended, and holds nothing up meanwhile."""

from __future__ import annotations

import logging
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.task import ThreadedTaskDispatcher

from keepa_deals.web.server import connections
from keepa_deals.web.server.connections import Server

Application = Callable[..., Any]
ASK = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"
SHORT = 0.6


class Running:
    """A server in a thread of its own; ``gate`` holds up whoever asks for /wait."""

    def __init__(self, most: int, threads: int) -> None:
        self._opened: list[socket.socket] = []
        self.gate = threading.Event()
        self.ended = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.map: dict[int, Any] = {}
        self.dispatcher, probe = ThreadedTaskDispatcher(), ThreadedTaskDispatcher()
        self.dispatcher.set_thread_count(threads)
        probe.set_thread_count(1)
        self._pools = (self.dispatcher, probe)
        self.server = Server(
            self.application,
            self.map,
            True,
            self.listener,
            dispatcher=self.dispatcher,
            adj=Adjustments(
                threads=threads,
                connection_limit=10_000,
                outbuf_high_watermark=1 << 16,
                log_socket_errors=False,
            ),
            sockinfo=(self.listener.family, self.listener.type, 0, self.listener.getsockname()),
            bind_socket=False,
            probe=probe,
            most=most,
        )
        self._enough = threading.Event()
        self._loop = threading.Thread(target=self._run)
        self._loop.start()

    def application(self, environ: dict[str, Any], start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        if path == "/wait":
            self.gate.wait(30)
        body = {"/stream": self._endless, "/big": lambda: [b"x" * (8 << 20)]}.get(path, lambda: [b"ok"])()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return body

    def _endless(self) -> Iterator[bytes]:
        try:
            while True:
                yield b"x" * 16384
        finally:
            self.ended.set()

    def _run(self) -> None:
        while not self._enough.is_set():
            wasyncore.loop(timeout=0.02, use_poll=True, map=self.map, count=1)
            self.server.drop_overdue()

    def stop(self) -> None:
        self.gate.set()
        for one in self._opened:
            one.close()
        self._enough.set()
        self._loop.join()
        wasyncore.close_all(self.map)
        for pool in self._pools:
            pool.shutdown()

    def open(self, sent: bytes = b"", *, small: bool = False) -> socket.socket:
        one = socket.socket()
        self._opened.append(one)
        if small:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.settimeout(20)
        one.connect(self.listener.getsockname())
        one.sendall(sent)
        return one

    def ask(self, path: str) -> bytes:
        with self.open(ASK % path.encode()) as one:
            return one.recv(65536)

    def wait_for(self, holds: Callable[[], object]) -> None:
        deadline = time.monotonic() + 20
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.01)


@contextmanager
def running(most: int = 1000, threads: int = 2) -> Iterator[Running]:
    one = Running(most, threads)
    try:
        yield one
    finally:
        one.stop()


@pytest.fixture
def here() -> Iterator[Running]:
    with running() as one:
        yield one


@pytest.fixture(autouse=True)
def short_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    logging.getLogger("waitress").setLevel(logging.ERROR)
    for name in ("RECEIVE", "IDLE", "UNREAD"):
        monkeypatch.setattr(connections, name, SHORT)


def seconds_until_ended(one: socket.socket) -> float:
    began = time.monotonic()
    poll = select.poll()
    poll.register(one, select.POLLRDHUP)
    assert poll.poll(15_000), "the server keeps it open"
    return time.monotonic() - began


def test_a_connection_that_says_nothing_is_ended(here: Running) -> None:
    with here.open() as one:
        assert SHORT * 0.8 < seconds_until_ended(one) < 10


def trickle(one: socket.socket, piece: bytes) -> None:
    """Sends a piece again and again until the server has had enough."""
    began = time.monotonic()
    while time.monotonic() - began < 15:
        one.sendall(piece)
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("begins", "piece"),
    [
        (b"GET / HTTP/1.1\r\n", b"X-A: b\r\n"),
        (b"", b"\r\n"),
        (b"", b"a"),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n", b"a"),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    ],
    ids=["headers", "empty lines", "one line", "body", "chunks"],
)
def test_a_request_that_trickles_is_ended_although_something_comes_all_the_time(
    here: Running, begins: bytes, piece: bytes
) -> None:
    with here.open(begins) as one, pytest.raises(ConnectionError):
        trickle(one, piece)


def test_a_stream_that_nobody_reads_is_ended_and_its_thread_let_go(here: Running) -> None:
    with here.open(ASK % b"/stream", small=True) as one:
        assert seconds_until_ended(one) < 10
        assert here.ended.wait(10), "the view goes on for nobody"
    assert b"200 OK" in here.ask("/")


def test_an_answer_that_nobody_reads_costs_no_thread(here: Running) -> None:
    unread = [here.open(ASK % b"/big", small=True) for _ in range(6)]
    assert b"200 OK" in here.ask("/")
    for one in unread:
        assert seconds_until_ended(one) < 10
        one.close()


def test_a_reader_who_takes_a_byte_now_and_then_is_ended(here: Running) -> None:
    with here.open(ASK % b"/stream", small=True) as one:
        began = time.monotonic()
        while not here.ended.is_set():
            assert time.monotonic() - began < 15
            one.recv(64)
            time.sleep(0.05)


def test_a_request_that_takes_long_is_waited_for(here: Running) -> None:
    with here.open(ASK % b"/wait") as one:
        time.sleep(SHORT * 3)
        here.gate.set()
        assert one.recv(4096).startswith(b"HTTP/1.1 200")


def test_a_connection_serves_one_request_after_the_other(here: Running) -> None:
    with here.open() as one:
        for _ in range(20):
            one.sendall(ASK % b"/")
            said = b""
            while not said.endswith(b"ok"):
                said += one.recv(4096)
            assert said.startswith(b"HTTP/1.1 200")


def test_requests_before_the_answer_are_refused(here: Running) -> None:
    with here.open(ASK % b"/wait" + (ASK % b"/big") * 100) as one:
        here.gate.set()
        said = b""
        while piece := one.recv(65536):
            said += piece
    assert said.count(b"HTTP/1.1 200") == 1
    assert b"one request at a time" in said
    assert len(said) < 10_000


def test_the_probe_is_answered_while_every_thread_is_busy(here: Running) -> None:
    held = [here.open(ASK % b"/wait") for _ in range(5)]
    here.wait_for(lambda: len(here.dispatcher.queue) == 3)
    assert b"200 OK" in here.ask("/healthz")
    for one in held:
        one.close()


def test_too_many_waiting_requests_are_told_to_come_again(
    here: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_WAITING", 3)
    held = [here.open(ASK % b"/wait") for _ in range(2)]
    here.wait_for(lambda: here.server.taken == 2 and not here.dispatcher.queue)
    held += [here.open(ASK % b"/wait") for _ in range(3)]
    here.wait_for(lambda: len(here.dispatcher.queue) == 3)
    said = here.ask("/")
    assert said.startswith(b"HTTP/1.1 503")
    assert b"Retry-After: 5" in said
    here.gate.set()
    for one in held:
        assert one.recv(4096).startswith(b"HTTP/1.1 200")
        one.close()
    assert b"200 OK" in here.ask("/")


def test_at_the_limit_a_newcomer_takes_the_place_of_who_has_waited_longest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "IDLE", 60)
    with running(most=10) as here:
        idle = []
        for number in range(10):
            idle.append(here.open())
            here.wait_for(lambda wanted=number + 1: len(here.server.active_channels) == wanted)
        assert b"200 OK" in here.ask("/")
        assert seconds_until_ended(idle[0]) < 5
        assert select.select(idle[2:], [], [], 0)[0] == []
        for one in idle:
            one.close()


def test_room_is_made_by_the_reader_who_has_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE", 60)
    with running(most=6) as here:
        alone = here.open()
        here.wait_for(lambda: len(here.server.active_channels) == 1)
        here.server.connections()[0].reader = "another network"
        crowd = [here.open() for _ in range(12)]
        here.wait_for(lambda: len(here.server.active_channels) <= 6)
        alone.sendall(ASK % b"/")
        assert alone.recv(4096).startswith(b"HTTP/1.1 200")
        for one in (alone, *crowd):
            one.close()


def test_a_server_about_to_stop_says_so_with_its_answer(here: Running) -> None:
    here.server.stopping = True
    assert b"Connection: close" in here.ask("/")


def test_a_server_is_stuck_when_others_wait_and_nothing_is_answered(here: Running) -> None:
    assert not here.server.is_stuck(0)
    held = [here.open(ASK % b"/wait") for _ in range(3)]
    here.wait_for(lambda: len(here.dispatcher.queue) == 1)
    here.wait_for(lambda: here.server.is_stuck(0.2))
    here.gate.set()
    here.wait_for(lambda: not here.server.is_stuck(0.2))
    for one in held:
        one.close()
