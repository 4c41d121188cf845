"""The state of the Keepa account as the token manager knows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


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
    prices: Mapping[str, float] | None = None
    foreign_tokens: int = 0
    clock_offset_seconds: float | None = None

    def to_json(self) -> dict[str, Any]:
        return {}
