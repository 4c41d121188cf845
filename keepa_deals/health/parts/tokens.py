"""The state of the Keepa account as the token manager knows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import redis

from keepa_deals.redis_store import Keys
from keepa_deals.settings import Settings
from keepa_deals.token_manager import TokenManager, TokenSnapshot

COUNTER_DIGITS = 20
"""Redis counts in 64 bits."""


@dataclass(frozen=True, slots=True)
class LaneHealth:
    """Those who wait for tokens in one lane."""

    waiting: int
    longest_wait_seconds: float | None


@dataclass(frozen=True, slots=True)
class TokenHealth:
    """What may be spent, and who waits. Tokens are integers; ``None`` means that nobody knows.

    ``available`` is the last balance plus ticks since, minus ``reserved``; it may be negative.
    """

    available: int | None
    refill_rate: int | None
    capacity: int | None
    as_of: datetime | None
    """When Keepa last told the balance."""
    reserved: int = 0
    recovering: bool = False
    """Whether bulk waits for the recovery target."""
    next_tick_at: datetime | None = None
    small: LaneHealth = LaneHealth(0, None)
    bulk: LaneHealth = LaneHealth(0, None)
    prices: Mapping[str, float] = field(default_factory=dict)
    """Learned tokens an item, the mean of the last 200 calls, by kind of call."""
    foreign_tokens: int = 0
    """What another program seems to spend between two answers."""
    foreign_at: datetime | None = None
    """When tokens were last found missing that we did not spend."""
    clock_offset_seconds: float | None = None
    tick_seconds: float | None = None
    """The learned distance of Keepa's ticks."""
    is_deep: bool = False
    """Whether the upserter's next page is ten ticks away or more."""
    refused_at_tick: bool = False
    """Whether the last 429 was a lone one that came of a late tick."""
    counters: Mapping[str, int] = field(default_factory=dict)
    """Counts since the counters began: ``grants|small``, ``rejected_429``, ``spent|<task>``, …"""

    def to_json(self) -> dict[str, Any]:
        """The part ``tokens`` of ``/api/status``."""
        return {
            "available": self.available,
            "refill_rate": self.refill_rate,
            "capacity": self.capacity,
            "as_of": _iso(self.as_of),
            "reserved": self.reserved,
            "recovering": self.recovering,
            "next_tick_at": _iso(self.next_tick_at),
            "lanes": {"small": _lane_json(self.small), "bulk": _lane_json(self.bulk)},
            "prices": dict(self.prices),
            "foreign_tokens": self.foreign_tokens,
            "foreign_at": _iso(self.foreign_at),
            "clock_offset_seconds": self.clock_offset_seconds,
            "tick_seconds": self.tick_seconds,
            "rejected_429": self.counters.get("rejected_429", 0),
        }


def read_tokens(client: redis.Redis, settings: Settings) -> TokenHealth:
    """The account as the token manager sees it, and its counters."""
    manager = TokenManager.from_settings(settings, client=client)
    snapshot = manager.snapshot()
    counted = client.hgetall(Keys(settings.redis_key_prefix).metrics)
    counters = {str(name): int(value) for name, value in counted.items() if _is_whole(str(value))}
    if snapshot is None:
        return TokenHealth(None, None, None, None, counters=counters)
    return _from_snapshot(snapshot, counters)


def _from_snapshot(snapshot: TokenSnapshot, counters: Mapping[str, int]) -> TokenHealth:
    return TokenHealth(
        available=snapshot.available,
        refill_rate=snapshot.refill_rate,
        capacity=snapshot.capacity,
        as_of=snapshot.as_of,
        reserved=snapshot.reserved,
        recovering=snapshot.recovering,
        next_tick_at=snapshot.next_tick_at,
        small=LaneHealth(snapshot.small.waiting, snapshot.small.longest_wait or None),
        bulk=LaneHealth(snapshot.bulk.waiting, snapshot.bulk.longest_wait or None),
        prices={kind: price.mean for kind, price in snapshot.prices.items()},
        foreign_tokens=snapshot.foreign,
        foreign_at=snapshot.foreign_at,
        clock_offset_seconds=snapshot.clock_offset,
        tick_seconds=snapshot.tick.period,
        is_deep=snapshot.is_deep,
        refused_at_tick=snapshot.refused_at_tick,
        counters=counters,
    )


def _is_whole(value: str) -> bool:
    """Whether a counter counts: what others wrote there is left out."""
    return value.lstrip("-").isdecimal() and len(value) < COUNTER_DIGITS


def _lane_json(lane: LaneHealth) -> dict[str, Any]:
    return {"waiting": lane.waiting, "longest_wait_seconds": lane.longest_wait_seconds}


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else None
