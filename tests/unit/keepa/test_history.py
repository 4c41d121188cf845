"""Histories in pairs and triples, parsed when they are asked for."""

from __future__ import annotations

import pytest

from keepa_deals.keepa.enums import CsvType
from keepa_deals.keepa.history import PricePoint, parse_history
from keepa_deals.keepa.product import Product
from keepa_deals.keepa.time import from_keepa_minutes
from tests.support.samples import needs_samples, sample


@needs_samples
class TestRecordedAnswers:
    def test_histories_in_pairs(self) -> None:
        history = Product.from_json(sample("product_B0F7XPYCSJ.json")["products"][0]).history
        assert [point.value for point in history[CsvType.NEW]] == [2599, None, 2599]
        assert history[CsvType.NEW][1].at == from_keepa_minutes(7930604)
        assert len(history[CsvType.SALES]) == 358

    def test_histories_in_triples_with_shipping(self) -> None:
        product = Product.from_json(sample("product_B0D8W1YVBX.json")["products"][0])
        buy_box = product.history[CsvType.BUY_BOX_SHIPPING]
        assert len(buy_box) == 249
        assert buy_box[0] == PricePoint(from_keepa_minutes(7207224), 2499, 0)
        assert buy_box[-1] == PricePoint(from_keepa_minutes(8057266), 1499, 0)
        assert product.referral_fee_percent == 15.01
        assert product.stats is not None
        assert product.stats.buy_box_price == 1499
        assert product.stats.current[CsvType.COUNT_REVIEWS] == 11598


def test_a_history_that_is_no_multiple_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match="BUY_BOX_SHIPPING has 4 numbers, not a multiple of 3"):
        parse_history(CsvType.BUY_BOX_SHIPPING, [1, 2, 3, 4])


def test_the_types_with_shipping_are_the_documented_ones() -> None:
    assert {int(kind) for kind in CsvType if kind.has_shipping} == {7, *range(18, 30), 32}


def test_a_history_of_anything_but_numbers_is_an_error_only_when_it_is_asked_for() -> None:
    product = Product.from_json(
        {"asin": "B000000001", "csv": [[1, 2], ["x", 1], {"a": 1}, [1, 2, 3], [1, 10**30], [-5, 9, 7, 9]]}
    )
    assert [point.value for point in product.history[CsvType.AMAZON]] == [2]
    for kind in (CsvType.NEW, CsvType.USED, CsvType.SALES, CsvType.LISTPRICE):
        with pytest.raises(ValueError, match=kind.name):
            product.history[kind]
    assert product.history[CsvType.COLLECTIBLE] == (PricePoint(from_keepa_minutes(7), 9),)
