"""A dashboard over a small table of deals, at a fixed moment."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from keepa_deals.ingest.backfill import run as backfill
from keepa_deals.ingest.upsert import run as upsert
from keepa_deals.people.access_file import AccessFile
from keepa_deals.people.person import Register
from keepa_deals.settings import Settings
from keepa_deals.web.app import create_app
from keepa_deals.web.services import EXTENSION
from tests.support.people import People, quick_passwords
from tests.support.world import START, World, make_deal, make_world


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path / "deals.db")


@pytest.fixture
def client(world: World, tmp_path: Path) -> Iterator[FlaskClient]:
    """A reader of the dashboard. Redis is not there, which no page may mind."""
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        keepa_api_key="k" * 64,  # type: ignore[arg-type]
        keepa_deals_home=tmp_path,
        redis_url=f"unix://{tmp_path}/none.sock",  # type: ignore[arg-type]
    )
    AccessFile(tmp_path).mirror(Register())  # as a start does
    app = create_app(settings, clock=world.clock)
    yield app.test_client()
    app.extensions[EXTENSION].engine.dispose()
    world.database.close()


@pytest.fixture
def send(client: FlaskClient) -> Callable[..., TestResponse]:
    """Sends a form as a page of ours does."""

    def go(address: str, data: dict[str, str]) -> TestResponse:
        found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/health").text)
        assert found
        return client.post(address, data={**data, "csrf_token": found[1]})

    return go


@pytest.fixture
def stock(world: World) -> Callable[..., None]:
    """Lets deals into the table: numbered, a minute apart, each a little dearer."""

    def bring(count: int, *, title: str | None = None, enrich: bool = False, **changes: Any) -> None:
        for number in range(count):
            deal = make_deal(
                f"B{number:09d}",
                **{"created": START - timedelta(minutes=number), "price": 1000 + number, **changes},
            )
            if title is not None:
                object.__setattr__(deal, "title", title)
            world.keepa.list(deal)
        upsert.run(world.context)
        if enrich:
            backfill.run_slice(world.context)

    return bring


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> People:
    """The people of the dashboard that ``client`` reads."""
    quick_passwords(monkeypatch)
    return People(tmp_path)
