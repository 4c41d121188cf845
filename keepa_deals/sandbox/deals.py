"""The answer to a deal query: which deals match, in which order, and what is said of each."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from keepa_deals.keepa.costs import DEALS_PER_PAGE, MAX_DEALS_PER_QUERY
from keepa_deals.keepa.types import CsvType, Interval
from keepa_deals.sandbox import words
from keepa_deals.sandbox.catalogue import VALUES, Catalogue, Item, Window
from keepa_deals.sandbox.facts import FAMILY_OF
from keepa_deals.sandbox.query import DealQuery

MINUTES = {
    Interval.DAY: 2 * 1440,
    Interval.WEEK: 7 * 1440,
    Interval.MONTH: 30 * 1440,
    Interval.DAYS_90: 90 * 1440,
}
"""The spans of the averages; Keepa's "day" is 48 hours."""
NAMES = {category.id: category.name for category in words.CATEGORIES}


@dataclass(frozen=True, slots=True)
class Match:
    """A deal that matches a query: the values by which it is sorted."""

    item: Item
    window: Window
    current: int
    delta: int
    percent: int
    rank: int


def find_deals(catalogue: Catalogue, query: DealQuery, minute: int) -> list[Match]:
    """All deals that match at ``minute``, in the order of the query."""
    found = list(_matches(catalogue, query, minute))
    if "singleVariation" in query.flags:
        found = list({m.item.facts.parent_asin or m.item.facts.asin: m for m in found}.values())
    found.sort(key=_order(query))
    return found


def _matches(catalogue: Catalogue, query: DealQuery, minute: int) -> Iterator[Match]:
    span = MINUTES[Interval(query.date_range)]
    wants_gone = "isOutOfStock" in query.flags
    for item, window in catalogue.deals(query.kind, minute):
        current = item.value(query.kind, minute)
        if (current < 0) != wants_gone:
            continue
        average = item.average(query.kind, minute - span, minute)
        delta = average - max(current, 0)
        percent = round(100 * delta / average) if average > 0 else 0
        if delta <= 0:
            continue
        match = Match(item, window, current, delta, percent, item.value(CsvType.SALES, minute))
        if _in_ranges(match, query, minute) and _passes(catalogue, match, query, minute):
            yield match


def _in_ranges(match: Match, query: DealQuery, minute: int) -> bool:
    values = {
        "currentRange": match.current,
        "deltaRange": match.delta,
        "deltaPercentRange": match.percent,
        "salesRankRange": match.rank,
    }
    for name, (low, high) in query.ranges.items():
        value = values[name] if name in values else delta_last(match.item, query.kind, minute)
        if name == "salesRankRange" and value < 0:
            return False
        if not low <= value <= high:
            return False
    return True


def _passes(catalogue: Catalogue, match: Match, query: DealQuery, minute: int) -> bool:
    item, facts = match.item, match.item.facts
    nodes = {facts.category.id, *facts.categories}
    if query.include_categories and not nodes & query.include_categories:
        return False
    if nodes & query.exclude_categories:
        return False
    if query.min_rating >= 0 and item.value(CsvType.RATING, minute) < query.min_rating:
        return False
    if query.title_words:
        title = catalogue.title(item).lower()
        if not all(word in title for word in query.title_words):
            return False
    conditions = query.warehouse_conditions if query.kind is CsvType.WAREHOUSE else None
    if conditions and facts.warehouse_condition not in conditions:
        return False
    return _passes_flags(item, query, minute)


def _passes_flags(item: Item, query: DealQuery, minute: int) -> bool:
    flags = query.flags
    amazon = item.value(CsvType.AMAZON, minute) >= 0
    if "mustHaveAmazonOffer" in flags and not amazon:
        return False
    if "mustNotHaveAmazonOffer" in flags and amazon:
        return False
    if "hasReviews" in flags and not item.facts.reviews:
        return False
    if "isBackInStock" in flags and not _is_back(item, query.kind, minute):
        return False
    if "isLowest" in flags and not is_lowest(item, query.kind, item.facts.tracked_since, minute):
        return False
    return "isLowest90" not in flags or is_lowest(item, query.kind, minute - 90 * 1440, minute)


