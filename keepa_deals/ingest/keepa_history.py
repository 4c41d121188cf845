"""Keepa's own history of a deal, for its chart: what comes with an enrichment at no further token. Pure.

Keepa docs: Product Object, ``csv``. A series of a type with shipping is the price with its shipping, as in
the deals feed. A value that is not known stays unknown: it is neither guessed nor carried over a gap.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from keepa_deals.deals.economics.robust import NO_PAST, PastPrices, falls, past_prices
from keepa_deals.deals.price_history import Line, Past, Step, Steps, changes, thinned
from keepa_deals.keepa.enums import USED, CsvType
from keepa_deals.keepa.history import PricePoint
from keepa_deals.keepa.product import Product
from keepa_deals.keepa.time import unix_ms

log = logging.getLogger(__name__)

YEAR = 365
"""Of history that are asked for, at no further token (docs, Product Request: ``days`` only cuts it)."""
MAX_STEPS = 360
"""Of price and of rank: half of them for the last 90 days, two a day. A price rarely has as many."""
MS_PER_MINUTE = 60_000


def prices_of(product: Product, kind: CsvType, now: datetime) -> PastPrices:
    """What a year of history tells of the price of ``kind``: at which prices it sold, and what was usual."""
    told = _told(product, kind)
    if told is None:
        return NO_PAST
    since, until = unix_minute(now - timedelta(days=YEAR)), unix_minute(now)
    prices, ranks = (_cut(series, since, until) for series in told)
    return past_prices(prices, ranks, until)


def past_of(product: Product, kind: CsvType, now: datetime, days: int = YEAR) -> Past | None:
    """The last ``days`` of the price of ``kind``, of the sales rank, and of what explains them.

    ``None`` when the answer holds no history, or none that can be read: what was known before stands.
    """
    told = _told(product, kind)
    if told is None:
        return None
    since, until = unix_minute(now - timedelta(days=days)), unix_minute(now)
    prices, ranks = told
    return Past(
        tuple(steps(prices, since, until)),
        tuple(steps(ranks, since, until)),
        dict(_lines(product, kind, since, until)),
        tuple(falls(_cut(ranks, since, until))),
    )


def _lines(product: Product, kind: CsvType, since: int, until: int) -> Iterator[tuple[Line, Steps]]:
    """The other lines that came, without the deal's own price. One that cannot be read is left out."""
    for line, source in _sources(kind).items():
        if source is kind:
            continue
        try:
            told = _series(product, source)
        except (ValueError, TypeError, OverflowError) as error:
            log.warning("a line in the history of %s is left out: %s", product.asin, error)
            continue
        found = tuple(steps(told, since, until))
        if any(value is not None for _, value in found):
            yield line, found


def _sources(kind: CsvType) -> dict[Line, CsvType]:
    """Where each line comes from. A used deal has the buy box and the offers of used ones."""
    used = kind in USED
    return {
        Line.AMAZON: CsvType.AMAZON,
        Line.NEW: CsvType.NEW,
        Line.USED: CsvType.USED,
        Line.BUY_BOX: CsvType.BUY_BOX_USED_SHIPPING if used else CsvType.BUY_BOX_SHIPPING,
        Line.OFFERS: CsvType.COUNT_USED if used else CsvType.COUNT_NEW,
        Line.RATING: CsvType.RATING,
    }


def _told(product: Product, kind: CsvType) -> tuple[list[Step], list[Step]] | None:
    """The whole series of price and rank; ``None`` when there is none, or none that can be read."""
    if not product.history:
        return None
    try:
        prices, ranks = _series(product, kind), _series(product, CsvType.SALES)
    except (ValueError, TypeError, OverflowError) as error:
        log.warning("the history of %s is not used: %s", product.asin, error)
        return None
    return prices, ranks


def _series(product: Product, kind: CsvType) -> list[Step]:
    """The whole series of a type; ``ValueError`` when it cannot be read."""
    return [(unix_minute(point.at), _total(point, kind)) for point in product.history.get(kind, ())]


def _total(point: PricePoint, kind: CsvType) -> int | None:
    if not kind.has_shipping:
        return point.value
    return None if point.value is None or point.shipping is None else point.value + point.shipping


def steps(told: Iterable[Step], since: int, until: int) -> list[Step]:
    """``told`` from ``since`` to ``until``, at most ``MAX_STEPS``, each to another value.

    What was in force at ``since`` begins there.
    """
    return list(thinned(_cut(told, since, until), until, MAX_STEPS))


def _cut(told: Iterable[Step], since: int, until: int) -> list[Step]:
    last_of_minute = dict(sorted((step for step in told if step[0] <= until), key=lambda step: step[0]))
    before = [value for minute, value in last_of_minute.items() if minute <= since]
    series = [(since, before[-1])] if before else []
    return list(changes([*series, *(step for step in last_of_minute.items() if step[0] > since)]))


def unix_minute(moment: datetime) -> int:
    """The whole minutes since 1970."""
    return unix_ms(moment) // MS_PER_MINUTE
