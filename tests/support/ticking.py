"""Keepa's bucket with ticks as they were recorded: always late, sometimes by a second.

The next tick is told to come 60 s after the last one, ``refillIn`` stops at 522 ms, and both are true when
the answer is ready, ``processingTimeInMs`` after its ``timestamp`` (refillin_series.json).
"""

from __future__ import annotations

import random
from collections.abc import Callable

from keepa_deals.keepa.envelope import TokenEnvelope
from tests.support.accounts import ManualTime

TICK_MS = 60_000
LEAST_REFILL_IN = 522


class TickingAccount:
    """A bucket of ``rate`` tokens a tick; ``moment(n)``: ms from the start to the n-th tick."""

    def __init__(
        self, rate: int, time: ManualTime, *, moment: Callable[[int], float], tokens: int | None = None
    ) -> None:
        self._rate, self._time, self._moment = rate, time, moment
        self._start = time.ms
        self._came, self._last = 0, float(time.ms)
        self._tokens = self.capacity if tokens is None else min(tokens, self.capacity)
        self.rejected = self.generated = self.wasted = 0

    @property
    def capacity(self) -> int:
        return 60 * self._rate

    @property
    def tokens_left(self) -> int:
        self._settle()
        return self._tokens

    def admit(self) -> bool:
        """Whether a request runs now; a refusal is counted."""
        admitted = self.tokens_left > 0
        self.rejected += not admitted
        return admitted

    def answer(self, cost: int = 0, *, processing_ms: int = 0) -> TokenEnvelope:
        """What an answer says that is ready now and has cost so much."""
        self._settle()
        self._tokens -= cost
        refill_in = max(LEAST_REFILL_IN, round(self._last + TICK_MS - self._time.ms))
        began = self._time.ms - processing_ms
        return TokenEnvelope(began, self._tokens, refill_in, self._rate, 0.0, cost, processing_ms)

    def spend_elsewhere(self, tokens: int) -> None:
        """What another program takes."""
        self._settle()
        self._tokens -= tokens

    def set_refill_rate(self, rate: int) -> None:
        self._settle()
        self._rate = rate

    def _settle(self) -> None:
        while (due := self._start + self._moment(self._came + 1)) <= self._time.ms:
            self._came, self._last = self._came + 1, due
            self.generated += self._rate
            self.wasted += max(0, self._tokens + self._rate - self.capacity)
            self._tokens = min(self.capacity, self._tokens + self._rate)


def steady(late: float = 300.0, jitter: float = 0.0, seed: int = 0) -> Callable[[int], float]:
    """Ticks ``late`` ms after each minute, and each up to ``jitter`` ms more, which does not add up."""
    return lambda n: n * (TICK_MS + late) + random.Random(seed * 1_000_003 + n).uniform(0, jitter)


def as_recorded(seed: int = 0) -> Callable[[int], float]:
    """Ticks later than told by 299 ms in the mean, sd 352, at most 1.26 s; each moves all after it."""
    chance, moments = random.Random(seed), [0.0]

    def moment(n: int) -> float:
        while len(moments) <= n:
            moments.append(moments[-1] + TICK_MS + min(1260.0, max(-500.0, chance.gauss(299, 352))))
        return moments[n]

    return moment
