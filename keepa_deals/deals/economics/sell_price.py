"""The price that a unit is expected to sell at, chosen among candidates by a stated rule.

The candidate that ``SELL_PRICE`` names, where it is known. Else the first known one of
``IN_ITS_PLACE``, marked as an assumption: a profit by another price is told as such, and is more than none.
While Amazon sells, nobody pays more than Amazon asks: its price caps the candidate. What speaks against the
price is told as doubts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntFlag
from typing import NamedTuple, Protocol

from keepa_deals.deals.economics.pricing import SellPrice
from keepa_deals.deals.economics.terms import UNKNOWN, Certainty, Known, Source

FAR_ABOVE = 3
"""Times the price of today, above which a sale price is doubted."""
FEW_SALES = 3
"""Fewer sales than so many carry no price."""


class Doubt(IntFlag):
    """What speaks against a sale price; a column of ``deals``."""

    NONE = 0
    FAR_ABOVE = 1
    """It is above three times what the product costs today."""
    FEW_SALES = 2
    """It rests on fewer than three sales."""
    UNUSUAL = 4
    """It lies outside of what the price was for nine days in ten of the year."""


class WithPrices(Protocol):
    """The candidates of a deal, and what caps or doubts them."""

    @property
    def price(self) -> int | None: ...

    @property
    def price_avg_90(self) -> int | None: ...

    @property
    def price_avg_month(self) -> int | None: ...

    @property
    def price_avg_180(self) -> int | None: ...

    @property
    def price_avg_365(self) -> int | None: ...

    @property
    def buy_box_price(self) -> int | None: ...

    @property
    def robust_price(self) -> int | None: ...

    @property
    def robust_sales(self) -> int | None: ...

    @property
    def rank_drops_90(self) -> int | None: ...

    @property
    def price_low_year(self) -> int | None: ...

    @property
    def price_high_year(self) -> int | None: ...

    @property
    def amazon_price(self) -> int | None: ...

    @property
    def amazon_in_stock(self) -> bool | None: ...


Candidate = Callable[[WithPrices], int | None]

CANDIDATES: Mapping[SellPrice, Candidate] = {
    SellPrice.AVERAGE_90: lambda deal: deal.price_avg_90,
    SellPrice.AVERAGE_30: lambda deal: deal.price_avg_month,
    SellPrice.AVERAGE_180: lambda deal: deal.price_avg_180,
    SellPrice.AVERAGE_365: lambda deal: deal.price_avg_365,
    SellPrice.BUY_BOX: lambda deal: deal.buy_box_price,
    SellPrice.ROBUST: lambda deal: deal.robust_price,
}
IN_ITS_PLACE = (SellPrice.AVERAGE_90, SellPrice.AVERAGE_30, SellPrice.AVERAGE_180, SellPrice.AVERAGE_365)
"""What stands for a candidate that is not known: the usual one first."""


class Chosen(NamedTuple):
    """A sale price as a term, and what speaks against it."""

    term: Known
    doubts: Doubt = Doubt.NONE


def chosen(deal: WithPrices, choice: SellPrice) -> Chosen:
    """The expected sell price of a deal."""
    price, used = CANDIDATES[choice](deal), choice
    if price is None:
        price, used = _in_its_place(deal)
    if price is None:
        return Chosen(UNKNOWN)
    certainty = Certainty.ESTIMATE if used is choice else Certainty.ASSUMED
    doubts = _doubts(deal, used, price)
    if deal.amazon_in_stock is not False and deal.amazon_price is not None and deal.amazon_price < price:
        return Chosen(Known(deal.amazon_price, Source.AMAZON, certainty), doubts)
    return Chosen(Known(price, Source(used), certainty), doubts)


def _in_its_place(deal: WithPrices) -> tuple[int | None, SellPrice]:
    for other in IN_ITS_PLACE:
        price = CANDIDATES[other](deal)
        if price is not None:
            return price, other
    return None, SellPrice.AVERAGE_90


def _doubts(deal: WithPrices, used: SellPrice, price: int) -> Doubt:
    """What speaks against a candidate, before Amazon caps it. What is not known speaks neither way."""
    doubts = Doubt.NONE
    if deal.price is not None and price > FAR_ABOVE * deal.price:
        doubts |= Doubt.FAR_ABOVE
    sales = deal.robust_sales if used is SellPrice.ROBUST else deal.rank_drops_90
    if sales is not None and sales < FEW_SALES:
        doubts |= Doubt.FEW_SALES
    low, high = deal.price_low_year, deal.price_high_year
    if low is not None and high is not None and not low <= price <= high:
        doubts |= Doubt.UNUSUAL
    return doubts
