"""Risks: told by one answer of Keepa, explained on the page, named in API and files, filtered everywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from keepa_deals.db.models import Deal
from keepa_deals.deals.economics.fees import built_in
from keepa_deals.deals.risks import MEANINGS, Risk, offers_rise
from keepa_deals.ingest.feed.risk_facts import risks_told
from keepa_deals.keepa.enums import CsvType
from keepa_deals.keepa.product import Package, Product, Warnings
from keepa_deals.web.services import EXTENSION
from tests.support.world import World, make_deal, make_product

Stock = Callable[..., None]
STORAGE = built_in().of(1).storage
PLAIN = make_product(make_deal("B000000000"))


def with_stats(**changes: Any) -> Product:
    assert PLAIN.stats is not None
    return replace(PLAIN, stats=replace(PLAIN.stats, **changes))


def counted(offers: int | None) -> tuple[int | None, ...]:
    values: list[int | None] = [1500] * len(CsvType)
    values[CsvType.COUNT_NEW] = offers
    return tuple(values)


@pytest.mark.parametrize(
    ("product", "risk"),
    [
        (PLAIN, Risk(0)),
        (replace(PLAIN, warnings=Warnings(heat_sensitive=True)), Risk.MELTABLE),
        (replace(PLAIN, warnings=Warnings(hazardous=True)), Risk.HAZARDOUS),
        (replace(PLAIN, warnings=Warnings(adult=True)), Risk.ADULT),
        (replace(PLAIN, warnings=Warnings(hidden_price=True)), Risk.HIDDEN_PRICE),
        (replace(PLAIN, warnings=Warnings(False, False, False, False)), Risk(0)),
        (replace(PLAIN, package=Package(457, 356, 203, 9072)), Risk(0)),
        (replace(PLAIN, package=Package(203, 458, 356, 9072)), Risk.OVERSIZE),
        (replace(PLAIN, package=Package(457, 356, 203, 9073)), Risk.OVERSIZE),
        (replace(PLAIN, package=Package(4570, 356, 203, None)), Risk(0)),
        (with_stats(out_of_stock_percent_90=(50,)), Risk.AMAZON_SELLS),
        (with_stats(out_of_stock_percent_90=(51,)), Risk(0)),
        (with_stats(current=counted(9), avg90=counted(6)), Risk.OFFERS_RISE),
        (with_stats(current=counted(9), avg90=counted(None)), Risk(0)),
        (replace(PLAIN, stats=None), Risk(0)),
    ],
)
def test_a_risk_is_what_keepa_tells(product: Product, risk: Risk) -> None:
    assert Risk(risks_told(product, STORAGE)) == risk


def test_a_rush_of_offers_is_many_more_and_much_more() -> None:
    rushes = [offers_rise(now, usual) for now, usual in ((3, 0), (2, 0), (8, 6), (20, 15), (23, 15))]
    assert rushes == [True, False, False, False, True]


def test_the_answer_itself_is_read() -> None:
    raw = {"asin": "B000000000", "isHeatSensitive": True, "newPriceIsMAP": 1, "hazardousMaterials": [{}]}
    product = Product.from_json({**raw, "packageLength": 0, "packageWidth": -1, "packageHeight": 20})
    assert product.warnings == Warnings(heat_sensitive=True, hazardous=True, adult=None, hidden_price=None)
    assert product.package == Package(None, None, 20, None)
    assert (product.closing_fee, product.return_rate) == (0, None)


@pytest.mark.parametrize("cached", [False, True], ids=["database", "cache"])
def test_risks_are_told_and_left_out(client: FlaskClient, stock: Stock, world: World, cached: bool) -> None:
    stock(3, enrich=True)
    with world.database.begin() as session:
        for asin, risk in (("B000000000", 0), ("B000000001", 33), ("B000000002", None)):
            session.execute(update(Deal).where(Deal.asin == asin).values(risks=risk))
    if cached:
        client.application.extensions[EXTENSION].column_cache.step()
    for query, wanted in (("not_risky=1", {"0"}), ("not_risky=1&unknown=1", {"0", "2"})):
        body: Any = client.get(f"/api/deals?{query}").json
        assert {deal["asin"][-1] for deal in body["deals"]} == wanted
    body = client.get("/api/deals").json
    told = {deal["asin"][-1]: deal["risks"] for deal in body["deals"]}
    assert told == {"0": [], "1": ["meltable", "amazon_sells"], "2": None}
    page = client.get("/deals/1/B000000001").text
    assert MEANINGS[Risk.MELTABLE] in page
    assert "meltable, amazon_sells" in client.get("/export.csv").text


def test_an_enrichment_notes_them(client: FlaskClient, stock: Stock) -> None:
    stock(1)
    body: Any = client.get("/api/deals").json
    assert body["deals"][0]["risks"] is None
    stock(1, enrich=True)
    body = client.get("/api/deals").json
    assert body["deals"][0]["risks"] == []
