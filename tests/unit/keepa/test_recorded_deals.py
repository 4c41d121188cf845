"""Recorded deals and books, with values that were read off the recordings by eye.

Also a short fuzz of the parsers: whatever stands in an answer, it is read, refused as no entry, or left out.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keepa_deals.ingest.feed.mapping import detail_row, feed_rows
from keepa_deals.keepa.deal import Deal, DealPage
from keepa_deals.keepa.enums import CsvType, Interval
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.keepa.product import Product
from keepa_deals.keepa.time import from_keepa_minutes
from tests.support.examples import examples
from tests.support.paths import SAMPLES

USED = CsvType.USED
needs_samples = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="the recorded Keepa answers are not beside this checkout"
)


def sample(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SAMPLES / name).read_text())
    return found


@needs_samples
class TestDealsThatMoved:
    """The same fifteen deals, 63 minutes apart."""

    @pytest.fixture
    def pair(self) -> tuple[dict[str, Deal], dict[str, Deal]]:
        found = sample("deal_moved_pair.json")
        before, after = ([Deal.from_json(raw) for raw in found[name]["dr"]] for name in ("before", "after"))
        return {d.asin: d for d in before}, {d.asin: d for d in after}

    @pytest.mark.parametrize(
        ("asin", "before", "after"),
        [
            ("1576907503", (7736604, 2422), (7736724, 2821)),  # a rise moves it too
            ("0439325471", (7736604, 3766), (7736720, 3763)),
            ("0940512548", (7736344, 2118), (7736728, 2108)),
        ],
    )
    def test_a_new_price_is_a_new_date(
        self,
        pair: tuple[dict[str, Deal], dict[str, Deal]],
        asin: str,
        before: tuple[int, int],
        after: tuple[int, int],
    ) -> None:
        for deals, (minutes, price) in zip(pair, (before, after), strict=True):
            deal = deals[asin]
            assert (deal.creation_date, deal.value(USED)) == (from_keepa_minutes(minutes), price)
            assert deal.current_since[USED] == deal.creation_date

    def test_all_fifteen_moved_forward(self, pair: tuple[dict[str, Deal], dict[str, Deal]]) -> None:
        before, after = pair
        assert len(before) == 15
        assert all(after[asin].creation_date > before[asin].creation_date for asin in before)

    def test_a_newcomer_may_carry_the_date_of_weeks_ago(self) -> None:
        found = sample("deal_moved_pair.json")
        late = {raw["asin"]: Deal.from_json(raw) for raw in found["entered_late"]}
        assert len(late) == 4
        assert late["207270118X"].creation_date == from_keepa_minutes(7711828)
        assert late["207270118X"].value(USED) == 2151


@needs_samples
class TestOddities:
    def one(self, name: str) -> Deal:
        return Deal.from_json(sample("deal_oddities.json")[name][0])

    def test_the_parent_that_one_entry_in_five_thousand_tells(self) -> None:
        deal = self.one("parentAsin")
        assert (deal.asin, deal.parent_asin, deal.value(USED)) == ("1424556848", "B07KP74NZR", 2730)

    def test_a_picture_that_is_a_gif(self) -> None:
        assert self.one("image_gif").image == "71Z6659YREL.gif"

    def test_a_title_in_japanese(self) -> None:
        assert self.one("title_cjk").title == "吉川英治 新装版 三国志 全5巻セット (講談社文庫)"

    def test_a_date_after_the_last_update(self) -> None:
        deal = self.one("creationDate_after_lastUpdate")
        assert deal.creation_date > deal.last_update

    def test_an_unknown_average_leaves_the_percentage_unknown(self) -> None:
        """Keepa writes 0 there, which would be "not below its average"."""
        deal = self.one("avg_unknown_percent_0")
        page = DealPage((deal,), {}, {}, TokenEnvelope(0, 1, 1, 1, 0.0, 5, 1))
        [row] = feed_rows(page, domain_id=1, price_type=USED)
        assert deal.average(USED, Interval.DAY) is None
        assert (row.price, row.price_avg_day, row.delta_percent_day) == (2551, None, None)


@needs_samples
def test_the_last_page_of_a_sweep() -> None:
    body = sample("deal_page_last_short.json")
    deals = [Deal.from_json(raw) for raw in body.get("answer", body)["deals"]["dr"]]
    assert (len(deals), deals[0].asin, deals[-1].asin) == (19, "0071356754", "1646480155")
    assert deals[-1].value(USED) == 2157


@needs_samples
@pytest.mark.parametrize(
    ("name", "title", "price", "average", "drops", "has_history", "buy_box"),
    [
        ("055299068X", "Red and Green Life Machine", 2100, 6049, (1, 1), True, 2100 + 399),
        ("1886940606_csv_null", "The Other Side of Suicide", 2243, 10322, (3, 5), False, None),
    ],
)
def test_the_recorded_books(
    name: str,
    title: str,
    price: int,
    average: int,
    drops: tuple[int, int],
    has_history: bool,
    buy_box: int | None,
) -> None:
    product = Product.from_json(sample(f"product_{name}.json")["products"][0])
    assert product.stats is not None
    assert product.title.startswith(title)
    assert (product.stats.current[USED], product.stats.avg90[USED]) == (price, average)
    assert (product.fba_fee, product.referral_fee_percent) == (344, 15.0)
    assert (product.parent_asin, product.variations) == (None, ())
    assert bool(product.history) is has_history
    details = detail_row(product, USED)
    assert (details.rank_drops_30, details.rank_drops_90) == drops
    assert details.amazon_in_stock is False, "-1: Amazon has no offer, and that is known"
    assert details.buy_box_price == buy_box, "of used offers, with shipping"


numbers = st.integers() | st.floats() | st.integers(-(2**70), 2**70)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=12), inner, max_size=5),
    max_leaves=15,
)
NAMES = [
    "asin",
    "parentAsin",
    "title",
    "rootCat",
    "categories",
    "image",
    "creationDate",
    "lastUpdate",
    "lightningEnd",
    "current",
    "currentSince",
    "delta",
    "deltaPercent",
    "deltaLast",
    "avg",
    "domainId",
    "stats",
    "csv",
    "fbaFees",
    "referralFeePercentage",
    "monthlySold",
    "variations",
    "availabilityAmazon",
    "timestamp",
    "tokensLeft",
    "refillIn",
    "refillRate",
    "tokensConsumed",
    "brand",
    "warehouseCondition",
]
entries = st.fixed_dictionaries(
    {"asin": st.just("B000000001") | values}, optional={name: values for name in NAMES if name != "asin"}
)


@given(entries)
@example({"asin": "B000000001", "creationDate": 2**70, "lastUpdate": 0})
@example({"asin": "B000000001", "image": 1_000_000_000, "creationDate": 7_700_000, "lastUpdate": 7_700_000})
@settings(max_examples=examples(150), deadline=None)
def test_whatever_stands_in_an_entry_it_is_read_or_refused_as_none(raw: dict[str, Any]) -> None:
    for parse in (Deal.from_json, Product.from_json, TokenEnvelope.from_json):
        try:
            found = parse(raw)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError):
            continue
        assert found is not None
