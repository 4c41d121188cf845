"""What a deal is worth to a seller. Pure; money in the locale's smallest unit, rates in basis points.

Bought at the deal's price, sold at its 90-day average: the price that it usually has. Amazon's referral
fee is a share of the sale, rounded half up to the cent; shares of the result are rounded half up, too.
A term that is unknown makes the result unknown, never a guess.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

WHOLE = 10_000
"""Basis points of the whole."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What the seller adds to each unit: preparation, and shipping to the warehouse."""

    prep: int = 0
    shipping: int = 0


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


def columns(
    *, price: int | None, average: int | None, referral_fee_bp: int | None, fba_fee: int | None, costs: Costs
) -> dict[str, int | None]:
    """The result as columns of ``deals``."""
    found = calculate(buy=price, sell=average, referral_fee_bp=referral_fee_bp, fba_fee=fba_fee, costs=costs)
    return {
        "sell_price": found.sell if found else None,
        "profit": found.profit if found else None,
        "roi_bp": found.roi_bp if found else None,
        "margin_bp": found.margin_bp if found else None,
    }
