"""'Found' is when we first saw a deal, or its return; Keepa's date is how long its price has stood."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from keepa_deals.db.models import Deal
from keepa_deals.deals.ended_reasons import ENDED_REASONS
from keepa_deals.deals.kinds import EndedReason
from keepa_deals.ingest.upsert import run as upsert
from keepa_deals.query.cursor import Cursor, decode_cursor
from keepa_deals.query.parse import parse_view
from keepa_deals.query.sorts import Order
from keepa_deals.web.services import EXTENSION
from tests.support.world import START, World, make_deal

Stock = Callable[..., None]
ATOM = {"a": "http://www.w3.org/2005/Atom"}


@pytest.fixture
def repriced(client: FlaskClient, world: World) -> FlaskClient:
    """B…0 was found first and has a new price since; B…1 was found five hours later."""
    old = START - timedelta(days=3)
    world.keepa.list(make_deal("B000000000", created=old))
    upsert.run(world.context)
    world.clock.pass_time(timedelta(hours=5))
    world.keepa.list(make_deal("B000000000", created=world.clock.now(), price=1200))
    world.keepa.list(make_deal("B000000001", created=START))
    upsert.run(world.context)
    return client


def asins(client: FlaskClient, query: str) -> list[str]:
    return [deal["asin"] for deal in (client.get(f"/api/deals?{query}").json or {})["deals"]]


@pytest.mark.parametrize("by_copy", [False, True], ids=["database", "copy"])
def test_views_follow_when_a_deal_was_found_and_when_its_price_changed(
    repriced: FlaskClient, by_copy: bool
) -> None:
    if by_copy:
        repriced.application.extensions[EXTENSION].column_cache.step()
    assert asins(repriced, "") == ["B000000001", "B000000000"]
    assert asins(repriced, "sort=price_since") == ["B000000000", "B000000001"]
    assert asins(repriced, "found_within=1") == ["B000000001"]
    assert asins(repriced, "price_changed_within=1") == ["B000000000"]
    assert asins(repriced, "found_within=6&price_changed_within=6") == ["B000000001", "B000000000"]


@pytest.mark.parametrize("by_copy", [False, True], ids=["database", "copy"])
def test_deals_found_on_one_page_are_newest_first_by_keepas_date_from_page_to_page(
    client: FlaskClient, world: World, by_copy: bool
) -> None:
    ages = {"B000000000": 3, "B000000001": 1, "B000000002": 4, "B000000003": 2, "B000000004": 5}
    for asin, hours in ages.items():
        world.keepa.list(make_deal(asin, created=START - timedelta(hours=hours)))
    upsert.run(world.context)
    if by_copy:
        client.application.extensions[EXTENSION].column_cache.step()
    expected = sorted(ages, key=ages.__getitem__)
    assert asins(client, "") == expected
    assert asins(client, "order=asc") == expected[::-1]
    first = client.get("/api/deals?limit=3").json or {}
    assert [deal["asin"] for deal in first["deals"]] + asins(
        client, f"limit=3&cursor={first['next']}"
    ) == expected


def test_the_api_tells_both_and_says_which_is_which(repriced: FlaskClient) -> None:
    deal = (repriced.get("/api/deals/1/B000000000").json or {})["deal"]
    assert deal["found_at"] == deal["first_seen_at"] == "2026-03-01T12:00:00Z"
    assert deal["deal_created_at"] == "2026-03-01T17:00:00Z"
    described: Any = repriced.get("/api/openapi.json").json
    told = described["components"]["schemas"]["Deal"]["properties"]
    assert "price last changed" in told["deal_created_at"]["description"]
    assert "first seen here" in told["found_at"]["description"]


def test_a_deal_is_one_entry_of_the_feed_whatever_becomes_of_its_price(
    client: FlaskClient, stock: Stock, world: World
) -> None:
    def entry() -> dict[str, str | None]:
        (found,) = Xml.fromstring(client.get("/feed.atom").data).findall("a:entry", ATOM)
        return {name: found.findtext(f"a:{name}", None, ATOM) for name in ("id", "published", "updated")}

    stock(1)
    before = entry()
    assert before["id"] == "urn:keepa-deals:1:B000000000"
    world.clock.pass_time(timedelta(minutes=10))
    stock(1, created=world.clock.now(), price=900)
    after = entry()
    assert (after["id"], after["published"]) == (before["id"], before["published"])
    assert str(after["updated"]) > str(before["updated"])


def test_a_file_tells_both(repriced: FlaskClient) -> None:
    text = repriced.get("/export.csv").get_data(as_text=True).removeprefix("\ufeff")
    lines = {line["asin"]: line for line in csv.DictReader(io.StringIO(text))}
    assert lines["B000000000"]["found_at"] == "2026-03-01T12:00:00Z"
    assert lines["B000000000"]["price_since"] == "2026-03-01T17:00:00Z"


def test_pages_tell_both(repriced: FlaskClient) -> None:
    page = repriced.get("/deals/1/B000000000").text
    assert "5 h ago</time>, price since" in page
    listed = repriced.get("/?status=all").text
    assert 'since <time datetime="2026-03-01T17:00:00Z"' in listed
    assert 'data-label="Found"><time datetime="2026-03-01T12:00:00Z"'.replace(" ", "") in listed.replace(
        "\n", ""
    ).replace(" ", "")


def test_views_and_cursors_of_before_go_on_working() -> None:
    view = parse_view({"sort": ["found"], "found_within": ["6"]}, domain_id=1)
    assert view.query() == "found_within=6"
    token = Cursor("found", Order.DESC, START, 1, "B000000000").encode()
    assert decode_cursor(token, "found", Order.DESC).value == START


@pytest.mark.parametrize("by_copy", [False, True], ids=["database", "copy"])
def test_ended_deals_can_be_chosen_by_why_they_ended(
    client: FlaskClient, stock: Stock, world: World, by_copy: bool
) -> None:
    stock(len(EndedReason) + 1)
    with world.database.begin() as session:
        for number, reason in enumerate(EndedReason):
            ended = update(Deal).where(Deal.asin == f"B{number:09d}")
            session.execute(ended.values(ended_at=world.clock.now(), ended_reason=reason))
    if by_copy:
        client.application.extensions[EXTENSION].column_cache.step()
    for number, reason in enumerate(EndedReason):
        assert asins(client, f"status=ended&ended_reason={reason}") == [f"B{number:09d}"]
        page = client.get(f"/deals/1/B{number:09d}").text
        assert ENDED_REASONS[reason].replace("’", "’") in page
        assert ENDED_REASONS[reason][1:] in client.get(f"/?status=ended&ended_reason={reason}").text
    assert client.get("/api/deals?ended_reason=tired").status_code == 400
