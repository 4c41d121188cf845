"""The products of the sandbox at any minute: which are deals, and what Keepa would know of them.

Everything is a function of the seed, the product's number and the minute, so nothing is stored but
what was looked at last. Minutes are Keepa minutes.
"""

from __future__ import annotations

import heapq
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from keepa_deals.keepa.types import CsvType
from keepa_deals.sandbox.draws import digest
from keepa_deals.sandbox.facts import (
    FAMILY_OF,
    SLOTS_PER_CYCLE,
    Facts,
    Family,
    facts_of,
    image_of,
    index_of,
    timing_of,
    title_of,
)
from keepa_deals.sandbox.series import Series
from keepa_deals.sandbox.timeline import MEAN_SHARE, cycle_draws, locate, phase_from, series_of

UPDATED_WITHIN = 12 * 60
"""``/deal`` shows only products that were looked at within these minutes (Keepa docs: Browsing Deals)."""
VALUES = 36
_CONSTANT = (CsvType.COUNT_REVIEWS, CsvType.RATING, CsvType.LISTPRICE, CsvType.COUNT_NEW, CsvType.COUNT_USED)
"""The types that no timeline stands behind."""
REMEMBERED = 60_000
"""Products whose timelines are kept in memory at least, about 3 KB each; half of a larger catalogue."""
SHARE_OF_DEFAULT_SELECTION = 0.5
"""How many of the products with a deal of family NEW match the shipped selection (measured)."""


@dataclass(frozen=True, slots=True)
class Window:
    """A deal of one product and family: it began at ``start`` and holds until ``end``."""

    start: int
    end: int


class Item:
    """One product with its timelines."""

    __slots__ = ("facts", "series")

    def __init__(self, seed: str, index: int) -> None:
        self.facts: Facts = facts_of(seed, index)
        self.series: dict[Family, Series] = {f: series_of(seed, self.facts, f) for f in Family}

    def value(self, kind: CsvType, minute: int) -> int:
        """The value of a type at ``minute``; -1 when there is none."""
        return self._measure(kind, lambda series: series.at(minute), minute)

    def average(self, kind: CsvType, start: int, end: int) -> int:
        """The time-weighted average of a type; -1 when there was none."""
        return self._measure(kind, lambda series: series.average(start, end), end)

    def values(self, minute: int) -> list[int]:
        """The value of every type at ``minute``; -1 where there is none."""
        return self._all({f: s.at(minute) for f, s in self.series.items()}, minute)

    def averages(self, start: int, end: int) -> list[int]:
        """The time-weighted average of every type; -1 where there was none."""
        return self._all({f: s.average(start, end) for f, s in self.series.items()}, end)

    def _all(self, of_family: dict[Family, int], minute: int) -> list[int]:
        found = [-1] * VALUES
        for kind in _CONSTANT:
            found[kind] = self._constant(kind, minute)
        for kind, surcharge in self.facts.surcharges.items():
            value = of_family[FAMILY_OF[kind]]
            found[kind] = value + surcharge if value >= 0 else -1
        return found

    def since(self, kind: CsvType, minute: int) -> int:
        """When the value in force came into force; 0 for a type without a value."""
        if kind in self.facts.surcharges:
            return self.series[FAMILY_OF[kind]].since(minute)
        return self.facts.tracked_since if self.value(kind, minute) >= 0 else 0

    def last_update(self, minute: int) -> int:
        """When Keepa last looked at the product."""
        return minute - (minute - self.facts.anchor) % self.facts.slot

    def _measure(self, kind: CsvType, measure: Callable[[Series], int], minute: int) -> int:
        surcharge = self.facts.surcharges.get(kind)
        if surcharge is None:
            return self._constant(kind, minute)
        value = measure(self.series[FAMILY_OF[kind]])
        return value + surcharge if value >= 0 else -1

    def _constant(self, kind: CsvType, minute: int) -> int:
        facts = self.facts
        if kind is CsvType.COUNT_REVIEWS:
            grown = max(0, minute - facts.tracked_since) // facts.review_minutes
            return facts.reviews + grown if facts.reviews else 0
        if kind is CsvType.RATING:
            return facts.rating if facts.reviews else -1
        if kind is CsvType.LISTPRICE:
            return facts.price * 5 // 4
        if kind is CsvType.COUNT_NEW:
            return facts.offers_new if self.series[Family.NEW].at(minute) >= 0 else 0
        if kind is CsvType.COUNT_USED:
            return facts.offers_used if self.series[Family.USED].at(minute) >= 0 else 0
        return -1


