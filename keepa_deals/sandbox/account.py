"""A Keepa account: the token bucket by the documented rules, its ticks as they were recorded.

Sources: Keepa docs, Token costs; api_backend, Response.java; 104 recorded envelopes of a plan of 5 a minute.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any

from keepa_deals.clock import Clock, SystemClock
from keepa_deals.keepa.time import unix_ms
from keepa_deals.sandbox.catalogue.prng import RANGE, draws

CAPACITY_TICKS = 60
"""Tokens expire after 60 ticks: the bucket holds 60 times the refill rate."""
MINUTE_MS = 60_000
TICK_LATE_MS = 299
"""By how much a tick comes later than announced: the mean of 41 recorded pairs (others: 281, 448)."""
_EARLIEST, _LATEST = -498 / TICK_LATE_MS, 1259 / TICK_LATE_MS
_SPREAD = 352 / TICK_LATE_MS
"""The extremes and the standard deviation of the same 41, in means."""
SHORTEST_REFILL_IN_MS = 522
"""The least ``refillIn`` that was recorded, also while a tick is overdue."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the account has seen; ``initial + generated = consumed + wasted + tokens_left`` always holds."""

    requests: int
    rejected_429: int
    tokens_initial: int
    tokens_generated: int
    tokens_consumed: int
    tokens_wasted: int
    tokens_spent_elsewhere: int
    tokens_left: int
    by_path: dict[str, int]


