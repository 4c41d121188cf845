"""The price that a unit is expected to sell at, chosen among candidates by a stated rule.

The candidate that ``SELL_PRICE`` names, where it is known. Else the first known one of
``IN_ITS_PLACE``, marked as an assumption: a profit by another price is told as such, and is more than none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from keepa_deals.deals.economics.pricing import SellPrice
from keepa_deals.deals.economics.terms import UNKNOWN, Certainty, Known, Source


class WithPrices(Protocol):
    """The candidates of a deal."""

    @property
    def price_avg_90(self) -> int | None: ...

    @property
    def price_avg_month(self) -> int | None: ...

    @property
    def buy_box_price(self) -> int | None: ...


Candidate = Callable[[WithPrices], int | None]

CANDIDATES: Mapping[SellPrice, Candidate] = {
    SellPrice.AVERAGE_90: lambda deal: deal.price_avg_90,
    SellPrice.AVERAGE_30: lambda deal: deal.price_avg_month,
    SellPrice.BUY_BOX: lambda deal: deal.buy_box_price,
}
IN_ITS_PLACE = (SellPrice.AVERAGE_90, SellPrice.AVERAGE_30)
"""What stands for a candidate that is not known: the steadiest first."""


def chosen(deal: WithPrices, choice: SellPrice) -> Known:
    """The expected sell price of a deal."""
    price = CANDIDATES[choice](deal)
    if price is not None:
        return Known(price, Source(choice), Certainty.ESTIMATE)
    for other in IN_ITS_PLACE:
        price = CANDIDATES[other](deal)
        if price is not None:
            return Known(price, Source(other), Certainty.ASSUMED)
    return UNKNOWN
