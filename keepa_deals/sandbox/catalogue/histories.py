"""Prices and ranks as Amazon's charts show them, one cycle at a time, each from its own name.

A price stands on a plateau, steps now and then, jumps when the cheapest seller has sold out, is missing for a
while, and falls for a deal, in which sellers undercut each other by cents. A rank falls with each sale and
climbs until the next. Minutes are offsets into the cycle, even ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from typing import NamedTuple

from keepa_deals.sandbox.catalogue.prng import RANGE, chance, draws, pick, stream

NO_OFFER = -1
Points = tuple[list[int], list[int]]
"""Minutes from the cycle's begin, rising from 0, and the values from each on; neighbours differ."""

DEPTH = (35, 64)
"""By how many percent a price falls for a deal."""
RANK_DEPTH = (50, 88)
"""By how many percent a rank falls for a deal in ranks, which then fades."""
_SHALLOWEST, _DEEPEST = 0.67, 0.30
"""The range of a deal's price, in shares of the ordinary one."""
_SAME_PRICE = 0.08
"""Share of the moves that end at the same price (recorded: 9 of 148)."""
_OUT_MIDWAY, _OUT_AT_END, _OUT_BETWEEN, _SPIKE = 0.04, 0.12, 0.10, 0.22
PLATEAU_CYCLES = 2
_PLATEAU_PERCENT = 7
"""How long prices keep a level, and by how many percent levels differ."""
STEPS, CALM_STEPS = (6, 18), (0, 2)
_EPISODES = 2
"""How many steps a cycle has, and how often a spike or a time without an offer may come."""
CALM_PRICES = 1 / 3
"""Share of the products whose price hardly steps (recorded: one of three did not in 90 days; the others
stood on 16 levels in 90 days, and on 26 in 61)."""
_QUICK = 0.45
"""Share of the deals whose sellers fight; the others keep their price for days (recorded: 31 % of the deals
move within 8 hours, but only 41 % within 27; after 4 hours it is still as many each hour)."""
_CALM = 0.03
"""The hourly moves of a calm deal, in shares of ``Behaviour.repriced``."""
_CLIMB = ((12, 45), (30, 70), (60, 100))
"""When a rank has climbed how far between two sales, in percent."""


class Deal(NamedTuple):
    """The low price in ``[start, end)`` of a cycle of ``length`` minutes; not listed until ``shown``."""

    start: int
    shown: int
    end: int
    length: int


@dataclass(frozen=True, slots=True)
class Moves:
    """How often sellers change the price of a deal: of a ``quick`` share of the deals, and of the others."""

    quick: float
    quick_minutes: float
    calm_minutes: float
    """Minutes between two moves in the mean."""
    hidden: float = 0.0
    """The share of the deals that are hidden at first."""

    @classmethod
    def of(cls, repriced: float, hidden: float = 0.0) -> Moves:
        """Such that the share ``repriced`` of all deals has moved after an hour.

        ``quick`` is a share of all deals; those that are hidden at first are the last to be among them.
        """
        if repriced == 0:
            return cls(0.0, math.inf, math.inf, hidden)
        calm_rate = _CALM * repriced
        quick = max(_QUICK, min(0.95, 1.5 * repriced))
        moved = (repriced - (1 - quick) * (1 - math.exp(-calm_rate))) / quick
        return cls(quick, -60 / math.log(1 - min(0.999, moved)), 60 / calm_rate, hidden)

    def quick_share(self, *, is_hidden: bool) -> float:
        """Of the deals that are hidden at first, or of the others: those are quick before these are."""
        others = 1 - self.hidden
        if not is_hidden:
            return min(1.0, self.quick / others)
        return max(0.0, self.quick - others) / self.hidden


