"""The doubts of a sale price: beside the profit, in API and files, and as a filter on both sides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from keepa_deals.db.models import Deal
from keepa_deals.web.services import EXTENSION
from tests.support.world import World

Stock = Callable[..., None]


def asins(client: FlaskClient, query: str) -> set[str]:
    body: Any = client.get(f"/api/deals?{query}").json
    return {deal["asin"][-1] for deal in body["deals"]}


@pytest.mark.parametrize("cached", [False, True], ids=["database", "cache"])
def test_doubted_prices_are_told_and_left_out(
    client: FlaskClient, stock: Stock, world: World, cached: bool
) -> None:
    stock(3, enrich=True)
    with world.database.begin() as session:
        for asin, doubt in (("B000000000", 0), ("B000000001", 3), ("B000000002", None)):
            session.execute(update(Deal).where(Deal.asin == asin).values(sell_doubt=doubt))
    if cached:
        client.application.extensions[EXTENSION].column_cache.step()
    assert asins(client, "sure_price=1") == {"0"}
    assert asins(client, "sure_price=1&unknown=1") == {"0", "2"}
    body: Any = client.get("/api/deals").json
    told = {deal["asin"][-1]: deal["sell_doubts"] for deal in body["deals"]}
    assert told == {"0": [], "1": ["far_above", "few_sales"], "2": None}
    words = "above three times today’s price; rests on fewer than three sales"
    assert f"Sale price in doubt: {words}" in client.get("/").text
    assert f"The sale price is in doubt: {words}." in client.get("/deals/1/B000000001").text
    assert "in doubt" not in client.get("/deals/1/B000000000").text
    assert "far_above, few_sales" in client.get("/export.csv").text
