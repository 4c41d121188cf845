"""The products of the sandbox at any minute, and what Keepa would know of them.

Everything is a function of the seed, the behaviour, the product's number and the minute, so nothing is stored
but what was looked at last. Minutes are Keepa minutes.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable

from keepa_deals.keepa.enums import CsvType
from keepa_deals.sandbox.behaviour import RECORDED, Behaviour
from keepa_deals.sandbox.catalogue.histories import (
    CALM_PRICES,
    CALM_STEPS,
    PLATEAU_CYCLES,
    STEPS,
    Deal,
    Points,
    price_points,
    rank_points,
    sales,
)
from keepa_deals.sandbox.catalogue.prng import chance, digest, draws
from keepa_deals.sandbox.catalogue.product_traits import (
    FAMILY_OF,
    SIBLINGS,
    Facts,
    Family,
    facts_of,
    image_of,
    index_of,
    lightning_of,
    title_of,
    variation_of,
)
from keepa_deals.sandbox.catalogue.schedule import Schedule, Timing, Window
from keepa_deals.sandbox.catalogue.series import Series

VALUES = 36
DROP_DAYS = (30, 90, 180, 365)
_CONSTANT = (CsvType.COUNT_REVIEWS, CsvType.RATING, CsvType.LISTPRICE, CsvType.COUNT_NEW, CsvType.COUNT_USED)
"""The types that no series stands behind."""
REMEMBERED = 60_000
"""Products whose series are kept in memory at least, about 5 KB each; a fifth of a larger catalogue."""
SHARE_OF_DEFAULT_SELECTION = 0.61
"""How many of the products with a deal of family NEW match the shipped selection (measured)."""


class Item:
    """One product with its series.

    Averages are as of the last look or change, so that nothing that ``/deal`` says moves in between.
    """

    __slots__ = ("_drops", "_schedule", "_seed", "facts", "looked_at", "series", "timing")

    def __init__(self, seed: str, schedule: Schedule, facts: Facts) -> None:
        self._seed = seed
        self._schedule = schedule
        self.facts = facts
        self.timing: Timing = schedule.timing(facts.head)
        self.looked_at = 0
        """When ``/product`` last had Keepa look at Amazon."""
        self._drops: tuple[int, dict[int, int]] = (0, {})
        self.series: dict[Family, Series] = {f: Series(self.timing, self._grower(f)) for f in Family}

    def window(self, family: Family, minute: int) -> Window:
        """The deal of a family in the cycle in which ``minute`` lies."""
        return self._schedule.window(self.facts.head, self.timing, family, self.timing.number(minute))

    def value(self, kind: CsvType, minute: int) -> int:
        """The value of a type at ``minute``; -1 when there is none."""
        surcharge = self.facts.surcharges.get(kind)
        if surcharge is None:
            return self._constant(kind, minute)
        value = self.series[FAMILY_OF[kind]].at(minute)
        return value + surcharge if value >= 0 else -1

    def average(self, kind: CsvType, span: int, minute: int) -> int:
        """The time-weighted average of a type over ``span`` minutes until Keepa's last look; -1 for none."""
        surcharge = self.facts.surcharges.get(kind)
        if surcharge is None:
            return self._constant(kind, minute)
        value = self._average(FAMILY_OF[kind], span, minute)
        return value + surcharge if value >= 0 else -1

    def values(self, minute: int) -> list[int]:
        """The value of every type at ``minute``; -1 where there is none."""
        return self._all({f: s.at(minute) for f, s in self.series.items()}, minute)

    def averages(self, span: int, minute: int) -> list[int]:
        """The average of every type over ``span`` minutes; -1 where there was none."""
        return self._all({f: self._average(f, span, minute) for f in Family}, minute)

    def since(self, kind: CsvType, minute: int) -> int:
        """When the value in force came into force; when tracking began, for a type that never changes."""
        if kind in self.facts.surcharges:
            return self.series[FAMILY_OF[kind]].since(minute)
        return self.facts.tracked_since if self.value(kind, minute) >= 0 else -1

    def last_update(self, minute: int) -> int:
        """When Keepa last looked at the product: by its schedule, or because something changed."""
        changed = max(series.since(minute) for series in self.series.values())
        asked = self.looked_at if self.looked_at <= minute else 0
        return max(self.timing.last_look(minute), changed, asked)

    def next_event(self, family: Family, minute: int) -> int:
        """The first minute after ``minute`` at which what ``/deal`` says of a family may change."""
        look = self.timing.last_look(minute) + self.timing.look
        return min(
            look, self.series[family].next_change(minute), self.series[Family.RANK].next_change(minute)
        )

    def rank_drops(self, minute: int) -> dict[int, int]:
        """How often the rank fell in 30, 90, 180 and 365 days until its last change; -1 without a rank."""
        if self.facts.rank < 0:
            return dict.fromkeys(DROP_DAYS, -1)
        changed = self.series[Family.RANK].since(minute)
        if self._drops[0] != changed:
            first, last = (self.timing.number(m) for m in (changed - DROP_DAYS[-1] * 1440, changed))
            falls = [
                self.timing.begin(number) + fall
                for number in range(first, last + 1)
                for fall in self._sales(number)
            ]
            until = bisect_right(falls, changed)
            drops = {days: until - bisect_right(falls, changed - days * 1440) for days in DROP_DAYS}
            self._drops = changed, drops
        return self._drops[1]

    def _average(self, family: Family, span: int, minute: int) -> int:
        series = self.series[family]
        end = max(self.timing.last_look(minute), series.since(minute))
        return series.average(end - span, end)

    def _all(self, of_family: dict[Family, int], minute: int) -> list[int]:
        values = [-1] * VALUES
        for kind in _CONSTANT:
            values[kind] = self._constant(kind, minute)
        for kind, surcharge in self.facts.surcharges.items():
            value = of_family[FAMILY_OF[kind]]
            values[kind] = value + surcharge if value >= 0 else -1
        return values

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

    def _grower(self, family: Family) -> Callable[[int], Points] | None:
        base = self.facts.base(family)
        if base < 0:
            return None
        if family is Family.RANK:
            return self._grow_rank
        moves = self._schedule.moves
        is_calm = chance(draws(f"{self._seed}/{family:d}/calm/{self.facts.index}")[0], CALM_PRICES)
        steps = CALM_STEPS if is_calm else STEPS

        def grow(number: int) -> Points:
            name = f"{self._seed}/{family:d}/{number}/{self.facts.index}"
            plateau = f"{self._seed}/{family:d}/level/{number // PLATEAU_CYCLES}/{self.facts.index}"
            return price_points(name, plateau, base, self._deal(family, number), moves, steps=steps)

        return grow

    def _grow_rank(self, number: int) -> Points:
        return rank_points(self._rank_name(number), self.facts.rank, self._deal(Family.RANK, number))

    def _sales(self, number: int) -> list[int]:
        surge = self._deal(Family.RANK, number)
        return sales(f"{self._rank_name(number)}/sales", self.facts.rank, surge)

    def _rank_name(self, number: int) -> str:
        return f"{self._seed}/rank/{number}/{self.facts.head}"  # one for the whole family

    def _deal(self, family: Family, number: int) -> Deal:
        window = self._schedule.window(self.facts.head, self.timing, family, number)
        begin = self.timing.begin(number)
        return Deal(window.start - begin, window.shown - begin, window.end - begin, self.timing.cycle)


