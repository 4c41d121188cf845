"""Marks by the API: set, changed, taken away, filtered by, exported, and one's own."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import delete, update
from werkzeug.test import TestResponse

from keepa_deals.db.models import Deal, DealEvent, DealPoint
from keepa_deals.roles import Role, Scope
from tests.support.people import People
from tests.support.world import START, World

Stock = Callable[..., None]
ADDRESS = "/api/deals/1/B000000000/marks"
UNMARKED = {
    "star": False,
    "hide": False,
    "hide_brand": False,
    "hide_category": False,
    "hidden": False,
    "note": None,
    "bought": None,
}


def asins(client: FlaskClient, query: str = "", **headers: Any) -> list[str]:
    body = client.get(f"/api/deals?{query}", **headers).json
    assert body is not None
    assert len(body["deals"]) == body["total"]
    return sorted(deal["asin"] for deal in body["deals"])


def test_marks_are_set_changed_and_taken_away(client: FlaskClient, stock: Stock) -> None:
    stock(2)
    assert client.get(ADDRESS).json == UNMARKED
    assert client.patch(ADDRESS, json={"star": True, "note": " nice\r\none "}).json == {
        **UNMARKED,
        "star": True,
        "note": "nice\none",
    }
    bought = {"price": 999, "quantity": 3, "at": "2026-02-01T12:00:00+01:00"}
    told = {**bought, "at": "2026-02-01T11:00:00Z"}
    assert client.post(ADDRESS, json={"bought": bought}).json == {
        **UNMARKED,
        "star": True,
        "note": "nice\none",
        "bought": told,
    }
    assert client.put(ADDRESS, json={"hide": True}).json == {**UNMARKED, "hide": True, "hidden": True}
    assert client.delete(ADDRESS).json == UNMARKED
    assert client.get("/api/deals/1/B000000000").json["deal"]["marks"] == UNMARKED  # type: ignore[index]


def test_hidden_deals_are_left_out_and_counted_until_they_are_cheap_enough(
    client: FlaskClient, stock: Stock, world: World
) -> None:
    stock(3)
    client.patch(ADDRESS, json={"hide": {"until_cheaper_percent": 10}})
    body = client.get("/api/deals").json
    assert body is not None
    assert (body["total"], body["hidden"]) == (2, 1)
    assert asins(client, "marked=hidden") == ["B000000000"]
    assert len(asins(client, "marked=any")) == 3
    with world.database.begin() as session:
        session.execute(update(Deal).where(Deal.asin == "B000000000").values(price=900))
    assert len(asins(client)) == 3
    assert client.get(ADDRESS).json == {**UNMARKED, "hide": {"until_cheaper_percent": 10}}


@pytest.mark.parametrize(
    ("marks", "query"),
    [
        ({"star": True}, "starred"),
        ({"bought": {"price": 1}}, "bought"),
        ({"note": "x"}, "noted"),
        ({"hide_category": True}, "hidden"),
    ],
)
def test_views_filter_by_marks(
    client: FlaskClient, stock: Stock, world: World, marks: dict[str, Any], query: str
) -> None:
    stock(3)
    with world.database.begin() as session:
        session.execute(update(Deal).where(Deal.asin == "B000000000").values(root_category=77))
    assert client.patch(ADDRESS, json=marks).status_code == 200
    assert asins(client, f"marked={query}") == ["B000000000"]
    (deal,) = client.get(f"/api/deals?marked={query}").json["deals"]  # type: ignore[index]
    assert deal["marks"] == client.get(ADDRESS).json


def test_a_mark_outlives_its_deal(client: FlaskClient, stock: Stock, world: World) -> None:
    stock(1)
    client.patch("/api/deals/1/B000000000/marks", json={"note": "kept"})
    with world.database.begin() as session:
        for table in (DealEvent, DealPoint, Deal):
            session.execute(delete(table))
    assert client.get(ADDRESS).json == {**UNMARKED, "note": "kept"}
    assert client.get("/api/deals/1/B000000001/marks").status_code == 404
    assert client.patch("/api/deals/1/B000000001/marks", json={"star": True}).status_code == 404


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({"star": "yes"}, "star"),
        ({"hide": {"until_cheaper_percent": 100}}, "until_cheaper_percent"),
        ({"hide": 1}, "hide"),
        ({"note": "x" * 2001}, "note"),
        ({"note": "\ud800"}, "note"),
        ({"note": 1}, "note"),
        ({"bought": {"price": 1.5}}, "price"),
        ({"bought": {"price": True}}, "price"),
        ({"bought": {"price": 1, "quantity": 0}}, "quantity"),
        ({"bought": {"price": 1, "at": "yesterday"}}, "at"),
        ({"bought": {"price": 1, "at": "0001-01-01T00:00:00+14:00"}}, "at"),
        ({"bought": {"price": 1, "colour": 2}}, "colour"),
        ({"hide_brand": True}, "marks"),
        ({"stars": True}, "stars"),
        ([], "body"),
    ],
)
def test_what_is_wrong_is_named(client: FlaskClient, stock: Stock, body: Any, parameter: str) -> None:
    stock(1)
    answer = client.patch(ADDRESS, json=body)
    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["error"]["parameter"] == parameter
    assert client.get(ADDRESS).json == UNMARKED


def test_marks_are_taken_as_json_from_no_page_elsewhere(client: FlaskClient, stock: Stock) -> None:
    stock(1)
    assert client.patch(ADDRESS, data="{}").status_code == 415
    assert client.post(ADDRESS, data='{"star": true}', content_type="text/plain").status_code == 400
    for origin in ("http://evil.example", "null", "http://localhost.evil.example"):
        for ask in (client.post, client.patch, client.put, client.delete):
            answer = ask(ADDRESS, json={"star": True}, headers={"Origin": origin})
            assert answer.status_code == 400, (origin, ask)
    assert (
        client.post(ADDRESS, json={"star": True}, headers={"Origin": "http://localhost"}).status_code == 200
    )


def test_files_have_the_marks(client: FlaskClient, stock: Stock) -> None:
    stock(2)
    client.patch(ADDRESS, json={"star": True, "note": "a\tb\nc", "bought": {"price": 1999, "quantity": 2}})
    client.patch("/api/deals/1/B000000001/marks", json={"hide": True})
    text = client.get("/export.csv?marked=any&sort=price&order=asc").data.decode("utf-8-sig")
    first, second = csv.DictReader(io.StringIO(text))
    names = ("starred", "hidden", "bought_price", "bought_quantity", "note")
    assert [first[name] for name in names] == ["True", "False", "19.99", "2", "a b c"]
    assert first["bought_at"].startswith("2026-03-01T12:00:00")
    assert [second[name] for name in names] == ["False", "True", "", "", ""]
    body = client.get("/export.json").json
    assert body is not None
    assert [(deal["asin"], deal["marks"]["star"]) for deal in body["deals"]] == [("B000000000", True)]
    assert client.get("/export.xlsx?marked=any").status_code == 200
    assert client.get("/export.txt").text.split() == ["B000000000"]


# -- whose they are --------------------------------------------------------------------------------
def test_marks_are_ones_own_and_by_a_token_that_may_write(
    client: FlaskClient, store: People, stock: Stock
) -> None:
    stock(2)
    client.patch(ADDRESS, json={"note": "of nobody with a name"})
    store.set_password("correct horse battery")
    store.add("ada", Role.READER, "correct horse battery")

    def bearer(name: str, owner: str, scope: Scope) -> dict[str, Any]:
        secret = store.add_token(name, START, owner=owner, scope=scope)
        return {"headers": {"Authorization": f"Bearer {secret}"}}

    ada, admin = bearer("a", "ada", Scope.WRITE), bearer("b", "admin", Scope.WRITE)
    reads = bearer("c", "ada", Scope.READ)

    def refused(answer: TestResponse) -> bool:
        return answer.status_code == 403

    assert client.patch(ADDRESS, json={"star": True, "note": "ada’s secret"}, **ada).status_code == 200
    assert client.patch("/api/deals/1/B000000001/marks", json={"hide": True}, **admin).status_code == 200
    for ask in (client.post, client.patch, client.put):
        assert refused(ask(ADDRESS, json={"star": False}, **reads))
    assert refused(client.delete(ADDRESS, **reads))
    assert client.get(ADDRESS, **reads).json == {**UNMARKED, "star": True, "note": "ada’s secret"}
    assert client.get(ADDRESS, **admin).json == UNMARKED
    assert asins(client, "marked=starred", **ada) == ["B000000000"]
    assert asins(client, "marked=starred", **admin) == []
    assert (len(asins(client, **ada)), len(asins(client, **admin))) == (2, 1)
    for address in ("/api/deals", "/export.csv", "/export.json", "/api/deals/1/B000000000", "/feed.atom"):
        told = client.get(address, **admin).text
        assert not [text for text in ("secret", "nobody with a name") if text in told], address
