"""What a deal is worth to a seller. Pure; money in the locale's smallest unit, rates in basis points.

Bought at the deal's price, sold at the price that ``SELL_PRICE`` chooses: by default the 90-day average,
which it usually has. Amazon's referral fee is a share of the sale, rounded half up to the cent; shares of
the result are rounded half up, too. A term that is unknown makes the result unknown, never a guess.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import Protocol

RULES = 2
"""Grows with each change of the calculation: maintenance then prices every deal anew."""
WHOLE = 10_000
"""Basis points of the whole."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What the seller adds to each unit: preparation, and shipping to the warehouse."""

    prep: int = 0
    shipping: int = 0


class SellPrice(StrEnum):
    """Which price the seller expects to get."""

    AVERAGE_90 = "average_90"
    """The average of the last 90 days."""
    AVERAGE_30 = "average_30"
    """The average of the last month: closer to today's market, less steady."""
    BUY_BOX = "buy_box"
    """The buy box at the last enrichment; unknown until then."""


@dataclass(frozen=True, slots=True)
class Pricing:
    """What the seller adds to each unit, and the price to sell at."""

    costs: Costs = field(default_factory=Costs)
    sell: SellPrice = SellPrice.AVERAGE_90


DEFAULT = Pricing()


class Priced(Protocol):
    """The columns of a deal that its economics depend on."""

    @property
    def price(self) -> int | None: ...

    @property
    def price_avg_90(self) -> int | None: ...

    @property
    def price_avg_month(self) -> int | None: ...

    @property
    def buy_box_price(self) -> int | None: ...

    @property
    def fba_fee(self) -> int | None: ...

    @property
    def referral_fee_bp(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Economics:
    """The result with its terms. ``break_even`` is the lowest sale price without a loss."""

    buy: int
    sell: int
    referral_fee: int
    fba_fee: int
    prep: int
    shipping: int
    profit: int
    roi_bp: int | None
    margin_bp: int | None
    break_even: int | None


def calculate(
    *, buy: int | None, sell: int | None, referral_fee_bp: int | None, fba_fee: int | None, costs: Costs
) -> Economics | None:
    """The economics of one unit; ``None`` when a term is unknown."""
    if buy is None or sell is None or referral_fee_bp is None or fba_fee is None:
        return None
    referral = half_up(Fraction(sell * referral_fee_bp, WHOLE))
    invested = buy + costs.prep + costs.shipping
    profit = sell - referral - fba_fee - invested
    kept = WHOLE - referral_fee_bp
    return Economics(
        buy=buy,
        sell=sell,
        referral_fee=referral,
        fba_fee=fba_fee,
        prep=costs.prep,
        shipping=costs.shipping,
        profit=profit,
        roi_bp=half_up(Fraction(profit * WHOLE, invested)) if invested else None,
        margin_bp=half_up(Fraction(profit * WHOLE, sell)) if sell else None,
        break_even=-(-(invested + fba_fee) * WHOLE // kept) if kept > 0 else None,
    )


def half_up(value: Fraction) -> int:
    """The nearest whole number; halves away from zero."""
    magnitude = (2 * abs(value.numerator) + value.denominator) // (2 * value.denominator)
    return magnitude if value >= 0 else -magnitude


@dataclass(frozen=True, slots=True)
class EconomicsRow:
    """The economics of a deal as columns of ``deals``."""

    sell_price: int | None = None
    profit: int | None = None
    roi_bp: int | None = None
    margin_bp: int | None = None


UNKNOWN = EconomicsRow()
"""The columns of a deal of which a term is not known."""


def of(deal: Priced, pricing: Pricing) -> EconomicsRow:
    """The economics of a deal."""
    result = calculate(
        buy=deal.price,
        sell=sell_price(deal, pricing.sell),
        referral_fee_bp=deal.referral_fee_bp,
        fba_fee=known_fee(deal.fba_fee),
        costs=pricing.costs,
    )
    if result is None:
        return UNKNOWN
    return EconomicsRow(result.sell, result.profit, result.roi_bp, result.margin_bp)


def known_fee(fba_fee: int | None) -> int | None:
    """The FBA fee; ``None`` for 0, by which Keepa says that it cannot be calculated (docs: Product Object).

    Rows of before this was known may hold it; maintenance takes it out of them.
    """
    return fba_fee or None


def sell_price(deal: Priced, choice: SellPrice) -> int | None:
    """The price that a unit is expected to sell at; ``None`` when it is not known."""
    return {
        SellPrice.AVERAGE_90: deal.price_avg_90,
        SellPrice.AVERAGE_30: deal.price_avg_month,
        SellPrice.BUY_BOX: deal.buy_box_price,
    }[choice]
