"""The answer to a deal query: the list of what matches, kept up to date, and one page of it."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

from keepa_deals.keepa.enums import CsvType, Interval
from keepa_deals.keepa.token_costs import DEALS_PER_PAGE, MAX_DEALS_PER_QUERY
from keepa_deals.sandbox.catalogue import vocabulary
from keepa_deals.sandbox.catalogue.catalogue import Catalogue, Item
from keepa_deals.sandbox.catalogue.product_traits import FAMILY_OF
from keepa_deals.sandbox.deal_matching import MINUTES, Match, match_of
from keepa_deals.sandbox.deal_query import DealQuery

VALUES = 34
"""The length of the arrays in a recorded deal; a product's have two more."""
STEP_SECONDS = 30
"""A list is as of the last half minute."""
MAX_LISTS = 12
NAMES = {category.id: category.name for category in vocabulary.CATEGORIES}
_INDEX_BITS = 24
_PARENT_SHARE = 1 / 5324
"""How many entries of the feed name their parent (recorded)."""
_LATE_UPDATE_SHARE = 1 / 150
"""How many ``lastUpdate`` lie two minutes before the change itself (recorded)."""


class Listing:
    """The deals that match one query; :meth:`move_to` handles what has changed since, and nothing else."""

    def __init__(self, catalogue: Catalogue, query: DealQuery, second: int) -> None:
        self._catalogue = catalogue
        self._query = query
        self._family = FAMILY_OF[query.kind]
        self._single = "singleVariation" in query.flags
        self._listed: dict[int, tuple[Match, ...]] = {}
        self._alone: list[tuple[tuple[int, str], Match]] = []
        self._groups: list[tuple[Match, ...]] = []
        self._counts: Counter[int] = Counter()
        self._events = [self._look(head, second) << _INDEX_BITS | head for head in range(catalogue.size)]
        heapq.heapify(self._events)
        self._arrange()
        self.second = second

    def move_to(self, second: int) -> None:
        """Handle every change up to ``second`` (Keepa's time)."""
        changed = False
        while self._events[0] >> _INDEX_BITS <= second:
            head = self._events[0] & ((1 << _INDEX_BITS) - 1)
            before = self._listed.get(head)
            heapq.heapreplace(self._events, self._look(head, second) << _INDEX_BITS | head)
            changed = changed or self._listed.get(head) is not before
        if changed:
            self._arrange()
        self.second = second

    def shown(self, chances: random.Random) -> list[Match]:
        """What a query is answered with, in its order: of each family one by chance, if that is asked for."""
        if not self._groups:
            return [match for _, match in self._alone]
        chosen = (chances.choice(group) for group in self._groups)
        return [m for _, m in sorted([*self._alone, *((m.key, m) for m in chosen)], key=lambda pair: pair[0])]

    def everything(self) -> Iterator[Match]:
        """All deals that match, every variation of a family among them, in the order of the query."""
        groups = [(match.key, match) for group in self._groups for match in group]
        return (m for _, m in sorted([*self._alone, *groups], key=lambda pair: pair[0]))

    def counts(self) -> dict[int, int]:
        """How many match in each root category, whatever categories the query asks for (recorded)."""
        return dict(self._counts)

    def _look(self, head: int, second: int) -> int:
        """Note which variations of a family match now; the second of their next change."""
        schedule = self._catalogue.schedule
        timing = schedule.timing(head)
        minute = (second - timing.lag_seconds) // 60
        number = timing.number(minute)
        window = schedule.window(head, timing, self._family, number)
        listed: tuple[Match, ...] = ()
        if minute >= window.end:
            event = schedule.window(head, timing, self._family, number + 1).shown
        elif minute < window.shown:
            event = window.shown
        else:
            items = [self._catalogue.item(index) for index in self._catalogue.variations(head)]
            matches = (match_of(self._catalogue, item, window, self._query, minute) for item in items)
            listed = tuple(match for match in matches if match is not None)
            event = min(window.end, *(item.next_event(self._family, minute) for item in items))
        if listed:
            self._listed[head] = listed
        else:
            self._listed.pop(head, None)
        return event * 60 + timing.lag_seconds

    def _arrange(self) -> None:
        alone, groups = [], []
        self._counts.clear()
        for family in self._listed.values():
            self._counts[family[0].item.facts.category.id] += 1 if self._single else len(family)
            if not family[0].in_category:
                continue
            if len(family) > 1 and self._single:
                groups.append(family)
            else:
                alone += [(match.key, match) for match in family]
        alone.sort(key=lambda pair: pair[0])
        self._alone, self._groups = alone, groups


