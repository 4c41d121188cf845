"""The account as the token manager sees it: for the status, the metrics and the diagnosis."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from keepa_deals.keepa.time import from_unix_ms


@dataclass(frozen=True, slots=True)
class LaneSnapshot:
    """Those who wait in one lane; ``longest_wait`` in seconds."""

    waiting: int
    longest_wait: float


@dataclass(frozen=True, slots=True)
class LearnedPrice:
    """Tokens that an item of one kind of call costs: the mean and the most of the last 200 calls."""

    mean: float
    worst: float


@dataclass(frozen=True, slots=True)
class TickRhythm:
    """What was learned of Keepa's ticks, in seconds: their distance, and by how much one may come late."""

    period: float
    lateness: float
    deviation: float


@dataclass(frozen=True, slots=True)
class TokenSnapshot:
    """One moment of the account. Tokens are integers and may be negative.

    ``balance`` is the last balance that Keepa told plus the ticks since; ``available`` is what is
    left of it after the ``reserved`` tokens of calls in flight; ``foreign`` is what another program
    seems to spend between two answers.
    """

    now: datetime
    balance: int
    available: int
    reserved: int
    reservations: int
    refill_rate: int
    refill: int
    """Tokens that the next tick brings: the rate less Keepa's flow reduction."""
    capacity: int
    as_of: datetime
    next_tick_at: datetime
    recovering: bool
    in_doubt: bool
    """Whether a call ended without an answer: nothing is granted until Keepa has been asked."""
    foreign: int
    foreign_at: datetime | None
    """When tokens were last found missing that we did not spend."""
    clock_offset: float
    """Seconds by which Keepa's clock seems ahead of Redis's; the answer's way is part of it."""
    small: LaneSnapshot
    bulk: LaneSnapshot
    prices: Mapping[str, LearnedPrice]
    tick: TickRhythm = TickRhythm(60.3, 0.3, 0.28)
    is_deep: bool = False
    """Whether a page of deals is ten ticks away or more: Keepa is then asked for the balance now and then."""
    refused_at_tick: bool = False
    """Whether the last 429 was a lone one that came of a late tick: it means nothing."""

    @classmethod
    def from_json(cls, source: str) -> TokenSnapshot:
        raw = json.loads(source)
        return cls(
            now=from_unix_ms(int(raw["now"])),
            balance=int(raw["total"]),
            available=int(raw["available"]),
            reserved=int(raw["reserved"]),
            reservations=int(raw["reservations"]),
            refill_rate=int(raw["rate"]),
            refill=int(raw["refill"]),
            capacity=int(raw["capacity"]),
            as_of=from_unix_ms(int(raw["as_of"])),
            next_tick_at=from_unix_ms(int(raw["next_tick"])),
            recovering=bool(raw["recovering"]),
            in_doubt=bool(raw["doubt"]),
            foreign=int(raw["foreign"]),
            foreign_at=from_unix_ms(int(raw["foreign_at"])) if raw["foreign_at"] else None,
            clock_offset=raw["offset"] / 1000,
            small=_lane(raw["small"]),
            bulk=_lane(raw["bulk"]),
            prices={p["kind"]: LearnedPrice(p["mean"], p["worst"]) for p in raw.get("prices", ())},
            tick=TickRhythm(raw["period"] / 1000, raw["late"] / 1000, raw["dev"] / 1000),
            is_deep=bool(raw["is_deep"]),
            refused_at_tick=bool(raw["refused_at_tick"]),
        )


def _lane(raw: Mapping[str, float]) -> LaneSnapshot:
    return LaneSnapshot(int(raw["waiting"]), raw["longest_ms"] / 1000)
