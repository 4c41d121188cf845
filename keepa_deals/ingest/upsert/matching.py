"""Whether a product still is a deal of a selection, by what ``/product`` says of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from keepa_deals.deals.kinds import EndedReason
from keepa_deals.keepa.enums import CsvType, Interval
from keepa_deals.keepa.fields import at
from keepa_deals.keepa.product import Product
from keepa_deals.keepa.selection import price_type
from keepa_deals.keepa.token_costs import ProductOptions

PLAIN = ProductOptions(stats_days=90)


@dataclass(frozen=True, slots=True)
class MatchResult:
    """What ``/product`` says of a deal: ``reason`` is why it is over, ``None`` when it still holds.

    ``price`` is told where the product has an offer, and ``sales_rank`` with it. Not ``known``: the answer
    tells nothing of the deal, and all that was found out is that it was asked about.
    """

    asin: str
    reason: EndedReason | None
    price: int | None = None
    sales_rank: int | None = None
    known: bool = True


def options_for(selection: Mapping[str, Any]) -> ProductOptions | None:
    """How ``/product`` tells the price that a selection is about; ``None``: for no price worth paying."""
    if PLAIN.tells(price_type(selection)):
        return PLAIN
    with_buy_box = replace(PLAIN, buybox=True)
    return with_buy_box if with_buy_box.tells(price_type(selection)) else None


def match_product(
    asin: str, product: Product | None, selection: Mapping[str, Any], options: ProductOptions = PLAIN
) -> MatchResult:
    """Whether a product still is a deal of the selection; the reason when it is none.

    ``product`` is ``None`` where Keepa's entry came back empty. Nothing is known where ``options`` do not
    tell the price type (docs: Product Object): its arrays look like "no offer" then.
    """
    if product is None or product.stats is None:
        return MatchResult(asin, EndedReason.PRODUCT_GONE)
    kind = price_type(selection)
    if not options.tells(kind):
        return MatchResult(asin, None, known=False)
    price = at(product.stats.current, kind)
    if price is None:
        return MatchResult(asin, EndedReason.OUT_OF_STOCK)
    rank = at(product.stats.current, CsvType.SALES)
    reason = mismatch_reason(price, _average(product, kind, selection), rank, selection)
    return MatchResult(asin, reason, price, rank)


def _average(product: Product, kind: CsvType, selection: Mapping[str, Any]) -> int | None:
    """The average that the selection compares with; ``None`` for day and week, which no product tells."""
    stats = product.stats
    assert stats is not None
    match int(selection.get("dateRange", Interval.DAYS_90)):
        case Interval.MONTH:
            return at(stats.avg30, kind)
        case Interval.DAYS_90:
            return at(stats.avg90, kind)
    return None


def mismatch_reason(
    price: int, average: int | None, rank: int | None, selection: Mapping[str, Any]
) -> EndedReason | None:
    """Why such a price, average and sales rank are no deal of the selection; ``None`` when they are one."""
    ranges = selection if selection.get("isRangeEnabled") else {}
    least = ranges.get("deltaPercentRange", (0, 0))[0]
    if average is not None and (average <= price or round(100 * (average - price) / average) < least):
        return EndedReason.PRICE_RECOVERED
    if not _within(price, ranges.get("currentRange")) or not _within(rank, ranges.get("salesRankRange")):
        return EndedReason.NO_LONGER_MATCHES
    return None


def _within(value: int | None, bounds: Sequence[int] | None) -> bool:
    if bounds is None or tuple(bounds) == (-1, -1):  # as keepa.com exports "no bound"
        return True
    low, high = bounds
    return value is not None and low <= value and (high == -1 or value <= high)
