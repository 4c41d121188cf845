"""A value over time, defined for every minute by one period that repeats: no history has to be stored.

Time is in Keepa minutes. A period has slots of equal length; a value changes only at the edge of a
slot, which is also when Keepa looks at the product. Sums over the slots make an average over any
span a matter of two look-ups.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import accumulate, pairwise

NO_OFFER = -1


class Series:
    """``values[j]`` holds in slot ``j`` of ``slot`` minutes, counted from ``anchor``; -1 is no offer."""

    __slots__ = ("_area", "_covered", "anchor", "slot", "values")

    def __init__(self, values: list[int], slot: int, anchor: int) -> None:
        self.values = array("i", values)
        self.slot = slot
        self.anchor = anchor
        self._area = array("q", accumulate((max(v, 0) for v in values), initial=0))
        self._covered = array("i", accumulate((1 if v >= 0 else 0 for v in values), initial=0))

    @property
    def period(self) -> int:
        """Minutes after which the values repeat."""
        return self.slot * len(self.values)

    def at(self, minute: int) -> int:
        """The value in force at ``minute``."""
        return self.values[(minute - self.anchor) // self.slot % len(self.values)]

    def since(self, minute: int) -> int:
        """When the value in force at ``minute`` came into force (looking back over one period)."""
        number = (minute - self.anchor) // self.slot
        value = self.values[number % len(self.values)]
        for back in range(1, len(self.values)):
            if self.values[(number - back) % len(self.values)] != value:
                return self.anchor + (number - back + 1) * self.slot
        return self.anchor + (number - len(self.values) + 1) * self.slot

    def average(self, start: int, end: int) -> int:
        """The time-weighted average from ``start`` to ``end`` without the times of no offer; -1 when none."""
        area_end, covered_end = self._integral(end)
        area_start, covered_start = self._integral(start)
        covered = covered_end - covered_start
        return round((area_end - area_start) / covered) if covered > 0 else NO_OFFER

    def absent_percent(self, start: int, end: int) -> int:
        """How much of the time from ``start`` to ``end`` there was no offer, in percent."""
        covered = self._integral(end)[1] - self._integral(start)[1]
        return 100 - round(100 * covered / (end - start)) if end > start else 0

    def changes(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """``(minute, value)``: the value at ``start``, then every change up to and including ``end``."""
        previous = self.at(start)
        yield start, previous
        number = (start - self.anchor) // self.slot + 1
        count = len(self.values)
        minute = self.anchor + number * self.slot
        while minute <= end:
            value = self.values[number % count]
            if value != previous:
                yield minute, value
                previous = value
            number += 1
            minute += self.slot

    def extremes(self, start: int, end: int) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """The first minimum and the first maximum from ``start`` to ``end`` as ``(minute, value)``."""
        offered = [(m, v) for m, v in self.changes(start, min(end, start + self.period)) if v >= 0]
        if not offered:
            return None
        return min(offered, key=lambda p: p[1]), max(offered, key=lambda p: p[1])

    def drops(self, start: int, end: int) -> int:
        """How often the value fell from ``start`` to ``end``."""
        values = [v for _, v in self.changes(start, end)]
        return sum(0 <= after < before for before, after in pairwise(values))

    def _integral(self, minute: int) -> tuple[int, int]:
        """Value-minutes and minutes with an offer, from the anchor to ``minute``."""
        number, rest = divmod(minute - self.anchor, self.slot)
        rounds, slot = divmod(number, len(self.values))
        value = self.values[slot]
        area = (rounds * self._area[-1] + self._area[slot]) * self.slot + max(value, 0) * rest
        covered = (rounds * self._covered[-1] + self._covered[slot]) * self.slot + (rest if value >= 0 else 0)
        return area, covered
