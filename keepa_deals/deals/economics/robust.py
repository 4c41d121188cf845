"""The price at which a product really sold, as far as its history tells. Pure.

Nobody records sales. A sales rank that falls is taken for one (Keepa docs: Statistics Object,
``salesRankDrops``), at the price that stood when it fell. Of these prices the median is taken, without those
that lie far outside the middle half. A price at which nothing sells does not count, however long it stood.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from keepa_deals.deals.price_history import Step
from keepa_deals.deals.price_shares import at_share, held_prices

LEAST_FALL = 0.97
"""A rank that falls to more than this part of itself may only have drifted."""
FENCE = 1.5
"""How many widths of the middle half a price may lie outside of it (Tukey's fences)."""
LOW, HIGH = 0.05, 0.95
"""Between which shares of its time a price usually stood."""


class PastPrices(NamedTuple):
    """What the history of a year tells of a price; ``None`` where it tells nothing."""

    robust: int | None = None
    """The median of the prices at which it sold."""
    sales: int | None = None
    """On how many sales that rests."""
    low: int | None = None
    high: int | None = None
    """The price was below, and above, for one day in twenty."""


NO_PAST = PastPrices()


def past_prices(prices: Sequence[Step], ranks: Sequence[Step], until: int) -> PastPrices:
    """What the series tell; both ascend in time and each value holds until the next."""
    if not prices:
        return NO_PAST
    sold = _without_outliers(_prices_when_sold(prices, ranks))
    low, high = _usual(prices, until)
    return PastPrices(_median(sold), len(sold), low, high)


def falls(ranks: Sequence[Step]) -> list[int]:
    """The minutes at which the rank fell: what is taken for sales."""
    return [
        minute
        for (_, before), (minute, after) in pairwise(ranks)
        if before is not None and after is not None and after <= before * LEAST_FALL
    ]


def _prices_when_sold(prices: Sequence[Step], ranks: Sequence[Step]) -> list[int]:
    """The price that stood at each fall of the rank, in rising order."""
    minutes = [minute for minute, _ in prices]
    found = []
    for minute in falls(ranks):
        place = bisect_right(minutes, minute) - 1
        price = prices[place][1] if place >= 0 else None
        if price is not None:
            found.append(price)
    return sorted(found)


def _without_outliers(rising: Sequence[int]) -> Sequence[int]:
    if len(rising) < 4:
        return rising
    first, third = rising[len(rising) // 4], rising[3 * len(rising) // 4]
    reach = FENCE * (third - first)
    return [price for price in rising if first - reach <= price <= third + reach]


def _median(rising: Sequence[int]) -> int | None:
    """The middle one; of two the mean, halves up."""
    if not rising:
        return None
    return (rising[(len(rising) - 1) // 2] + rising[len(rising) // 2] + 1) // 2


def _usual(prices: Sequence[Step], until: int) -> tuple[int | None, int | None]:
    """The prices between which it stood for nine days in ten."""
    held = held_prices(prices, until)
    return at_share(held, LOW), at_share(held, HIGH)