class Catalogue:
    """``size`` products grown from ``seed``, and the siblings of some; one thread at a time."""

    def __init__(self, *, size: int, seed: str = "keepa", behaviour: Behaviour = RECORDED) -> None:
        if size < 1:
            raise ValueError(f"size {size}: a catalogue has at least one product")
        self.seed = seed
        self.size = size
        self.behaviour = behaviour
        self.schedule = Schedule(seed, behaviour)
        self._remembered = max(REMEMBERED, size // 5)
        self._items: OrderedDict[int, Item] = OrderedDict()

    @classmethod
    def for_deals(cls, deals: int, *, seed: str = "keepa", behaviour: Behaviour = RECORDED) -> Catalogue:
        """A catalogue in which about ``deals`` products match the shipped selection at any time."""
        share = Schedule(seed, behaviour).live_share * SHARE_OF_DEFAULT_SELECTION
        return cls(size=max(1, math.ceil(deals / share)), seed=seed, behaviour=behaviour)

    def item(self, index: int) -> Item:
        """Product ``index``, remembered for a while."""
        item = self._items.get(index)
        if item is None:
            item = self._items[index] = Item(self.seed, self.schedule, self._facts(index))
            if len(self._items) > self._remembered:
                self._items.popitem(last=False)
        else:
            self._items.move_to_end(index)
        return item

    def find(self, asin: str) -> Item | None:
        """The product with this ASIN; ``None`` when the catalogue has none."""
        index = index_of(self.seed, asin)
        return None if index is None or self._head(index) is None else self.item(index)

    def variations(self, head: int) -> tuple[int, ...]:
        """The products of a family, the first of them ``head``: alone, when it has no siblings."""
        every = self.behaviour.siblings_every
        if not every or head % every:
            return (head,)
        first = self.size + head // every * SIBLINGS
        return (head, *range(first, first + SIBLINGS))

    def title(self, item: Item) -> str | None:
        """As Keepa sends it; ``None`` for the few that it does not know."""
        if (
            self.behaviour.null_titles
            and self.fraction(f"untitled/{item.facts.index}") < self.behaviour.null_titles
        ):
            return None
        return title_of(self.seed, item.facts)

    def image(self, item: Item) -> str:
        return image_of(self.seed, item.facts.index)

    def lightning(self, item: Item) -> tuple[int, int]:
        return lightning_of(self.seed, item.facts)

    def fraction(self, name: str) -> float:
        """A number from 0 to 1 that always stands for ``name`` in this catalogue."""
        return int.from_bytes(digest(f"{self.seed}/{name}")[:6], "big") / float(1 << 48)

    def _facts(self, index: int) -> Facts:
        head = self._head(index)
        if head is None:
            raise IndexError(f"product {index}: this catalogue has {self.size}")
        if len(self.variations(head)) == 1:
            return facts_of(self.seed, index)
        return variation_of(self.seed, head, index)

    def _head(self, index: int) -> int | None:
        """The first of the family of product ``index``; ``None`` when there is no such product."""
        if index < self.size:
            return index
        every = self.behaviour.siblings_every
        head = (index - self.size) // SIBLINGS * every
        return head if every and head < self.size else None
