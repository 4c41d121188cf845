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
