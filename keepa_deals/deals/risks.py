"""What may go wrong with a product, from what an enrichment tells at no further token. Pure.

A risk is named where Keepa tells of it. What Keepa does not tell is no risk here, and no promise either.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntFlag

OFTEN_IN_STOCK = 50
"""Percent of 90 days for which Amazon had an offer, from which on it is a rival."""
RISING_BY = 3
"""So many new offers more than the average of 90 days, and half as many again, are a rush."""


class Risk(IntFlag):
    """A column of ``deals``, as flags."""

    MELTABLE = 1
    HAZARDOUS = 2
    ADULT = 4
    HIDDEN_PRICE = 8
    OVERSIZE = 16
    AMAZON_SELLS = 32
    OFFERS_RISE = 64


MEANINGS: Mapping[Risk, str] = {
    Risk.MELTABLE: "it melts: Amazon takes it in and ships it in the cold months only",
    Risk.HAZARDOUS: "it is told to be hazardous: Amazon wants a safety data sheet, and may refuse it",
    Risk.ADULT: "it is for adults: it is shown to few, and needs leave to be sold",
    Risk.HIDDEN_PRICE: "the price of new ones is hidden by its maker (MAP): what buyers pay may be less",
    Risk.OVERSIZE: "it is larger than Amazon's standard size: fees are higher",
    Risk.AMAZON_SELLS: "Amazon had an offer for half of the last 90 days or more",
    Risk.OFFERS_RISE: "new offers are many more than the average of 90 days",
}
"""Each risk explained."""


def risks_of(value: int | None) -> list[Risk]:
    """The risks that stored flags stand for."""
    return [risk for risk in MEANINGS if (value or 0) & risk]


def names(value: int | None) -> list[str]:
    """The same for programs."""
    return [str(risk.name).lower() for risk in risks_of(value)]


def amazon_sells(absent_percent: int | None) -> bool:
    """Whether Amazon was there for half of the time, by the share for which it was not."""
    return absent_percent is not None and 100 - absent_percent >= OFTEN_IN_STOCK


def offers_rise(now: int | None, average: int | None) -> bool:
    """Whether offers have become many more than they were."""
    return now is not None and average is not None and now >= average + RISING_BY and 2 * now >= 3 * average
