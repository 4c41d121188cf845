"""The port that a server of our own gets."""

from __future__ import annotations

import socket

import pytest

from keepa_deals.deployment import ports


@pytest.mark.parametrize(("lent_from", "below"), [(32_768, 32_768), (15_000, 15_000), (1024, 65_536)])
def test_it_is_free_and_no_client_is_lent_it(
    monkeypatch: pytest.MonkeyPatch, lent_from: int, below: int
) -> None:
    """Some machines lend clients all ports from 1024 on: then it is one of those."""
    monkeypatch.setattr(ports, "_lent_from", lambda: lent_from)
    found = {ports.free_port() for _ in range(20)}
    assert max(found) < below
    assert len(found) > 1
    port = found.pop()
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