def price_points(
    name: str, plateau: str, base: int, deal: Deal, moves: Moves, *, steps: tuple[int, int] = STEPS
) -> Points:
    """A price's values over one cycle, drawn for ``name``; neighbours share what ``plateau`` names.

    ``steps`` are the fewest and the most that it has outside its deal.
    """
    d = stream(name)
    percent = pick(draws(plateau)[0], 100 - _PLATEAU_PERCENT, 100 + _PLATEAU_PERCENT)
    ordinary = _priced(base * percent // 100)
    points = [(0, ordinary)]
    _add_steps(points, d, ordinary, deal, steps)
    _add_deal(points, d, ordinary, deal, moves)
    return _tidy(points)


def _add_steps(
    points: list[tuple[int, int]], d: Iterator[int], ordinary: int, deal: Deal, steps: tuple[int, int]
) -> None:
    """The steps outside the deal: small ones, a spike, a time without an offer."""
    for _ in range(pick(next(d), *steps)):
        minute = _even(next(d), 30, deal.length)
        if not deal.start <= minute < deal.end:
            points.append((minute, _priced(ordinary * pick(next(d), 96, 103) // 100)))
    for share, is_spike in ((_SPIKE, True), (_OUT_BETWEEN, False)) * _EPISODES:
        if not chance(next(d), share):
            continue
        minute = _even(next(d), 30, deal.length)
        back = min(minute + _even(next(d), 60, 2200 if is_spike else 4000), deal.length - 2)
        if minute < back < deal.start or deal.end < minute < back:
            value = _priced(ordinary * pick(next(d), 108, 138) // 100) if is_spike else NO_OFFER
            points.append((minute, value))
            points.append((back, _priced(ordinary * pick(next(d), 97, 102) // 100)))


def _add_deal(
    points: list[tuple[int, int]], d: Iterator[int], ordinary: int, deal: Deal, moves: Moves
) -> None:
    """The deal's begin, its moves, and its end, which may be that the offer is gone."""
    is_hidden = deal.start < deal.shown
    is_quick = chance(next(d), moves.quick_share(is_hidden=is_hidden))
    mean = moves.quick_minutes if is_quick else moves.calm_minutes
    price = max(1, ordinary * (100 - pick(next(d), *DEPTH)) // 100)
    points.append((deal.start, price))
    out = _even(next(d), deal.shown + 20, deal.end) if chance(next(d), _OUT_MIDWAY) else 0
    back = min(out + pick(next(d), 10, 200) * 2, deal.end - 6) if out else 0
    minute, last = float(deal.shown), deal.end - 4
    while True:
        minute += max(4.0, mean * -math.log((next(d) + 1) / (RANGE + 1)))
        if minute >= last:
            break
        moved = round(minute / 2) * 2
        if out <= moved <= back:
            continue
        if next(d) < _SAME_PRICE * RANGE:  # for a moment: the date moves, the price does not
            points.append((moved - 2, _moved(next(d), next(d), price, ordinary)))
        else:
            price = _moved(next(d), next(d), price, ordinary)
        points.append((moved, price))
    if out < back:
        before = max((point for point in points if point[0] <= out), key=itemgetter(0))[1]
        points += [(out, NO_OFFER), (back, before)]
    sold_out = min(pick(next(d), 20, 900) * 2, deal.length - 2 - deal.end)
    if chance(next(d), _OUT_AT_END) and sold_out > 0:
        points += [(deal.end, NO_OFFER), (deal.end + sold_out, ordinary)]
    else:
        points.append((deal.end, _priced(ordinary * pick(next(d), 96, 103) // 100)))


def _moved(draw: int, size: int, price: int, ordinary: int) -> int:
    """The price after a move as recorded: three of four within a percent, one of ten up by more."""
    if draw < 0.74 * RANGE:
        after = price - 1 - size * max(1, price // 250) // RANGE
    elif draw < 0.88 * RANGE:
        after = price * (850 + size * 140 // RANGE) // 1000
    else:
        after = price * (1010 + size * 270 // RANGE) // 1000
    if not _DEEPEST * ordinary <= after <= _SHALLOWEST * ordinary:
        after = round(ordinary * (_SHALLOWEST - 0.06 * size / RANGE))
    return max(1, after if after != price else after - 1)


def sales(name: str, rank: int, surge: Deal) -> list[int]:
    """The minutes of one cycle at which the rank falls, from 0 on; one of them begins the ``surge``."""
    d = stream(name)
    # About as many as are sold in a cycle, if Keepa looks at most twice a day.
    expected = min(surge.length / 700, 2_000_000 / (rank + 400) * surge.length / 43_200)
    count = max(1, round(expected * pick(next(d), 60, 140) / 100))
    every = surge.length // count
    minutes = [(place * every + next(d) * (every - 8) // RANGE) // 2 * 2 for place in range(count)]
    minutes[0] = 0
    minutes = [minute for minute in minutes if minute == 0 or not -8 < minute - surge.shown < 8]
    return sorted([*minutes, surge.shown])


def rank_points(name: str, rank: int, surge: Deal) -> Points:
    """A rank's values over one cycle: it falls with each sale and climbs until the next.

    With the ``surge``, a deal in ranks, it falls far lower, and comes back by its end.
    """
    d = stream(name)
    depth = (100 - pick(next(d), *RANK_DEPTH)) / 100
    _, shown, end, length = surge
    share = depth
    minutes: list[int] = []
    values: list[int] = []
    last = back = NO_OFFER
    is_over = False
    for minute, climbed, is_sale in _climbs(d, rank, sales(f"{name}/sales", rank, surge), length):
        value = climbed
        if minute <= end:
            back = climbed
        elif not is_over:
            is_over = True
            last = _add(minutes, values, end, back, last)
        if shown <= minute < end:
            if not is_sale:  # a sale leads down, whatever has faded meanwhile
                share = depth ** (1 - (minute - shown) / (end - shown))
            value = max(1, int(climbed * share))
        last = _add(minutes, values, minute, value, last)
    if not is_over:
        _add(minutes, values, end, back, last)
    return minutes, values


def _add(minutes: list[int], values: list[int], minute: int, value: int, last: int) -> int:
    """Another point where it differs from the ``last`` value; the last value now."""
    if value != last:
        minutes.append(minute)
        values.append(value)
    return value


def _climbs(d: Iterator[int], rank: int, times: list[int], length: int) -> Iterator[tuple[int, int, bool]]:
    """From each sale on a climb in three steps, always to above what any sale leads down to.

    The minute, the rank, and whether a sale leads to it.
    """
    swing = min(0.72, max(0.06, (math.log10(rank) - 1.5) * 0.17))
    deepest, widest = rank * swing, rank * 0.9 * swing
    for sale, until in pairwise([*times, length]):
        low = int(rank - deepest * (0.45 + 0.55 * next(d) / RANGE))
        climb = int(rank + widest * next(d) / RANGE) + 1 - low
        yield sale, low or 1, True
        room = (until - sale) // 2
        last = sale
        for step, share in _CLIMB:
            minute = sale + (room * step // 100 or 1) * 2
            if last < minute < until:
                yield minute, max(2, low + climb * share // 100), False
                last = minute


def _even(draw: int, low: int, high: int) -> int:
    """An even minute from ``low`` up to, but without, ``high``."""
    return low + draw * max(0, high - low) // RANGE // 2 * 2


def _priced(cents: int) -> int:
    """As sellers price: 99 cents, or nine."""
    return cents - cents % 100 + 99 if cents >= 1000 else max(1, cents - cents % 10 + 9)


def _tidy(points: list[tuple[int, int]]) -> Points:
    """In order, the last of each minute, without those that change nothing."""
    points.sort(key=itemgetter(0))
    minutes: list[int] = []
    values: list[int] = []
    last = None
    for minute, value in points:
        if minutes and minutes[-1] == minute:
            minutes.pop()
            values.pop()
            last = values[-1] if values else None
        if value != last:
            minutes.append(minute)
            values.append(value)
            last = value
    return minutes, values
