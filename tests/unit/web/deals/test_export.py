"""A view as CSV, as JSON and as a feed: the same deals in the same order, and nothing that runs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta
from xml.etree import ElementTree as Xml

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from keepa_deals.db.models import Deal
from keepa_deals.query.parse import parse_view
from keepa_deals.web.deals import export
from keepa_deals.web.services import EXTENSION
from tests.support.world import World

Stock = Callable[..., None]
ATOM = {"a": "http://www.w3.org/2005/Atom"}


def lines(client: FlaskClient, query: str = "") -> list[dict[str, str]]:
    text = client.get(f"/export.csv?{query}").data.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def entries(client: FlaskClient, query: str = "") -> list[Xml.Element]:
    return Xml.fromstring(client.get(f"/feed.atom?{query}").data).findall("a:entry", ATOM)


@pytest.mark.parametrize("query", ["", "sort=price&order=desc", "price_max=10.30", "q=B000000007"])
def test_the_files_hold_all_deals_of_the_view_in_its_order(
    client: FlaskClient, stock: Stock, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "CHUNK", 7)
    stock(40)
    body = client.get(f"/api/deals?limit=200&{query}").json
    assert body is not None
    wanted = [deal["asin"] for deal in body["deals"]]
    assert [line["asin"] for line in lines(client, query)] == wanted
    exported = json.loads(client.get(f"/export.json?{query}").data)
    assert exported["deals"] == body["deals"]
    assert exported["as_of"] == "2026-03-01T12:00:00Z"
    feed = Xml.fromstring(client.get(f"/feed.atom?limit=200&{query}").data)
    links = [e.find("a:link[@rel='alternate']", ATOM) for e in feed.findall("a:entry", ATOM)]
    assert [link.get("href") for link in links if link is not None] == [
        f"http://localhost/deals/1/{asin}" for asin in wanted
    ]


def test_a_file_holds_each_deal_once_though_their_order_changes_meanwhile(
    client: FlaskClient, stock: Stock, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "CHUNK", 2)
    stock(6)
    here = client.application.extensions[EXTENSION]
    here.column_cache.step()
    view = parse_view({"sort": ["price"], "order": ["asc"]}, domain_id=1)
    rows = export._read(here, view, here.as_of(), None)
    found = [next(rows).row.asin, next(rows).row.asin]
    world.clock.pass_time(timedelta(seconds=1))
    with world.database.begin() as session:
        for asin, price in (("B000000005", 1), ("B000000000", 9_999)):
            changed = update(Deal).where(Deal.asin == asin)
            session.execute(changed.values(price=price, changed_at=world.clock.now()))
    here.column_cache.step()
    assert found + [deal.row.asin for deal in rows] == [f"B{number:09d}" for number in range(6)]


def test_an_empty_view_is_a_whole_file(client: FlaskClient) -> None:
    assert lines(client) == []
    assert json.loads(client.get("/export.json").data)["deals"] == []
    assert entries(client) == []


def test_a_file_is_named_for_its_moment_and_typed(client: FlaskClient, stock: Stock) -> None:
    stock(1)
    answer = client.get("/export.csv")
    assert answer.content_type == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == "attachment; filename=keepa-deals-20260301-1200.csv"
    (line,) = lines(client)
    assert (line["price"], line["price_avg_90"], line["currency"]) == ("10.00", "30.00", "USD")
    assert (line["status"], line["last_seen_at"]) == ("live", "2026-03-01T12:00:00Z")


@pytest.mark.parametrize(
    "title",
    ["=HYPERLINK(1)", "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1+1", "\r\n=1+1", "%0A=1", "|x"],
)
def test_no_cell_of_the_csv_begins_as_a_formula(client: FlaskClient, stock: Stock, title: str) -> None:
    stock(1, title=title)
    (line,) = lines(client)
    assert line["title"].startswith("'")


def test_markup_and_broken_characters_of_titles_are_text_in_the_feed(
    client: FlaskClient, stock: Stock
) -> None:
    title = "</title><script>alert(1)</script> & \x0b\ufffe ]]> Tisch"
    stock(1, title=title)
    (entry,) = entries(client)
    found = entry.findtext("a:title", "", ATOM)
    assert found.startswith("</title><script>alert(1)</script> & \ufffd\ufffd ]]> Tisch – $10.00")
    assert b"<script" not in client.get("/feed.atom").data


def test_a_feed_stays_the_same_until_a_deal_changes(client: FlaskClient, stock: Stock, world: World) -> None:
    stock(2)
    tag = client.get("/feed.atom").headers["ETag"]
    assert client.get("/feed.atom", headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize("path", ["/export.csv", "/export.json", "/feed.atom"])
def test_a_wrong_parameter_is_a_400_that_names_it(client: FlaskClient, path: str) -> None:
    answer = client.get(f"{path}?price_min=abc")
    assert answer.status_code == 400
    assert "price_min" in answer.text


def test_the_page_links_its_own_view(client: FlaskClient, stock: Stock) -> None:
    stock(1)
    page = client.get("/?q=title&sort=price").text
    for path in ("/export.csv", "/export.json", "/feed.atom"):
        assert f'href="{path}?q=title&amp;sort=price"' in page
