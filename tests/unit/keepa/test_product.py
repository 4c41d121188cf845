"""A product: its fields and statistics, and what is no value of one."""

from __future__ import annotations

import pytest

from keepa_deals.ingest.feed.mapping import detail_row
from keepa_deals.keepa.enums import CsvType
from keepa_deals.keepa.product import Product
from keepa_deals.keepa.time import from_keepa_minutes
from tests.support.samples import needs_samples, sample


@needs_samples
class TestRecordedAnswers:
    def test_the_fields_of_a_product(self) -> None:
        product = Product.from_json(sample("product_B0F7XPYCSJ.json")["products"][0])
        assert product.asin == "B0F7XPYCSJ"
        assert product.title.startswith("10 pcs Lab-Grade Borosilicate Glass 14mm Threaded Adapter")
        assert (product.brand, product.domain_id) == ("POWTHX", 1)
        assert (product.fba_fee, product.referral_fee_percent, product.monthly_sold) == (435, 12.0, 300)
        assert product.availability_amazon == -1
        assert product.last_update == from_keepa_minutes(8075776)

    def test_the_statistics_of_a_product(self) -> None:
        stats = Product.from_json(sample("product_B0F7XPYCSJ.json")["products"][0]).stats
        assert stats is not None
        assert stats.current[CsvType.NEW] == 2599
        assert stats.current[CsvType.AMAZON] is None
        assert (stats.avg90[CsvType.SALES], stats.avg365[CsvType.SALES]) == (11253, 36338)
        assert stats.is_lowest_90[CsvType.NEW]
        assert (stats.sales_rank_drops_30, stats.sales_rank_drops_90) == (13, 35)
        assert (stats.total_offer_count, stats.buy_box_price) == (1, None)


def test_a_family_is_read_from_either_notation() -> None:
    raw = {"asin": "B000000001", "domainId": 1, "title": "T", "parentAsin": "B0PARENT01"}
    children = [{"asin": "B000000002", "attributes": []}, {"asin": "B000000003"}]
    new, old = raw | {"variations": children}, raw | {"variationCSV": "B000000002,B000000003"}
    for product in map(Product.from_json, (new, old)):
        assert (product.parent_asin, product.variations) == ("B0PARENT01", ("B000000002", "B000000003"))
    assert Product.from_json(raw | {"variations": None}).variations == ()


RAW_PRODUCT = {"asin": "B000000001", "domainId": 1, "title": "T", "stats": {"current": [-1, 1999, -2]}}


def test_no_offer_and_what_keepa_did_not_fetch_are_no_price() -> None:
    stats = Product.from_json(RAW_PRODUCT).stats
    assert stats is not None
    assert stats.current == (None, 1999, None)


@pytest.mark.parametrize(
    "current", [None, {}, "x", [1.5], ["1"], [True], [10**12], [-3], [float("nan")]], ids=repr
)
def test_current_values_that_cannot_be_read_never_pass_for_no_offer(current: object) -> None:
    with pytest.raises(ValueError, match=r"stats\.current"):
        Product.from_json(RAW_PRODUCT | {"stats": {"current": current}})


@pytest.mark.parametrize(
    ("told", "known"), [(0, None), (-1, None), (344, 344), (1e300, None), (True, None), ([3], None)]
)
def test_a_fee_of_zero_cannot_be_calculated(told: object, known: int | None) -> None:
    assert Product.from_json(RAW_PRODUCT | {"fbaFees": {"pickAndPackFee": told}}).fba_fee == known
    assert Product.from_json(RAW_PRODUCT | {"fbaFees": told}).fba_fee is None


@pytest.mark.parametrize(
    ("told", "in_stock"), [(-1, False), (0, True), (3, False), (None, None), ("0", None)]
)
def test_minus_one_is_a_known_no_of_amazons(told: object, in_stock: bool | None) -> None:
    product = Product.from_json(RAW_PRODUCT | {"availabilityAmazon": told})
    assert detail_row(product, CsvType.NEW).amazon_in_stock is in_stock
