"""At which prices a series stood for which share of its time. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from keepa_deals.deals.price_history import Step

Held = list[tuple[int, int]]
"""Prices in rising order, each with the minutes for which it held."""


def held_prices(prices: Sequence[Step], until: int) -> Held:
    """The known prices of a series that ends at ``until``."""
    ends = [*(minute for minute, _ in prices[1:]), until]
    return sorted(
        (price, max(0, end - minute))
        for (minute, price), end in zip(prices, ends, strict=False)
        if price is not None
    )


def at_share(held: Held, share: float) -> int | None:
    """The price that it stood at or below for a share of the time; ``None`` when there was none."""
    wanted, passed = share * sum(time for _, time in held), 0
    if not wanted:
        return None
    for price, time in held:
        passed += time
        if passed >= wanted:
            return price
    return held[-1][0]