class _Active:
    """The products that have a deal of one family, kept up to date as time moves on."""

    def __init__(self, catalogue: Catalogue, family: Family, minute: int) -> None:
        self._catalogue = catalogue
        self._family = family
        self.minute = minute
        self.windows: dict[int, Window] = {}
        self._events: list[tuple[int, int]] = [(minute, index) for index in range(catalogue.size)]

    def move_to(self, minute: int) -> None:
        """Handle every beginning and end of a deal up to ``minute``."""
        while self._events and self._events[0][0] <= minute:
            _, index = self._events[0]
            heapq.heapreplace(self._events, (self._look(index, minute), index))
        self.minute = minute

    def _look(self, index: int, minute: int) -> int:
        """Note whether a product has a deal now; the minute of its next change."""
        slot, anchor = self._catalogue.timings[index]
        cycle, _ = locate(slot, anchor, minute)
        phase = phase_from(cycle_draws(self._catalogue.seed, index, self._family, cycle))
        begin = anchor + cycle * SLOTS_PER_CYCLE * slot
        start, end = begin + phase.start * slot, begin + max(phase.end, phase.gap_end) * slot
        self.windows.pop(index, None)
        if minute < start:
            return start
        if minute < end:
            self.windows[index] = Window(start, end)
            return end
        return begin + SLOTS_PER_CYCLE * slot


class Catalogue:
    """``size`` products grown from ``seed``; safe to use from many threads."""

    def __init__(self, *, size: int, seed: str = "keepa") -> None:
        if size < 1:
            raise ValueError(f"size {size}: a catalogue has at least one product")
        self.seed = seed
        self.size = size
        self.timings = [timing_of(seed, index) for index in range(size)]
        self._remembered = max(REMEMBERED, size // 2)
        self._lock = threading.Lock()
        self._items: OrderedDict[int, Item] = OrderedDict()
        self._active: dict[Family, _Active] = {}

    @classmethod
    def for_deals(cls, deals: int, *, seed: str = "keepa") -> Catalogue:
        """A catalogue in which about ``deals`` products match the shipped selection at any time."""
        share = MEAN_SHARE * SHARE_OF_DEFAULT_SELECTION
        return cls(size=max(1, math.ceil(deals / share)), seed=seed)

    def item(self, index: int) -> Item:
        """Product ``index``, remembered for a while."""
        with self._lock:
            return self._item(index)

    def find(self, asin: str) -> Item | None:
        """The product with this ASIN; ``None`` when the catalogue has none."""
        index = index_of(self.seed, asin)
        return self.item(index) if index is not None and index < self.size else None

    def deals(self, kind: CsvType, minute: int) -> Iterator[tuple[Item, Window]]:
        """The products with a deal of a price type at ``minute``, sold-out ones included, in no order.

        Only those that Keepa looked at within 12 hours, as in ``/deal``.
        """
        family = FAMILY_OF[kind]
        with self._lock:
            active = self._active.get(family)
            if active is None or active.minute > minute:
                active = self._active[family] = _Active(self, family, minute)
            active.move_to(minute)
            windows = list(active.windows.items())
        for index, window in windows:
            slot, anchor = self.timings[index]
            if (minute - anchor) % slot > UPDATED_WITHIN:
                continue
            item = self.item(index)
            if kind in item.facts.surcharges:
                yield item, window

    def title(self, item: Item) -> str:
        return title_of(self.seed, item.facts)

    def image(self, item: Item) -> str:
        return image_of(self.seed, item.facts.index)

    def fraction(self, name: str) -> float:
        """A number from 0 to 1 that always stands for ``name`` in this catalogue."""
        return int.from_bytes(digest(f"{self.seed}/{name}")[:6], "big") / float(1 << 48)

    def _item(self, index: int) -> Item:
        item = self._items.get(index)
        if item is None:
            item = self._items[index] = Item(self.seed, index)
            if len(self._items) > self._remembered:
                self._items.popitem(last=False)
        else:
            self._items.move_to_end(index)
        return item