def is_lowest(item: Item, kind: CsvType, start: int, minute: int) -> bool:
    """Whether the value at ``minute`` is the lowest since ``start``."""
    extremes = item.series[FAMILY_OF[kind]].extremes(start, minute)
    current = item.series[FAMILY_OF[kind]].at(minute)
    return extremes is not None and 0 <= current <= extremes[0][1]


def _is_back(item: Item, kind: CsvType, minute: int) -> bool:
    """Whether the offer that is there now was missing just before."""
    series = item.series[FAMILY_OF[kind]]
    return series.at(minute) >= 0 and series.at(series.since(minute) - 1) < 0


def delta_last(item: Item, kind: CsvType, minute: int) -> int:
    """The value before the last change less the one now; 0 when either is missing."""
    before, now = item.value(kind, item.since(kind, minute) - 1), item.value(kind, minute)
    return before - now if before >= 0 and now >= 0 else 0


def _order(query: DealQuery) -> Any:
    sign = 1 if query.sort_type > 0 else -1
    kind = abs(query.sort_type)

    def key(match: Match) -> tuple[int, str]:
        value = {
            1: -match.window.start,  # not invertible at Keepa
            2: -sign * match.delta,
            3: sign * (match.rank if match.rank >= 0 else 1 << 40),
            4: -sign * match.percent,
        }[kind]
        return value, match.item.facts.asin

    return key


class DealFinder:
    """Answers deal queries; in a minute all pages of a query come from one list, like Keepa's cache."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._lock = threading.Lock()
        self._cached: dict[tuple[object, ...], tuple[int, list[Match]]] = {}

    def find(self, query: DealQuery, minute: int) -> list[Match]:
        """All matches at ``minute``."""
        with self._lock:
            cached = self._cached.get(query.key)
            if cached is None or cached[0] != minute:
                if len(self._cached) > 8:
                    self._cached.clear()
                cached = self._cached[query.key] = (minute, find_deals(self._catalogue, query, minute))
            return cached[1]

    def page(self, query: DealQuery, minute: int) -> dict[str, Any]:
        """The ``deals`` object of an answer: no deal beyond the 10,000th, though all are counted."""
        found = self.find(query, minute)
        first = query.page * DEALS_PER_PAGE
        end = min(first + DEALS_PER_PAGE, MAX_DEALS_PER_QUERY)
        counts = Counter(match.item.facts.category.id for match in found)
        return {
            "dr": [self._entry(m, query, minute) for m in found[first:end]],
            "categoryIds": list(counts),
            "categoryNames": [NAMES[category] for category in counts],
            "categoryCount": list(counts.values()),
        }

    def _entry(self, match: Match, query: DealQuery, minute: int) -> dict[str, Any]:
        item, facts = match.item, match.item.facts
        current = item.values(minute)
        averages = {i: item.averages(minute - span, minute) for i, span in MINUTES.items()}
        delta = {i: [_delta(a, c) for a, c in zip(avg, current, strict=True)] for i, avg in averages.items()}
        return {
            "asin": facts.asin,
            "parentAsin": facts.parent_asin,
            "title": self._catalogue.title(item),
            "rootCat": facts.category.id,
            "categories": list(facts.categories),
            "image": [ord(c) for c in self._catalogue.image(item)],
            "creationDate": match.window.start,
            "lastUpdate": item.last_update(minute),
            "lightningEnd": 0,
            "warehouseCondition": facts.warehouse_condition if query.kind is CsvType.WAREHOUSE else 0,
            "warehouseConditionComment": None,
            "current": current,
            "currentSince": [item.since(CsvType(kind), minute) for kind in range(VALUES)],
            "deltaLast": [delta_last(item, CsvType(kind), minute) for kind in range(VALUES)],
            "delta": [delta[i] for i in Interval],
            "deltaPercent": [
                [_percent(d, a) for d, a in zip(delta[i], averages[i], strict=True)] for i in Interval
            ],
            "avg": [averages[i] for i in Interval],
        }


def _delta(average: int, current: int) -> int:
    return average - current if average >= 0 and current >= 0 else 0


def _percent(delta: int, average: int) -> int:
    return round(100 * delta / average) if average > 0 else 0
