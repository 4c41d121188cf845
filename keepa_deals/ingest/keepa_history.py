"""Keepa's own history of a deal, for its chart: what comes with an enrichment at no further token. Pure.

Keepa docs: Product Object, ``csv``. A series of a type with shipping is the price with its shipping, as in
the deals feed. A value that is not known stays unknown: it is neither guessed nor carried over a gap.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from keepa_deals.deals.economics.robust import NO_PAST, PastPrices, past_prices
from keepa_deals.deals.price_history import Past, Step
from keepa_deals.keepa.enums import CsvType
from keepa_deals.keepa.history import PricePoint
from keepa_deals.keepa.product import Product
from keepa_deals.keepa.time import unix_ms

log = logging.getLogger(__name__)

DAYS = 90
"""Of history that are kept for a chart."""
YEAR = 365
"""Of history that are asked for, at no further token (docs, Product Request: ``days`` only cuts it)."""
MAX_STEPS = 360
"""Of each series: one in six hours of 90 days. A price rarely has as many, a rank often more."""
MS_PER_MINUTE = 60_000


def prices_of(product: Product, kind: CsvType, now: datetime) -> PastPrices:
    """What a year of history tells of the price of ``kind``: at which prices it sold, and what was usual."""
    told = _told(product, kind)
    if told is None:
        return NO_PAST
    since, until = _minute(now - timedelta(days=YEAR)), _minute(now)
    prices, ranks = (_cut(series, since, until) for series in told)
    return past_prices(prices, ranks, until)


def past_of(product: Product, kind: CsvType, now: datetime, days: int = DAYS) -> Past | None:
    """The last ``days`` of the price of ``kind`` and of the sales rank.

    ``None`` when the answer holds no history, or none that can be read: what was known before stands.
    """
    told = _told(product, kind)
    if told is None:
        return None
    since, until = _minute(now - timedelta(days=days)), _minute(now)
    prices, ranks = told
    return Past(tuple(steps(prices, since, until)), tuple(steps(ranks, since, until)))


def _told(product: Product, kind: CsvType) -> tuple[list[Step], list[Step]] | None:
    """The whole series of price and rank; ``None`` when there is none, or none that can be read."""
    if not product.history:
        return None
    try:
        prices = [(_minute(p.at), _total(p, kind)) for p in product.history.get(kind, ())]
        ranks = [(_minute(p.at), p.value) for p in product.history.get(CsvType.SALES, ())]
    except (ValueError, TypeError, OverflowError) as error:
        log.warning("the history of %s is not used: %s", product.asin, error)
        return None
    return prices, ranks


def _total(point: PricePoint, kind: CsvType) -> int | None:
    if not kind.has_shipping:
        return point.value
    return None if point.value is None or point.shipping is None else point.value + point.shipping


def steps(told: Iterable[Step], since: int, until: int) -> list[Step]:
    """``told`` from ``since`` to ``until``, at most ``MAX_STEPS``, each to another value.

    What was in force at ``since`` begins there. Of too many, the last of each of ``MAX_STEPS`` equal spans
    stays, with its own time.
    """
    series = _cut(told, since, until)
    if len(series) <= MAX_STEPS:
        return series
    width = (until - since) // MAX_STEPS + 1
    return _changes(list({(minute - since) // width: (minute, value) for minute, value in series}.values()))


def _cut(told: Iterable[Step], since: int, until: int) -> list[Step]:
    last_of_minute = dict(sorted((step for step in told if step[0] <= until), key=lambda step: step[0]))
    before = [value for minute, value in last_of_minute.items() if minute <= since]
    series = [(since, before[-1])] if before else []
    return _changes([*series, *(step for step in last_of_minute.items() if step[0] > since)])


def _changes(series: list[Step]) -> list[Step]:
    return [step for i, step in enumerate(series) if i == 0 or step[1] != series[i - 1][1]]


def _minute(moment: datetime) -> int:
    return unix_ms(moment) // MS_PER_MINUTE
