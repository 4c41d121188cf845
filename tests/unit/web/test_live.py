"""What an open page is told."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from keepa_deals.ingest import recent
from tests.unit.ingest.fakes import World

Stock = Callable[..., None]


def count(page: str) -> int:
    found = re.search(r'data-count="(\d+)"', page)
    assert found
    return int(found[1])


def made_at(client: FlaskClient, address: str = "/") -> str:
    found = re.search(r'data-at="([^"]+)"', client.get(address).text)
    assert found
    return found[1]


def test_deals_that_come_later_are_counted_not_shown(client: FlaskClient, stock: Stock, world: World) -> None:
    stock(2)
    since = made_at(client)
    world.clock.pass_time(timedelta(minutes=1))
    stock(5)
    page = client.get("/live", query_string={"since": since, "keys": "1-B000000000,1-B000000001"}).text
    assert count(page) == 3
    assert "3 new deals" in page
    assert re.findall(r'data-key="([^"]+)"', page) == ["1-B000000000", "1-B000000001"]


def test_new_deals_count_by_the_filters_of_the_view(client: FlaskClient, stock: Stock, world: World) -> None:
    stock(1)
    since = made_at(client)
    world.clock.pass_time(timedelta(minutes=1))
    stock(5)
    page = client.get("/live", query_string={"since": since, "price_max": "10.01"}).text
    assert count(page) == 1


def test_a_deal_that_comes_back_counts_as_new(client: FlaskClient, stock: Stock, world: World) -> None:
    stock(1)
    world.clock.pass_time(timedelta(minutes=90))
    since = made_at(client)
    world.clock.pass_time(timedelta(minutes=1))
    recent.run(world.context)
    assert count(client.get("/live", query_string={"since": since}).text) == 1


def test_a_deal_that_left_the_view_is_still_told(client: FlaskClient, stock: Stock, world: World) -> None:
    stock(1)
    world.clock.pass_time(timedelta(minutes=90))
    page = client.get("/live", query_string={"keys": "1-B000000000"}).text
    assert '<b class="badge stale">stale</b>' in page


def test_the_marked_deals_are_those_that_are_newer(client: FlaskClient, stock: Stock, world: World) -> None:
    stock(1)
    since = made_at(client)
    world.clock.pass_time(timedelta(minutes=1))
    stock(3)
    page = client.get("/", query_string={"since": since}).text
    assert len(re.findall(r'class="live new"', page)) == 2


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-01-01T00:00:00"}, "since"),
        ({"keys": "1-B000000000;drop"}, "keys"),
        ({"keys": "1-b000000000"}, "keys"),
        ({"keys": ",".join(["1-B000000000"] * 201)}, "keys"),
    ],
)
def test_a_wrong_question_is_named(client: FlaskClient, query: dict[str, str], named: str) -> None:
    answer = client.get("/live", query_string=query)
    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["error"]["parameter"] == named