class Account:
    """Tokens arrive ``refill_rate`` at a time every ``tick_seconds`` and a bit; safe from many threads.

    A request is admitted while the balance is positive and charged when its price is known, so the
    balance may go negative. ``tokens=None`` starts with a full bucket; more than the bucket holds is cut.
    Each tick comes ``tick_late_ms`` of a minute later than announced in the mean, by chance; 0: on the dot.
    """

    def __init__(
        self,
        *,
        refill_rate: int = 20,
        tick_seconds: float = 60.0,
        tokens: int | None = None,
        clock: Clock | None = None,
        tick_late_ms: float = 0.0,
        seed: str = "keepa",
    ) -> None:
        if refill_rate < 1:
            raise ValueError(f"refill rate {refill_rate}: must be at least 1 token a tick")
        if tick_seconds < 0.001:
            raise ValueError(f"tick of {tick_seconds} s: must be at least a millisecond")
        if not 0 <= tick_late_ms <= 10_000:
            raise ValueError(f"ticks late by {tick_late_ms} ms: must be 0 to 10,000")
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._tick_ms = round(tick_seconds * 1000)
        self._started = self._clock.monotonic()
        self._seed = seed
        self._late_ms = tick_late_ms * self._tick_ms / MINUTE_MS
        self._shortest_ms = max(1, SHORTEST_REFILL_IN_MS * self._tick_ms // MINUTE_MS)
        self._ticks = 0
        self._ticked_ms = 0
        self._next_tick_ms = self._tick_after(0)
        self._rate = refill_rate
        self._tokens = self.capacity if tokens is None else min(tokens, self.capacity)
        self._initial = self._tokens
        self._generated = self._consumed = self._wasted = self._elsewhere = 0
        self._rejected = 0
        self._ahead_ms = 0
        self._by_path: Counter[str] = Counter()

    @property
    def tick_seconds(self) -> float:
        """Seconds between two ticks by the plan."""
        return self._tick_ms / 1000

    @property
    def capacity(self) -> int:
        """The most tokens that the bucket holds."""
        return CAPACITY_TICKS * self._rate

    @property
    def tokens_left(self) -> int:
        """The balance now, after the ticks that have come."""
        with self._lock:
            self._settle()
            return self._tokens

    def count(self, path: str) -> None:
        """Note that a request for ``path`` has come, whatever becomes of it."""
        with self._lock:
            self._by_path[path] += 1

    def admit(self) -> bool:
        """Whether a request may run now; a refusal counts as a 429."""
        with self._lock:
            self._settle()
            if self._tokens > 0:
                return True
            self._rejected += 1
            return False

    def charge(self, cost: int, *, processing_ms: int = 0) -> dict[str, Any]:
        """Subtract the price of a call that was admitted; the envelope of its answer."""
        if cost < 0:
            raise ValueError(f"cost {cost}: must not be negative")
        with self._lock:
            elapsed = self._settle()
            self._tokens -= cost
            self._consumed += cost
            return {
                "timestamp": unix_ms(self._clock.now()) + self._ahead_ms,
                "tokensLeft": self._tokens,
                "refillIn": max(self._shortest_ms, self._ticked_ms + self._tick_ms - elapsed),
                "refillRate": self._rate,
                "tokenFlowReduction": 0.0,
                "tokensConsumed": cost,
                "processingTimeInMs": processing_ms,
            }

    def envelope(self, *, processing_ms: int = 0) -> dict[str, Any]:
        """The envelope of an answer that costs nothing: ``/token`` and every error."""
        return self.charge(0, processing_ms=processing_ms)

    def spend_elsewhere(self, tokens: int) -> None:
        """Take tokens as another program with the same key would; they count as consumed."""
        with self._lock:
            self._settle()
            self._tokens -= tokens
            self._consumed += tokens
            self._elsewhere += tokens

    def set_tokens(self, tokens: int) -> None:
        """Set the balance; the difference goes into the initial tokens, so that the sum still holds."""
        with self._lock:
            self._settle()
            tokens = min(tokens, self.capacity)
            self._initial += tokens - self._tokens
            self._tokens = tokens

    def set_clock_ahead(self, ms: int) -> None:
        """Let the account's clock run so far ahead of the machine's (behind it, when negative)."""
        with self._lock:
            self._ahead_ms = ms

    def set_refill_rate(self, rate: int) -> None:
        """Change the plan; what a smaller bucket can't hold is lost."""
        if rate < 1:
            raise ValueError(f"refill rate {rate}: must be at least 1 token a tick")
        with self._lock:
            self._settle()
            self._rate = rate
            self._waste_overflow()

    def statistics(self) -> Statistics:
        """The counts so far, settled to this moment."""
        with self._lock:
            self._settle()
            return Statistics(
                requests=self._by_path.total(),
                rejected_429=self._rejected,
                tokens_initial=self._initial,
                tokens_generated=self._generated,
                tokens_consumed=self._consumed,
                tokens_wasted=self._wasted,
                tokens_spent_elsewhere=self._elsewhere,
                tokens_left=self._tokens,
                by_path=dict(self._by_path),
            )

    def _settle(self) -> int:
        """Credit the ticks that have come; the milliseconds since the account opened."""
        elapsed = round((self._clock.monotonic() - self._started) * 1e6) // 1000
        while self._next_tick_ms <= elapsed:
            self._ticks += 1
            self._ticked_ms, self._next_tick_ms = self._next_tick_ms, self._tick_after(self._next_tick_ms)
            self._tokens += self._rate
            self._generated += self._rate
            self._waste_overflow()
        return elapsed

    def _tick_after(self, tick_ms: int) -> int:
        """When the tick after the one at ``tick_ms`` comes: late by chance, and the lateness stays."""
        if not self._late_ms:
            return tick_ms + self._tick_ms
        chances = draws(f"{self._seed}/tick/{self._ticks}")[:12]
        normal = sum(chances) / RANGE - len(chances) / 2  # a sum of twelve has a variance of one
        late = min(_LATEST, max(_EARLIEST, 1 + _SPREAD * normal))
        return tick_ms + max(1, round(self._tick_ms + self._late_ms * late))

    def _waste_overflow(self) -> None:
        overflow = max(0, self._tokens - self.capacity)
        self._tokens -= overflow
        self._wasted += overflow
