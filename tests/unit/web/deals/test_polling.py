"""What an open page is told."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from keepa_deals.db.models import Deal
from keepa_deals.deals.kinds import EndedReason
from keepa_deals.ingest.upsert import run as upsert
from keepa_deals.query.parameters import MAX_TEXT
from keepa_deals.query.view import MAX_LIMIT
from keepa_deals.web.services import EXTENSION
from tests.support.servers.dashboard import dashboard
from tests.support.world import World

Stock = Callable[..., None]


def count(page: str) -> int:
    found = re.search(r'data-count="(\d+)"', page)
    assert found
    return int(found[1])


def known_since(client: FlaskClient, address: str = "/") -> str:
    """From when on the page asks for news."""
    found = re.search(r'data-since="([^"]+)"', client.get(address).text)
    assert found
    return found[1]


def test_deals_that_come_later_are_counted_not_shown(client: FlaskClient, stock: Stock, world: World) -> None:
    stock(2)
    since = known_since(client)
    world.clock.pass_time(timedelta(minutes=1))
    stock(5)
    page = client.get("/live", query_string={"since": since, "keys": "1-B000000000,1-B000000001"}).text
    assert count(page) == 3
    assert "3 new deals" in page
    assert re.findall(r'data-key="([^"]+)"', page) == ["1-B000000000", "1-B000000001"]


def test_new_deals_count_by_the_filters_of_the_view(client: FlaskClient, stock: Stock, world: World) -> None:
    stock(1)
    since = known_since(client)
    world.clock.pass_time(timedelta(minutes=1))
    stock(5)
    page = client.get("/live", query_string={"since": since, "price_max": "10.01"}).text
    assert count(page) == 1


@pytest.mark.parametrize(("minutes", "new"), [(10, 0), (70, 1)])
def test_a_deal_that_comes_back_counts_as_new_unless_it_was_there_a_moment_ago(
    client: FlaskClient, stock: Stock, world: World, minutes: int, new: int
) -> None:
    stock(1)
    since = known_since(client)
    world.clock.pass_time(timedelta(minutes=90))
    with world.database.begin() as session:
        ended = {"ended_at": world.clock.now(), "ended_reason": EndedReason.OUT_OF_STOCK}
        session.execute(update(Deal).values(ended))
    world.clock.pass_time(timedelta(minutes=minutes))
    upsert.run(world.context)
    assert count(client.get("/live", query_string={"since": since}).text) == new


def test_what_was_there_before_is_not_new(client: FlaskClient, stock: Stock, world: World) -> None:
    stock(2)
    since = known_since(client)
    world.clock.pass_time(timedelta(minutes=90))  # both are stale: nobody looked
    stock(2, created=world.clock.now(), price=900)  # and are seen again, at another price
    page = client.get("/live", query_string={"since": since, "keys": "1-B000000000"}).text
    assert count(page) == 0
    assert "$9.00" in page
    assert 'class="live new"' not in client.get("/", query_string={"since": since}).text


def test_what_the_copy_had_not_seen_when_the_page_was_made_is_announced(
    client: FlaskClient, stock: Stock, world: World
) -> None:
    stock(1)
    cache = client.application.extensions[EXTENSION].column_cache
    cache.step()
    world.clock.pass_time(timedelta(seconds=1))
    stock(3)
    world.clock.pass_time(timedelta(seconds=1))
    since = known_since(client)
    cache.step()
    assert count(client.get("/live", query_string={"since": since}).text) == 2


@pytest.mark.parametrize("copied", [False, True])
@pytest.mark.parametrize("before", [0, 1])
def test_what_was_on_its_way_when_the_page_was_made_is_announced(
    client: FlaskClient, stock: Stock, world: World, copied: bool, before: int
) -> None:
    """Its writer had read the clock, and waited for its turn to write."""
    cache = client.application.extensions[EXTENSION].column_cache
    if before:
        stock(before)
    world.clock.pass_time(timedelta(seconds=9))
    if copied:
        cache.step()
    since = known_since(client)
    world.clock.jump(timedelta(seconds=-4))
    stock(3)
    world.clock.jump(timedelta(seconds=4))
    if copied:
        cache.step()
    page = client.get("/live", query_string={"since": since}).text
    assert count(page) == 3 - before
    (link,) = re.findall(r'id="news" class="button" href="([^"]+)"', page)
    assert len(re.findall(r'class="live new"', client.get(unescape(link)).text)) == 3 - before


@pytest.mark.parametrize("copied", [False, True])
def test_an_event_from_the_future_does_not_keep_news_back(
    client: FlaskClient, stock: Stock, world: World, copied: bool
) -> None:
    world.clock.jump(timedelta(days=1))
    stock(1)
    world.clock.jump(timedelta(days=-1))
    if copied:
        client.application.extensions[EXTENSION].column_cache.step()
    since = known_since(client)
    world.clock.pass_time(timedelta(seconds=1))
    stock(3)
    assert count(client.get("/live", query_string={"since": since}).text) >= 2


def test_a_word_announces_deals_that_write_it_in_capitals(
    client: FlaskClient, stock: Stock, world: World
) -> None:
    since = known_since(client, "/?q=öl")
    world.clock.pass_time(timedelta(minutes=1))
    stock(2, title="ÖL FÜR MÖBEL")
    page = client.get("/live", query_string={"q": "öl", "since": since}).text
    assert count(page) == 2
    assert "<strong>2</strong>" in page


def test_a_deal_that_left_the_view_is_still_told(client: FlaskClient, stock: Stock, world: World) -> None:
    stock(1)
    world.clock.pass_time(timedelta(minutes=90))
    page = client.get("/live", query_string={"keys": "1-B000000000"}).text
    assert '<b class="badge stale">stale</b>' in page


def test_the_marked_deals_are_those_that_are_newer(client: FlaskClient, stock: Stock, world: World) -> None:
    stock(1)
    since = known_since(client)
    world.clock.pass_time(timedelta(minutes=1))
    stock(3)
    page = client.get("/", query_string={"since": since}).text
    assert len(re.findall(r'class="live new"', page)) == 2


def test_the_server_answers_the_longest_question_of_an_open_page(world: World, tmp_path: Path) -> None:
    keys = ",".join(f"1-B{number:09d}" for number in range(MAX_LIMIT))
    query = {
        "q": "日" * MAX_TEXT,
        "limit": MAX_LIMIT,
        "since": "2026-03-01T12:00:00.123456+00:00",
        "keys": keys,
    }
    with (
        dashboard(tmp_path) as address,
        urllib.request.urlopen(f"{address}/live?{urlencode(query)}", timeout=30) as answer,
    ):
        assert answer.status == 200


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