class DealFinder:
    """Answers deal queries; one thread at a time. ``seed`` decides which variation is shown when."""

    def __init__(self, catalogue: Catalogue, *, seed: str = "keepa") -> None:
        self._catalogue = catalogue
        self._chances = random.Random(f"{seed}/variations")  # noqa: S311  # reproducible, not secret
        self._listings: dict[tuple[object, ...], Listing] = {}

    def listing(self, query: DealQuery, second: int) -> Listing:
        """The deals that match at a second of Keepa's time, as of the last half minute."""
        second -= second % STEP_SECONDS
        listing = self._listings.get(query.key)
        if listing is None or listing.second > second:
            if len(self._listings) >= MAX_LISTS:
                del self._listings[next(iter(self._listings))]
            listing = self._listings[query.key] = Listing(self._catalogue, query, second)
        listing.move_to(second)
        return listing

    def page(self, query: DealQuery, second: int) -> dict[str, Any]:
        """The ``deals`` object of an answer: no deal beyond the 10,000th, though all are counted."""
        listing = self.listing(query, second)
        first = query.page * DEALS_PER_PAGE
        end = min(first + DEALS_PER_PAGE, MAX_DEALS_PER_QUERY)
        counts = listing.counts()
        return {
            "dr": [self._entry(m, query, listing.second) for m in listing.shown(self._chances)[first:end]],
            "drDateIndex": [],
            "categoryIds": list(counts),
            "categoryNames": [NAMES[category] for category in counts],
            "categoryCount": list(counts.values()),
        }

    def _entry(self, match: Match, query: DealQuery, second: int) -> dict[str, Any]:
        item, facts = match.item, match.item.facts
        minute = (second - item.timing.lag_seconds) // 60
        lightning = self._catalogue.lightning(item)
        is_warehouse = query.kind is CsvType.WAREHOUSE
        named = facts.parent_asin and self._catalogue.fraction(f"parent/{facts.asin}") < _PARENT_SHARE
        return {
            "asin": facts.asin,
            **({"parentAsin": facts.parent_asin} if named else {}),
            "title": self._catalogue.title(item),
            "rootCat": facts.category.id,
            "categories": list(facts.categories),
            "image": [ord(c) for c in self._catalogue.image(item)],
            "creationDate": item.since(query.kind, minute),
            "lastUpdate": self._last_update(match, minute),
            "lightningStart": lightning[0],
            "lightningEnd": lightning[1],
            "warehouseCondition": facts.warehouse_condition if is_warehouse else 0,
            **({"warehouseConditionComment": None} if is_warehouse else {}),
            "dateIntervalIndex": 0,
            **_arrays(item, minute),
            **{f"salesRankDrops{days}": drops for days, drops in item.rank_drops(minute).items()},
        }

    def _last_update(self, match: Match, minute: int) -> int:
        update = match.item.last_update(minute)
        late = self._catalogue.fraction(f"late/{match.item.facts.asin}/{update}") < _LATE_UPDATE_SHARE
        return update - 2 if late and update == match.created else update


def _arrays(item: Item, minute: int) -> dict[str, Any]:
    """What is told of each price type."""
    current = item.values(minute)[:VALUES]
    averages = [item.averages(MINUTES[i], minute)[:VALUES] for i in Interval]
    delta = [[_delta(a, c) for a, c in zip(avg, current, strict=True)] for avg in averages]
    since = [item.facts.tracked_since if value >= 0 else -1 for value in current]
    last, back = [0] * VALUES, [False] * VALUES
    for family, series in item.series.items():
        changed = series.since(minute)
        before, now = series.at(changed - 1), series.at(minute)
        for kind in item.facts.surcharges:
            if FAMILY_OF[kind] is family:
                since[kind] = changed
                last[kind] = before - now if before >= 0 and now >= 0 else 0
                back[kind] = before < 0 <= now
    return {
        "current": current,
        "currentSince": since,
        "backInStock": back,
        "deltaLast": last,
        "delta": delta,
        "deltaPercent": [
            [_percent(d, a) for d, a in zip(delta[i], averages[i], strict=True)] for i in Interval
        ],
        "avg": averages,
    }


def _delta(average: int, current: int) -> int:
    return average - current if average >= 0 and current >= 0 else 0


def _percent(delta: int, average: int) -> int:
    return round(100 * delta / average) if average > 0 else 0
