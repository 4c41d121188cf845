"""A value over time, grown one cycle at a time: what a cycle holds is told without the ones before it.

Time is in Keepa minutes. Only the cycles that were asked for last are kept whole; of the others their sums
stay, so that an average over any span needs two whole cycles at most.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from itertools import compress, pairwise
from operator import itemgetter, mul, sub

from keepa_deals.sandbox.catalogue.histories import NO_OFFER, Points
from keepa_deals.sandbox.catalogue.schedule import Timing

_value = itemgetter(1)
MAX_CYCLES = 5
"""The present one, and those in which 2, 7, 30 and 90 days ago lie."""


Extremes = tuple[tuple[int, int], tuple[int, int]]
"""The first minimum and the first maximum of a time as ``(minute, value)``."""


class Series:
    """``grow(number)`` gives the values of a cycle; -1 is no offer. ``None`` instead: there never is one."""

    __slots__ = ("_averages", "_grow", "_is_empty", "_kept", "_peaks", "_sums", "_timing")

    def __init__(self, timing: Timing, grow: Callable[[int], Points] | None) -> None:
        self._timing = timing
        self._is_empty = grow is None
        self._averages: dict[int, tuple[int, int]] = {}
        self._grow = grow or _nothing
        self._kept: dict[int, Points] = {}
        self._sums: dict[int, tuple[int, int]] = {}
        self._peaks: dict[int, list[tuple[int, int]]] = {}

    def at(self, minute: int) -> int:
        """The value in force at ``minute``."""
        number = self._timing.number(minute)
        minutes, values = self._cycle(number)
        return values[bisect_right(minutes, minute - self._timing.begin(number)) - 1]

    def since(self, minute: int) -> int:
        """When the value in force at ``minute`` came into force; -1 when there never was an offer."""
        if self._is_empty:
            return -1
        number = self._timing.number(minute)
        minutes, values = self._cycle(number)
        place = bisect_right(minutes, minute - self._timing.begin(number)) - 1
        while place == 0 and self._cycle(number - 1)[1][-1] == values[0]:
            number -= 1
            minutes, values = self._cycle(number)
            place = len(minutes) - 1
        return self._timing.begin(number) + minutes[place]

    def next_change(self, minute: int) -> int:
        """The first minute after ``minute`` at which the value may change."""
        number = self._timing.number(minute)
        minutes, _ = self._cycle(number)
        begin = self._timing.begin(number)
        place = bisect_right(minutes, minute - begin)
        return begin + (minutes[place] if place < len(minutes) else self._timing.cycle)

    def average(self, start: int, end: int) -> int:
        """The time-weighted average from ``start`` to ``end`` without the times of no offer; -1 when none."""
        if self._is_empty:
            return NO_OFFER
        kept = self._averages.get(end - start)
        if kept is None or kept[0] != end:
            area, covered = self._integral(start, end)
            kept = end, round(area / covered) if covered > 0 else NO_OFFER
            self._averages[end - start] = kept
        return kept[1]

    def absent_percent(self, start: int, end: int) -> int:
        """How much of the time from ``start`` to ``end`` there was no offer, in percent."""
        return 100 - round(100 * self._integral(start, end)[1] / (end - start)) if end > start else 0

    def changes(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """``(minute, value)``: the value at ``start``, then every change up to and including ``end``."""
        previous = self.at(start)
        yield start, previous
        for number in range(self._timing.number(start), self._timing.number(end) + 1):
            begin = self._timing.begin(number)
            for offset, value in zip(*self._cycle(number), strict=True):
                if start < begin + offset <= end and value != previous:
                    yield begin + offset, value
                    previous = value

    def extremes(self, start: int, end: int) -> Extremes | None:
        """Those from ``start`` to ``end``; ``None`` when there was no offer."""
        first, last = self._timing.number(start), self._timing.number(end)
        points = list(self.changes(start, min(end, self._timing.begin(first + 1) - 1)))
        for number in range(first + 1, last):
            points += self._peaks_of(number)
        if last > first:
            points += self.changes(self._timing.begin(last), end)
        points = [point for point in points if point[1] >= 0]
        if not points:
            return None
        return min(points, key=_value), max(points, key=_value)

    def drops(self, start: int, end: int) -> int:
        """How often the value fell from ``start`` to ``end``."""
        values = [v for _, v in self.changes(start, end)]
        return sum(0 <= after < before for before, after in pairwise(values))

    def _cycle(self, number: int) -> Points:
        points = self._kept.get(number)
        if points is None:
            points = self._kept[number] = self._grow(number)
            if len(self._kept) > MAX_CYCLES:
                del self._kept[next(iter(self._kept))]
        return points

    def _sum(self, number: int) -> tuple[int, int]:
        """Value-minutes of a cycle, and minutes with an offer."""
        sums = self._sums.get(number)
        if sums is None:
            points = self._kept.get(number) or self._grow(number)
            sums = self._sums[number] = _area(points, self._timing.cycle)
        return sums

    def _peaks_of(self, number: int) -> list[tuple[int, int]]:
        """The first minimum and the first maximum of a cycle as ``(minute, value)``."""
        peaks = self._peaks.get(number)
        if peaks is None:
            points = zip(*(self._kept.get(number) or self._grow(number)), strict=True)
            begin = self._timing.begin(number)
            offered = [(begin + minute, value) for minute, value in points if value >= 0]
            peaks = [min(offered, key=_value), max(offered, key=_value)] if offered else []
            self._peaks[number] = peaks
        return peaks

    def _integral(self, start: int, end: int) -> tuple[int, int]:
        """Value-minutes and minutes with an offer from ``start`` to ``end``."""
        first, last = self._timing.number(start), self._timing.number(end)
        area, covered = _area(self._cycle(last), end - self._timing.begin(last))
        area_before, covered_before = _area(self._cycle(first), start - self._timing.begin(first))
        for number in range(first, last):
            whole = self._sum(number)
            area += whole[0]
            covered += whole[1]
        return area - area_before, covered - covered_before


def _nothing(number: int) -> Points:  # noqa: ARG001  # the same in every cycle
    return [0], [NO_OFFER]


def _area(points: Points, until: int) -> tuple[int, int]:
    """Value-minutes and minutes with an offer, from the begin of a cycle to ``until``."""
    minutes, values = points
    count = bisect_left(minutes, until)
    if not count:
        return 0, 0
    lasts = list(map(sub, (*minutes[1:count], until), minutes))
    area = sum(map(mul, values, lasts))
    if NO_OFFER not in values:
        return area, until
    missing = sum(compress(lasts, map(NO_OFFER.__eq__, values)))
    return area - NO_OFFER * missing, until - missing
