"""When each product has its deals, and when Keepa looks at it: by arithmetic alone, for any minute.

A product's time is cut into cycles of equal length. In each lies one deal of a family, of a length that
makes the share of deals that end within an hour the same at any age. All minutes are even, as in 5,324
recorded dates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from keepa_deals.sandbox.behaviour import Behaviour
from keepa_deals.sandbox.catalogue.histories import Moves
from keepa_deals.sandbox.catalogue.prng import mixed, seed_number

_QUANTILES = 4096
_LONGEST = 5.0
"""The longest deal, in means of the distribution before it is cut."""
_CUT_MEAN = 1 - _LONGEST / (math.exp(_LONGEST) - 1)
"""The mean of an exponential distribution that is cut there."""
_FILTERED_OUT = 0.22
"""Share of the deals gone from the shipped selection's list that have not ended: the price has left the
range, or a sibling is shown (measured). Deals last longer by it: as many are gone an hour as asked for."""
CYCLE = (10.0, 14.0)
"""The length of a cycle in means of a deal's length: three to four weeks, so that a deal can be as old."""
_MARGIN = 60
_LOOKS = ((60, 240, 55), (240, 640, 27), (640, 1320, 18))
"""Minutes between two looks of Keepa's, and the share of products: half of the recorded looks are at most
two hours old, a tenth are 12 to 22 hours old."""
_SLEEP_HOURS = (0.2, 9.0, 12.0, 29.0, 69.0, 88.0, 106.0, 138.0, 192.0, 415.0, 543.0, 666.0)
"""How old a deal is that comes with an old date, as recorded (the newcomers of four hours: 0 to 765 hours;
others up to 61 days); its cycle cuts that."""
_STAYING = 3.0
"""How much longer a deal stays that comes with an old date, so that a third of the list is older than three
days, as recorded."""


@dataclass(frozen=True, slots=True)
class Window:
    """The price is low in ``[start, end)``; until ``shown`` the feed does not list it, for no reason that
    ``/product`` tells. (Recorded newcomers with an old date came to match by rank or average.)"""

    start: int
    shown: int
    end: int


@dataclass(frozen=True, slots=True)
class Timing:
    """A product's cycles last ``cycle`` minutes, from ``anchor`` on; a look comes every ``look`` minutes.

    The feed shows a change ``lag_seconds`` after its date, which is rounded: so half a minute before it, too.
    """

    cycle: int
    anchor: int
    look: int
    lag_seconds: int

    def number(self, minute: int) -> int:
        """The number of the cycle in which ``minute`` lies."""
        return (minute - self.anchor) // self.cycle

    def begin(self, number: int) -> int:
        """The minute at which a cycle begins."""
        return self.anchor + number * self.cycle

    def last_look(self, minute: int) -> int:
        return minute - (minute - self.anchor) % self.look


class Schedule:
    """The timing of every product, and its deals, for one behaviour."""

    def __init__(self, seed: str, behaviour: Behaviour) -> None:
        self._seed = seed_number(seed)
        self.behaviour = behaviour
        self.moves = Moves.of(behaviour.repriced, self._hidden_share)
        mean = 60 / (behaviour.gone * (1 - _FILTERED_OUT))
        self.mean_minutes = mean
        shares = [(q + 0.5) / _QUANTILES * (1 - math.exp(-_LONGEST)) for q in range(_QUANTILES)]
        scale = mean / _CUT_MEAN / 2 / self._evened
        self._lengths = tuple(
            [max(3, round(-math.log(1 - share) * scale * stays)) * 2 for share in shares]
            for stays in (1.0, _STAYING)
        )
        """Of a deal that is shown at once, and of one that comes with an old date."""
        self._shortest_cycle = CYCLE[0] * mean / _CUT_MEAN
        self._cycle_spread = (CYCLE[1] - CYCLE[0]) * mean / _CUT_MEAN

    @property
    def _hidden_share(self) -> float:
        """The share of the deals in a list that came with an old date."""
        return self.behaviour.deep * _STAYING / self._evened

    @property
    def _evened(self) -> float:
        """By what all lengths are divided, so that their mean is as asked for though some stay longer."""
        return 1 + (_STAYING - 1) * self.behaviour.deep

    @property
    def live_share(self) -> float:
        """The share of the products that have a deal of one family at any time."""
        return self.mean_minutes / (self._shortest_cycle + self._cycle_spread / 2)

    def timing(self, index: int) -> Timing:
        """When product ``index`` begins its cycles and is looked at."""
        a = self._mix(index, 1, 0)
        cycle = round((self._shortest_cycle + self._cycle_spread * (a & 0xFFFF) / 65536) / 2) * 2
        # the golden ratio spreads neighbours over their cycles, so that the number of deals hardly varies
        anchor = (index * 40503 + (a >> 16 & 1023)) % 65536 * cycle // 65536 // 2 * 2
        share, look = (a >> 32 & 0xFFFF) * 100 >> 16, 0
        for low, high, part in _LOOKS:
            if share < part:
                look = low + (a >> 48) * (high - low) // 65536
                break
            share -= part
        span = round(self.behaviour.lag_minutes * 60)
        lag = (mixed(a) & 0xFFFF) * (span + 31) // 65536 - 30 if span else 0
        return Timing(cycle, anchor, look // 2 * 2, lag)

    def window(self, index: int, timing: Timing, family: int, number: int) -> Window:
        """The deal of a family in cycle ``number`` of a product."""
        a = self._mix(index, 2 + family, number)
        is_hidden = (a >> 32 & 0xFFFF) < self.behaviour.deep * 65536
        most = timing.cycle - 2 * _MARGIN - 2
        length, asleep = min(most, self._lengths[is_hidden][a & 4095]), 0
        begin = timing.anchor + number * timing.cycle
        room = most - length
        if is_hidden:
            hours = _SLEEP_HOURS[(a >> 48) % len(_SLEEP_HOURS)]
            asleep = min(room, round(hours * 30) * 2 + (a >> 52 & 15) * 2)
        start = begin + _MARGIN + (a >> 16 & 0xFFFF) * (room - asleep) // 65536 // 2 * 2
        shown = start + asleep
        return Window(start, shown, shown + length)

    def _mix(self, index: int, purpose: int, number: int) -> int:
        return mixed(mixed(self._seed + index * 0x9E3779B97F4A7C15) + (number << 3) + purpose)
