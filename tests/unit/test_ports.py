"""The port that a server of our own gets."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from keepa_deals.ops import ports


def test_it_is_free_and_no_client_is_lent_it() -> None:
    lent_from = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    port = ports.free_port()
    assert port < lent_from
    with socket.socket() as server:
        server.bind(("127.0.0.1", port))


def test_a_taken_one_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        taken = server.getsockname()[1]
        free = ports.free_port()
        drawn = iter([taken, taken, free])
        monkeypatch.setattr(ports.random, "randrange", lambda *_: next(drawn))
        assert ports.free_port() == free


def test_it_says_so_when_none_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        monkeypatch.setattr(ports.random, "randrange", lambda *_: server.getsockname()[1])
        with pytest.raises(OSError, match="all are taken"):
            ports.free_port()
