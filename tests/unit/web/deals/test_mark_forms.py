"""Marks by the forms of a deal's page, and the last change taken back."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

Stock = Callable[..., None]
Send = Callable[..., TestResponse]
DEAL = "/deals/1/B000000000"


def marks(client: FlaskClient) -> dict[str, Any]:
    told = client.get(f"/api{DEAL}/marks").json
    assert told is not None
    return told


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"mark": "star"}, {"star": True}),
        ({"mark": "hide"}, {"hide": True, "hidden": True}),
        ({"mark": "hide_until", "percent": "10"}, {"hide": {"until_cheaper_percent": 10}, "hidden": True}),
        ({"mark": "hide_category"}, {"hide_category": True, "hidden": True}),
        ({"mark": "note", "note": " <b>x</b> "}, {"note": "<b>x</b>"}),
        (
            {"mark": "buy", "price": "$19.99", "quantity": "2"},
            {"bought": {"at": "2026-03-01T12:00:00Z", "price": 1999, "quantity": 2}},
        ),
    ],
)
def test_a_form_marks_the_deal_and_undo_takes_it_back(
    client: FlaskClient, stock: Stock, send: Send, form: dict[str, str], expected: dict[str, Any]
) -> None:
    stock(1)
    before = marks(client)
    answer = send("/marks", {"key": "1-B000000000", **form})
    assert (answer.status_code, answer.location) == (303, f"{DEAL}#marks")
    assert marks(client) == {**before, **expected}
    page = client.get(DEAL).text
    assert "<b>x</b>" not in page
    revision = re.search(r'name="revision" value="(\d+)"', page)
    assert revision
    assert send("/marks/undo", {"key": "1-B000000000", "revision": revision[1]}).status_code == 303
    assert marks(client) == before
    assert 'name="revision"' not in client.get(DEAL).text


@pytest.mark.parametrize(
    "form",
    [
        {"mark": "burn"},
        {"mark": "star", "key": "x"},
        {"mark": "hide_until", "percent": "100"},
        {"mark": "buy", "price": "cheap", "quantity": "1"},
        {"mark": "buy", "price": "-5", "quantity": "1"},
        {"mark": "note", "note": "x" * 2001},
    ],
)
def test_what_is_wrong_changes_nothing(
    client: FlaskClient, stock: Stock, send: Send, form: dict[str, str]
) -> None:
    stock(1)
    before = marks(client)
    assert send("/marks", {"key": "1-B000000000", **form}).status_code == 400
    assert marks(client) == before


def token_of(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found
    return found[1]


def test_chosen_rows_are_marked_at_once_and_undone_at_once(client: FlaskClient, stock: Stock) -> None:
    stock(4)
    page = client.get("/?limit=3&order=asc").text
    chosen = re.findall(r'name="key" value="([^"]+)"', page)
    form = {"csrf_token": token_of(page), "back": "limit=3&order=asc", "key": chosen[:2]}
    answer = client.post("/marks", data={**form, "mark": "hide"})
    assert answer.status_code == 303
    assert answer.location == "/?limit=3&order=asc&changed=1#results"
    after = client.get(answer.location).text
    left = re.findall(r'name="key" value="([^"]+)"', after)
    assert (len(chosen), len(left), set(left) & set(chosen)) == (3, 2, {chosen[2]})
    assert "Hidden: 2 deals." in after
    undone = client.post("/marks/undo", data={**form, "revision": "1"})
    assert undone.location == "/?limit=3&order=asc#results"
    assert re.findall(r'name="key" value="([^"]+)"', client.get(undone.location).text) == chosen
    assert "Hidden: 2 deals." not in client.get("/?changed=1").text


def test_the_button_of_a_row_leaves_the_chosen_ones_alone(client: FlaskClient, stock: Stock) -> None:
    stock(2)
    page = client.get("/").text
    keys = re.findall(r'name="key" value="([^"]+)"', page)
    form = {"csrf_token": token_of(page), "back": "", "key": keys}
    assert client.post("/marks", data={**form, "row": f"star:{keys[1]}"}).status_code == 303
    for address in ("/", "/?layout=cards", f"/live?keys={','.join(keys)}"):
        shown = client.get(address).text
        assert f'value="star:{keys[0]}"' in shown
        assert f'value="unstar:{keys[1]}"' in shown
    assert f'value="hide:{keys[1]}"' in client.get("/?marked=any").text
    client.post("/marks", data={**form, "row": f"hide_category:{keys[1]}"})
    assert f'value="show_category:{keys[1]}"' in client.get("/?marked=any").text


def test_a_purchase_is_a_badge_in_the_list(client: FlaskClient, stock: Stock, send: Send) -> None:
    stock(2)
    assert ">bought</b>" not in client.get("/").text
    send("/marks", {"key": "1-B000000000", "mark": "buy", "price": "5", "quantity": "1"})
    assert client.get("/").text.count(">bought</b>") == 1


@pytest.mark.parametrize(
    "row", ["", "star", "star:", "burn:1-B000000000", "star:1-B000000000:x", "star:javascript"]
)
def test_a_button_that_no_row_has_is_refused(client: FlaskClient, stock: Stock, send: Send, row: str) -> None:
    stock(1)
    before = marks(client)
    assert send("/marks", {"key": "1-B000000000", "mark": "star", "back": "", "row": row}).status_code == 400
    assert marks(client) == before


@pytest.mark.parametrize("back", ["//evil.example", "x=1\r\nLocation: evil", "&".join(["a=b"] * 300), "#x"])
def test_the_way_back_stays_in_the_list(client: FlaskClient, stock: Stock, send: Send, back: str) -> None:
    stock(1)
    answer = send("/marks", {"key": "1-B000000000", "mark": "star", "back": back})
    assert answer.status_code == 303
    assert answer.location.startswith("/?")
    assert "\n" not in answer.location
    assert client.get(answer.location).status_code == 200


def test_the_buying_list_leads_to_what_is_starred(client: FlaskClient, stock: Stock, send: Send) -> None:
    stock(2)
    send("/marks", {"key": "1-B000000001", "mark": "star"})
    link = re.search(r'href="([^"]*marked=starred[^"]*)"', client.get("/buying-list?order=asc").text)
    assert link
    page = client.get(link[1].replace("&amp;", "&")).text
    assert "B000000001" in page
    assert "B000000000" not in page
    assert "Only starred ones" not in page
