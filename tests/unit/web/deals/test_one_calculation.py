"""No figure of a deal differs: list, page, what-if, API and exports, over a filled table."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from keepa_deals.deals.money import from_minor, money
from keepa_deals.formats import PERCENT_TENTHS, write
from keepa_deals.ingest.maintenance import run as maintenance
from keepa_deals.settings import Settings
from keepa_deals.web.app import create_app
from keepa_deals.web.services import EXTENSION
from tests.support.deal_rows import fill_deals
from tests.support.world import make_world

DEALS = 60
FIGURES = ("profit", "roi_bp", "margin_bp")
SETTINGS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "all terms": {
        "sell_price": "buy_box",
        "prep_cost": 45,
        "shipping_cost": 130,
        "storage_months": 2,
        "buy_shipping_cost": 499,
        "buy_quantity": 3,
        "buy_tax_percent": 8.25,
        "returns_percent": 2.5,
        "returns_percent_high": 9,
        "inbound_placement_cost": 27,
        "fbm_shipping_cost": 420,
    },
    "shipped by the seller": {"sell_price": "average_30", "fulfilment": "fbm", "fbm_shipping_cost": 380},
}


@pytest.fixture(params=SETTINGS)
def dashboard(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A table of deals of every kind, priced by maintenance, and a dashboard with the same settings."""
    chosen = SETTINGS[request.param]
    world = make_world(tmp_path / "deals.db", **chosen)
    fill_deals(world.database.engine, DEALS, world.clock.now())
    maintenance.run(world.context)
    settings: dict[str, Any] = {"_env_file": None, "keepa_api_key": "k" * 64, "keepa_deals_home": tmp_path}
    settings["redis_url"] = f"unix://{tmp_path}/none.sock"
    app = create_app(Settings(**settings, **chosen), clock=world.clock)
    yield app.test_client()
    app.extensions[EXTENSION].engine.dispose()
    world.database.close()


def stored(client: FlaskClient, query: str = "status=all&limit=200") -> dict[str, dict[str, Any]]:
    answer = client.get(f"/api/deals?{query}")
    assert answer.status_code == 200, answer.text
    return {deal["asin"]: deal for deal in answer.get_json()["deals"]}


def test_what_if_and_api_are_what_the_list_says(dashboard: FlaskClient) -> None:
    deals = stored(dashboard)
    assert len(deals) == DEALS
    for asin, deal in deals.items():
        found = dashboard.get(f"/api/deals/1/{asin}/economics").get_json()
        assert {name: found[name] for name in FIGURES} == {name: deal[name] for name in FIGURES}, asin
        effects = [term["effect"] for term in found["terms"]]
        assert (None in effects) == (deal["profit"] is None) == bool(found["unknown"])
        if deal["profit"] is not None:
            assert sum(effects) == deal["profit"]
            assert found["terms"][0]["value"] == deal["sell_price"]
    known = [deal["profit"] for deal in deals.values() if deal["profit"] is not None]
    assert len(known) > DEALS / 10
    assert len(set(known)) > 5


def test_what_the_pages_script_asks_is_the_same(dashboard: FlaskClient) -> None:
    for asin in stored(dashboard):
        asked = dashboard.get(f"/deals/1/{asin}/economics").get_json()
        assert asked.pop("problems") == {}
        assert asked == dashboard.get(f"/api/deals/1/{asin}/economics").get_json()


def _shown(client: FlaskClient, asin: str) -> list[str]:
    page = client.get(f"/deals/1/{asin}").text
    found = dict(re.findall(r'data-result="(\w+)"[^>]*>([^<]*)<', page))
    return [unescape(found[name]) for name in ("profit", "roi", "margin")]


def test_the_page_shows_it(dashboard: FlaskClient) -> None:
    for asin, deal in stored(dashboard).items():
        profit = "–" if deal["profit"] is None else money(deal["profit"], 1)
        shares = [write(deal[name], PERCENT_TENTHS) for name in ("roi_bp", "margin_bp")]
        assert _shown(dashboard, asin) == [profit, *shares]


def test_the_list_shows_it(dashboard: FlaskClient) -> None:
    page = dashboard.get("/?status=all&limit=200").text
    rows = re.findall(r'data-key="1-(\w+)".*?data-part="worth"[^>]*><span[^>]*>([^<]*)<', page, re.DOTALL)
    assert len(rows) == DEALS
    deals = stored(dashboard)
    for asin, text in rows:
        profit = deals[asin]["profit"]
        assert unescape(text) == ("–" if profit is None else money(profit, 1))


def test_the_exports_have_it(dashboard: FlaskClient) -> None:
    deals = stored(dashboard)
    for deal in dashboard.get("/export.json?status=all").get_json()["deals"]:
        assert {name: deal[name] for name in FIGURES} == {n: deals[deal["asin"]][n] for n in FIGURES}
    lines = list(csv.DictReader(io.StringIO(dashboard.get("/export.csv?status=all").text.lstrip("\ufeff"))))
    assert len(lines) == DEALS
    for line in lines:
        profit = deals[line["asin"]]["profit"]
        assert line["profit"].lstrip("'") == ("" if profit is None else from_minor(profit, 1))
        for column, name in (("roi_percent", "roi_bp"), ("margin_percent", "margin_bp")):
            told = line[column].lstrip("'")
            assert (int(told.replace(".", "")) if told else None) == deals[line["asin"]][name]


def test_a_typed_term_is_answered_alike_by_the_page_and_the_api(dashboard: FlaskClient) -> None:
    asin = next(asin for asin, deal in stored(dashboard).items() if deal["profit"] is not None)
    typed = {"buy": "12.34", "referral": "8.25", "prep": "0"}
    found = dashboard.get(f"/api/deals/1/{asin}/economics", query_string=typed).get_json()
    page = dashboard.get(f"/deals/1/{asin}", query_string=typed).text
    assert f">{money(found['profit'], 1)}<" in page
    assert [term["name"] for term in found["terms"] if term["source"] == "typed"] == [
        "referral",
        "buy",
        "prep",
    ]
    assert page.count('class="touched"') == 3


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("price=3", "is no term; they are sell, referral"),
        ("buy=", "must not be empty"),
        ("buy=1&buy=2", "given more than once"),
        ("buy=-1", "must be 0 or more"),
        ("referral=101", "must be from 0 to 100"),
    ],
)
def test_a_wrong_question_is_named(
    client: FlaskClient, stock: Callable[..., None], query: str, problem: str
) -> None:
    stock(1)
    answer = client.get(f"/api/deals/1/B000000000/economics?{query}")
    assert answer.status_code == 400
    assert answer.get_json()["error"]["parameter"] == query.partition("=")[0]
    assert problem in answer.get_json()["error"]["message"]


def test_a_deal_that_is_not_there_is_404(client: FlaskClient) -> None:
    assert client.get("/api/deals/1/B000000000/economics").status_code == 404
