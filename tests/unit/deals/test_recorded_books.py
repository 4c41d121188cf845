"""The two books of which Keepa's own answers were recorded: what a unit earns, worked out by hand."""

from __future__ import annotations

import json
from dataclasses import asdict, fields

import pytest

from keepa_deals.deals.economics.calculation import PricedDeal, work_out
from keepa_deals.deals.economics.pricing import DEFAULT
from keepa_deals.deals.economics.sell_price import Doubt
from keepa_deals.deals.economics.terms import Certainty, Source, TermName
from keepa_deals.ingest.feed.mapping import detail_row
from keepa_deals.ingest.keepa_history import prices_of
from keepa_deals.keepa.enums import CsvType
from keepa_deals.keepa.product import Product
from tests.support.paths import SAMPLES

BOOKS = 283155


def recorded(name: str, kind: CsvType) -> PricedDeal:
    """The deal that the recorded answer makes of a book, as an enrichment would."""
    path = SAMPLES / f"product_{name}.json"
    if not path.exists():
        pytest.skip("the recorded answers lie outside the repository")
    product = Product.from_json(json.loads(path.read_text())["products"][0])
    stats, read_at = product.stats, product.last_update
    assert stats is not None
    assert read_at is not None
    details = asdict(detail_row(product, kind, prices_of(product, kind, read_at)))
    feed = {
        "domain_id": product.domain_id,
        "price": stats.current[kind],
        "price_avg_90": stats.avg90[kind],
        "price_avg_month": stats.avg30[kind],
        "amazon_price": stats.current[CsvType.AMAZON],
        "root_category": BOOKS,
    }
    told = {**details, **feed}
    return PricedDeal(**{field.name: told[field.name] for field in fields(PricedDeal)})


@pytest.mark.parametrize(
    ("name", "kind", "referral", "profit", "doubts"),
    [
        # 15 % of 60.49 are 9.07: 60.49-9.07-1.80-3.44-21.00; one fall of the rank in 90 days
        ("055299068X", CsvType.USED, 907, 2518, Doubt.FEW_SALES),
        # 15 % of 1,173.48 are 176.02: 1173.48-176.02-1.80-3.44-461.01
        ("055299068X", CsvType.NEW, 17602, 53121, Doubt.FEW_SALES),
        # 15 % of 103.22 are 15.48: 103.22-15.48-1.80-3.44-22.43; above three times 22.43
        ("1886940606_csv_null", CsvType.USED, 1548, 6007, Doubt.FAR_ABOVE),
    ],
)
def test_the_profit_is_that_worked_out_by_hand_and_its_doubt_is_told(
    name: str, kind: CsvType, referral: int, profit: int, doubts: Doubt
) -> None:
    found = work_out(recorded(name, kind), DEFAULT)
    terms = {term.name: term for term in found.terms}
    assert -(terms[TermName.REFERRAL].effect or 0) == referral
    assert terms[TermName.REFERRAL].source is Source.SCHEDULE
    assert (terms[TermName.CLOSING].effect, terms[TermName.FBA].effect) == (-180, -344)
    assert found.profit == profit
    assert found.doubts & (Doubt.FEW_SALES | Doubt.FAR_ABOVE) == doubts
    assert terms[TermName.SELL].certainty is Certainty.ESTIMATE


def test_a_new_one_that_nobody_offers_has_no_profit() -> None:
    found = work_out(recorded("1886940606_csv_null", CsvType.NEW), DEFAULT)
    assert found.profit is None
    assert found.unknown == (TermName.BUY,)
