"""Which deals match a query at a moment, and by which values they are sorted."""

from __future__ import annotations

from dataclasses import dataclass

from keepa_deals.keepa.enums import CsvType, Interval
from keepa_deals.sandbox.catalogue.catalogue import Catalogue, Item
from keepa_deals.sandbox.catalogue.product_traits import FAMILY_OF
from keepa_deals.sandbox.catalogue.schedule import Window
from keepa_deals.sandbox.catalogue.series import Extremes
from keepa_deals.sandbox.deal_query import DealQuery

DAY = 1440
MINUTES = {
    Interval.DAY: 2 * DAY,
    Interval.WEEK: 7 * DAY,
    Interval.MONTH: 30 * DAY,
    Interval.DAYS_90: 90 * DAY,
}
"""The spans of the averages; Keepa's "day" is 48 hours."""
_NEAR, _FAR = 2_000, 20_000
"""Minutes by which a deal that stands out of order seems to be younger or older, at most."""


@dataclass(frozen=True, slots=True)
class Match:
    """A deal that matches a query: the values by which it is sorted, and ``created``, its position in time.

    ``in_category`` says whether it passes the filters on categories as well, which counts ignore.
    """

    item: Item
    window: Window
    created: int
    current: int
    delta: int
    percent: int
    rank: int
    in_category: bool
    key: tuple[int, str]


def match_of(catalogue: Catalogue, item: Item, window: Window, query: DealQuery, minute: int) -> Match | None:
    """The deal of a product at ``minute``, if it matches all of a query but its categories."""
    kind, facts = query.kind, item.facts
    if kind not in facts.surcharges:
        return None
    current = item.value(kind, minute)
    if (current < 0) != ("isOutOfStock" in query.flags):
        return None
    rank = item.value(CsvType.SALES, minute)
    # an average needs months of a series, so it comes last
    if not _in_ranges({"currentRange": current, "salesRankRange": rank}, query):
        return None
    average = item.average(kind, MINUTES[Interval(query.date_range)], minute)
    delta = average - max(current, 0)
    if delta <= 0:
        return None
    percent = round(100 * delta / average)
    last = delta_last(item, kind, minute) if "deltaLastRange" in query.ranges else 0
    if not _in_ranges({"deltaRange": delta, "deltaPercentRange": percent, "deltaLastRange": last}, query):
        return None
    if not _passes(catalogue, item, query, minute):
        return None
    created = item.since(kind, minute)
    key = _key(query, created, delta, percent, rank), facts.asin
    if abs(query.sort_type) == 1 and catalogue.behaviour.disorder:
        key = key[0] + _disorder(catalogue, facts.asin), facts.asin
    in_category = _in_category(item, query)
    return Match(item, window, created, current, delta, percent, rank, in_category, key)


def _in_ranges(values: dict[str, int], query: DealQuery) -> bool:
    for name, value in values.items():
        if name in query.ranges:
            low, high = query.ranges[name]
            if not low <= value <= high or (name == "salesRankRange" and value < 0):
                return False
    return True


def _in_category(item: Item, query: DealQuery) -> bool:
    nodes = {item.facts.category.id, *item.facts.categories}
    if query.include_categories and not nodes & query.include_categories:
        return False
    return not nodes & query.exclude_categories


def _passes(catalogue: Catalogue, item: Item, query: DealQuery, minute: int) -> bool:
    if query.min_rating >= 0 and item.value(CsvType.RATING, minute) < query.min_rating:
        return False
    if query.title_words:
        title = (catalogue.title(item) or "").lower()
        if not all(word in title for word in query.title_words):
            return False
    conditions = query.warehouse_conditions if query.kind is CsvType.WAREHOUSE else None
    if conditions and item.facts.warehouse_condition not in conditions:
        return False
    return _passes_flags(item, query, minute)


def _passes_flags(item: Item, query: DealQuery, minute: int) -> bool:
    flags, series = query.flags, item.series[FAMILY_OF[query.kind]]
    if "mustHaveAmazonOffer" in flags and item.value(CsvType.AMAZON, minute) < 0:
        return False
    if "mustNotHaveAmazonOffer" in flags and item.value(CsvType.AMAZON, minute) >= 0:
        return False
    if "hasReviews" in flags and not item.facts.reviews:
        return False
    if "isBackInStock" in flags and not is_back(item, query.kind, minute):
        return False
    return all(
        name not in flags or is_lowest(item, query.kind, minute, series.extremes(start, minute))
        for name, start in (("isLowest", item.facts.tracked_since), ("isLowest90", minute - 90 * DAY))
    )


def is_lowest(item: Item, kind: CsvType, minute: int, extremes: Extremes | None) -> bool:
    """Whether the value at ``minute`` is the lowest of those that have these ``extremes``."""
    current = item.series[FAMILY_OF[kind]].at(minute)
    return extremes is not None and 0 <= current <= extremes[0][1]


def is_back(item: Item, kind: CsvType, minute: int) -> bool:
    """Whether the offer that is there now was missing just before."""
    series = item.series[FAMILY_OF[kind]]
    return series.at(minute) >= 0 and series.at(series.since(minute) - 1) < 0


def delta_last(item: Item, kind: CsvType, minute: int) -> int:
    """The value before the last change less the one now; 0 when either is missing."""
    if kind not in item.facts.surcharges:
        return 0
    before, now = item.value(kind, item.since(kind, minute) - 1), item.value(kind, minute)
    return before - now if before >= 0 and now >= 0 else 0


def _key(query: DealQuery, created: int, delta: int, percent: int, rank: int) -> int:
    """What a query sorts by, the smallest first."""
    sign = 1 if query.sort_type > 0 else -1
    return {
        1: -created,  # not invertible at Keepa
        2: -sign * delta,
        3: sign * (rank if rank >= 0 else 1 << 40),
        4: -sign * percent,
    }[abs(query.sort_type)]


def _disorder(catalogue: Catalogue, asin: str) -> int:
    if catalogue.fraction(f"disorder/{asin}") >= catalogue.behaviour.disorder:
        return 0
    return round(catalogue.fraction(f"place/{asin}") * (_NEAR + _FAR)) - _NEAR
