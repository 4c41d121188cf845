"""Connections that hold a server up: idle, trickling, unread. Each that the server ends is opened anew.

    .venv/bin/python -m tests.support.slow_connections http://127.0.0.1:8000 [--idle 50] [--headers 50] …

Runs until its standard input ends, then prints what came of them as JSON.
"""

from __future__ import annotations

import argparse
import json
import select
import selectors
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

KINDS = ("idle", "headers", "body", "unread", "many")
TRICKLE = 2.0
"""Seconds between two pieces of what trickles."""
SMALL_BUFFER = 4096
"""What an unread connection takes in; the rest stays with the server."""


@dataclass
class Slow:
    """One connection of a kind; ``host`` is what it states as such."""

    kind: str
    host: str
    unread: str = "/export.csv?status=all"
    socket: socket.socket | None = None
    opened: int = 0
    lasted: list[float] = field(default_factory=list)
    _since: float = 0.0

    def open(self, address: tuple[str, int]) -> None:
        self.socket = socket.socket()
        if self.kind in ("unread", "many"):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        self.socket.settimeout(20)
        self.socket.connect(address)
        self.opened += 1
        self._since = time.monotonic()
        self.socket.sendall(self.beginning())
        self.socket.setblocking(False)

    def beginning(self) -> bytes:
        host = f"Host: {self.host}\r\n"
        return {
            "idle": "",
            "headers": f"GET / HTTP/1.1\r\n{host}",
            "body": f"POST /login HTTP/1.1\r\n{host}Content-Length: 60000\r\n\r\n",
            "unread": f"GET {self.unread} HTTP/1.1\r\n{host}\r\n",
            "many": f"GET / HTTP/1.1\r\n{host}\r\n" * 50,
        }[self.kind].encode()

    def trickle(self) -> None:
        if self.socket is not None and self.kind in ("headers", "body"):
            self.socket.send(b"X-A: b\r\n" if self.kind == "headers" else b"a")

    def has_ended(self) -> bool:
        """Whether the server ended it; what it says otherwise stays unread where that is the kind's point."""
        assert self.socket is not None
        if self.kind in ("unread", "many"):
            poll = select.poll()
            poll.register(self.socket, select.POLLRDHUP)
            return bool(poll.poll(0))
        try:
            return self.socket.recv(65536) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None
            self.lasted.append(time.monotonic() - self._since)


def hold(slow: list[Slow], address: tuple[str, int], ended: Callable[[], bool]) -> dict[str, object]:
    """Keep them all open until ``ended``; what came of them."""
    refused: Counter[str] = Counter()
    while not ended():
        for one in slow:
            try:
                if one.socket is not None and one.has_ended():
                    one.close()
                if one.socket is None:
                    one.open(address)
                one.trickle()
            except OSError as error:
                refused[type(error).__name__] += 1
                one.close()
    return summary(slow, refused)


def summary(slow: list[Slow], refused: Counter[str]) -> dict[str, object]:
    kinds = {}
    for kind in KINDS:
        of_kind = [one for one in slow if one.kind == kind]
        lasted = [seconds for one in of_kind for seconds in one.lasted]
        if of_kind:
            kinds[kind] = {
                "connections": len(of_kind),
                "opened": sum(one.opened for one in of_kind),
                "ended": len(lasted),
                "lasted_most": round(max(lasted, default=0.0), 1),
            }
    return {"kinds": kinds, "errors": dict(refused)}


@contextmanager
def slow_connections(address: str, **counts: int) -> Iterator[Callable[[], dict[str, object]]]:
    """So many of each kind, in a process of their own. Gives what ends them and tells of them."""
    flags = [f"--{kind}={count}" for kind, count in counts.items()]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.slow_connections", address, *flags],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None

    def end() -> dict[str, object]:
        said, _ = process.communicate(timeout=60)
        return dict(json.loads(said.splitlines()[-1]))

    try:
        assert process.stdout.readline() == "open\n"
        yield end
    finally:
        process.kill()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    for kind in KINDS:
        parser.add_argument(f"--{kind}", type=int, default=0)
    options = parser.parse_args()
    parts = urlsplit(options.address)
    address = (parts.hostname or "127.0.0.1", parts.port or 80)
    slow = [Slow(kind, parts.netloc) for kind in KINDS for _ in range(getattr(options, kind))]
    for one in slow:
        one.open(address)
    print("open", flush=True)
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin, selectors.EVENT_READ)
        print(json.dumps(hold(slow, address, lambda: bool(selector.select(TRICKLE)))))


if __name__ == "__main__":
    main()
