"""Names that lead to loopback: a page elsewhere may give itself one (DNS rebinding)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from keepa_deals.settings import Settings
from keepa_deals.web.app import create_app
from keepa_deals.web.services import EXTENSION
from tests.support.world import World

Open = Callable[..., FlaskClient]


@contextmanager
def behind(proxies: int, home: Path, world: World) -> Iterator[FlaskClient]:
    """A dashboard without a password on loopback, with so many proxies in front."""
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        keepa_deals_home=home,
        dashboard_trusted_hosts="deals.example.org",
        dashboard_proxies=proxies,
    )
    app = create_app(settings, clock=world.clock)
    yield app.test_client()
    app.extensions[EXTENSION].engine.dispose()


@pytest.mark.parametrize("proxies", [0, 1, 2])
@pytest.mark.parametrize(
    "forwarded", ["", "localhost", "127.0.0.1:8000", "deals.example.org", "localhost, localhost"]
)
@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "[::1", "localhost.evil.example", ""])
def test_a_strange_name_reads_nothing_whatever_is_said_to_have_been_forwarded(
    tmp_path: Path, world: World, proxies: int, forwarded: str, host: str
) -> None:
    with behind(proxies, tmp_path, world) as reader:
        headers = {"Host": host, **({"X-Forwarded-Host": forwarded} if forwarded else {})}
        for path in ("/", "/api/deals", "/metrics"):
            assert reader.get(path, headers=headers).status_code == 400


@pytest.mark.parametrize(
    ("host", "forwarded"),
    [
        ("127.0.0.1:8000", "deals.example.org"),  # a proxy that asks for its upstream by address
        ("deals.example.org", "deals.example.org"),  # one that passes the name on
        ("deals.example.org", None),
        ("localhost:8000", None),
    ],
)
def test_a_proxy_of_ours_is_served(tmp_path: Path, world: World, host: str, forwarded: str | None) -> None:
    with behind(1, tmp_path, world) as reader:
        headers = {"Host": host, **({"X-Forwarded-Host": forwarded} if forwarded else {})}
        assert reader.get("/api/deals", headers=headers).status_code == 200


def test_a_strange_name_that_is_forwarded_is_refused(tmp_path: Path, world: World) -> None:
    with behind(1, tmp_path, world) as reader:
        headers = {"Host": "127.0.0.1:8000", "X-Forwarded-Host": "evil.example"}
        assert reader.get("/api/deals", headers=headers).status_code == 400
