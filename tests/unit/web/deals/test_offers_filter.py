"""Deals with few offers: one more filter, of which its module and the registry alone know."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from keepa_deals.web.services import EXTENSION

Stock = Callable[..., None]


@pytest.fixture(params=[False, True], ids=["database", "cache"])
def reader(request: pytest.FixtureRequest, client: FlaskClient) -> Callable[[], FlaskClient]:
    """The dashboard over what is in the table by then, answered from either side."""

    def ready() -> FlaskClient:
        if request.param:
            client.application.extensions[EXTENSION].column_cache.step()
        return client

    return ready


def test_deals_with_more_offers_are_left_out(reader: Callable[[], FlaskClient], stock: Stock) -> None:
    stock(2, enrich=True)
    client = reader()
    (offers,) = {deal["offer_count"] for deal in client.get("/api/deals").json["deals"]}  # type: ignore[index]
    for most, total in ((offers, 2), (offers - 1, 0)):
        body = client.get(f"/api/deals?offers_max={most}").json
        assert body is not None
        assert body["total"] == total
        assert len(client.get(f"/export.json?offers_max={most}").json["deals"]) == total  # type: ignore[index]


def test_deals_whose_offers_nobody_counted_are_hidden_and_told(
    reader: Callable[[], FlaskClient], stock: Stock
) -> None:
    stock(3)
    client = reader()
    page = client.get("/?offers_max=5").text
    assert "3 by “Offers”" in page
    assert "Offers ≤ 5" in page
    assert re.search(r'name="offers_max"[^>]* value="5"', page)
    assert client.get("/api/deals?offers_max=5&unknown=1").json["total"] == 3  # type: ignore[index]
