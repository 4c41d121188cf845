"""Whether a product still is a deal of the selection, and why not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keepa_deals.deals.kinds import EndedReason
from keepa_deals.ingest.upsert.matching import match_product
from tests.support.world import PRICE, SELECTION, make_deal, make_product


@pytest.mark.parametrize(
    ("price", "rank", "change", "reason"),
    [
        (1500, 5000, {}, None),
        (2400, 5000, {}, None),  # exactly 20 % below 3000
        (2420, 5000, {}, EndedReason.PRICE_RECOVERED),  # 19.3 %
        (3100, 5000, {"isRangeEnabled": False}, EndedReason.PRICE_RECOVERED),
        (None, 5000, {}, EndedReason.OUT_OF_STOCK),
        (1500, 5000, {"currentRange": [1600, 9000]}, EndedReason.NO_LONGER_MATCHES),
        (1500, 5000, {"salesRankRange": [1, 4999]}, EndedReason.NO_LONGER_MATCHES),
        (1500, None, {"salesRankRange": [1, -1]}, EndedReason.NO_LONGER_MATCHES),
        (1500, 5000, {"salesRankRange": [1, -1]}, None),
    ],
)
def test_the_match_at_its_boundaries(
    price: int | None, rank: int | None, change: dict[str, object], reason: EndedReason | None
) -> None:
    product = make_product(make_deal("A", price=price, rank=rank))
    assert match_product("A", product, {**SELECTION, **change}).reason is reason


def test_a_product_without_data_is_gone() -> None:
    product = replace(make_product(make_deal("A")), stats=None)
    assert match_product("A", product, SELECTION).reason is EndedReason.PRODUCT_GONE
    assert match_product("A", None, SELECTION).reason is EndedReason.PRODUCT_GONE


@pytest.mark.parametrize(("interval", "reason"), [(0, None), (1, None), (3, EndedReason.PRICE_RECOVERED)])
def test_a_deal_of_the_day_or_week_is_not_judged_by_the_average_of_90_days(
    interval: int, reason: EndedReason | None
) -> None:
    deal = make_deal("A", price=1500)
    product = make_product(deal)
    assert product.stats is not None
    average = tuple(1400 if kind == PRICE else value for kind, value in enumerate(product.stats.avg90))
    product = replace(product, stats=replace(product.stats, avg90=average))
    assert match_product("A", product, {**SELECTION, "dateRange": interval}).reason is reason
