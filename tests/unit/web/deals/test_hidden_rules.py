"""The page of hidden brands and categories."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.test import TestResponse

from keepa_deals.db.models import Deal
from tests.support.world import World

Stock = Callable[..., None]
Send = Callable[..., TestResponse]
BRAND = 'A&B "<i>"'


def left(client: FlaskClient) -> int:
    told = client.get("/api/deals").json
    assert told is not None
    return int(told["total"])


@pytest.mark.parametrize(("mark", "name"), [("hide_brand", "brand"), ("hide_category", "category")])
def test_what_is_hidden_is_listed_shown_again_and_that_undone(
    client: FlaskClient, world: World, stock: Stock, send: Send, mark: str, name: str
) -> None:
    stock(3, enrich=True)
    with world.database.begin() as session:
        session.execute(update(Deal).values(brand=BRAND))
    assert "Show again" not in client.get("/hidden").text
    send("/marks", {"key": "1-B000000000", "mark": mark})
    assert left(client) == 0
    assert 'href="/hidden"' in client.get("/?marked=hidden").text
    page = client.get("/hidden").text
    assert "<i>" not in page
    button = re.search(rf'name="{name}" value="([^"]+)"', page)
    assert button
    answer = send("/hidden", {name: html.unescape(button[1])})
    assert left(client) == 3
    after = client.get(answer.location).text
    assert "Show again" not in after
    revision = re.search(r'name="revision" value="(\d+)"', after)
    assert revision
    undone = send("/marks/undo", {"page": "hidden", "revision": revision[1]})
    assert undone.location == "/hidden"
    assert left(client) == 0


@pytest.mark.parametrize("form", [{}, {"category": "1"}, {"category": "²-1"}, {"brand": "a\0"}])
def test_what_names_nothing_is_refused(client: FlaskClient, send: Send, form: dict[str, str]) -> None:
    assert send("/hidden", form).status_code == 400


def test_what_is_shown_already_stays_so(client: FlaskClient, send: Send) -> None:
    answer = send("/hidden", {"brand": "Nobody"})
    assert answer.location == "/hidden"
    assert 'name="revision"' not in client.get("/hidden").text
