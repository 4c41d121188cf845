"""The state of the Keepa account as the token manager knows it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime

import redis

from keepa_deals.health.metric import AnyMetric, Histogram, counter, counters, gauge, gauges
from keepa_deals.health.part import Json, Part, Snapshot
from keepa_deals.humanize import iso
from keepa_deals.redis_store import Keys
from keepa_deals.settings import Settings
from keepa_deals.token_manager import TokenManager
from keepa_deals.tokens.counters import Counters, LaneCounters
from keepa_deals.tokens.snapshot import TokenSnapshot

LANES = ("small", "bulk")


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
    counters: Counters = field(default_factory=Counters)

    def lane(self, name: str) -> LaneHealth:
        """The lane called ``small`` or ``bulk``."""
        return self.small if name == "small" else self.bulk


def read(client: redis.Redis, settings: Settings) -> TokenHealth:
    """The account as the token manager sees it, and its counters."""
    manager = TokenManager.from_settings(settings, client=client)
    snapshot = manager.snapshot()
    counters = Counters.parse(client.hgetall(Keys(settings.redis_key_prefix).metrics))
    if snapshot is None:
        return TokenHealth(None, None, None, None, counters=counters)
    return _from_snapshot(snapshot, counters)


def _from_snapshot(snapshot: TokenSnapshot, counters: Counters) -> TokenHealth:
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


def _to_json(snapshot: Snapshot) -> Json:
    tokens = snapshot.value(PART)
    if tokens is None:
        return {"tokens": dict.fromkeys(("available", "refill_rate", "capacity", "as_of"))}
    return {
        "tokens": {
            "available": tokens.available,
            "refill_rate": tokens.refill_rate,
            "capacity": tokens.capacity,
            "as_of": iso(tokens.as_of),
            "reserved": tokens.reserved,
            "recovering": tokens.recovering,
            "next_tick_at": iso(tokens.next_tick_at),
            "lanes": {name: asdict(tokens.lane(name)) for name in LANES},
            "prices": dict(tokens.prices),
            "foreign_tokens": tokens.foreign_tokens,
            "foreign_at": iso(tokens.foreign_at),
            "clock_offset_seconds": tokens.clock_offset_seconds,
            "tick_seconds": tokens.tick_seconds,
            "rejected_429": tokens.counters.total("rejected_429"),
        }
    }


# -- metrics ---------------------------------------------------------------------------------------
_TOTALS = (
    ("rejected_429", "Requests that Keepa refused for lack of tokens"),
    ("rejected_at_tick", "Those of them that only came because a tick was late, one at a time"),
    ("unbelievable", "Answers whose account data could not be true"),
    ("wasted", "Tokens lost because the bucket was full"),
    ("expired", "Reserved tokens whose call was never answered"),
    ("foreign", "Tokens spent by another program with the same key"),
)
_OF_LANES = (("grants", "Permissions given"), ("refusals", "Requests refused"), ("waits", "Waits"))


def _metrics(snapshot: Snapshot) -> Iterator[AnyMetric]:
    tokens = snapshot.value(PART)
    if tokens is None:
        return
    yield from gauge("tokens_available", "Tokens that may be spent now", tokens.available)
    yield from gauge("tokens_reserved", "Tokens of calls in flight", tokens.reserved)
    yield from gauge("tokens_refill_rate", "Tokens that a minute brings", tokens.refill_rate)
    yield from gauge("tokens_capacity", "The most that the bucket holds", tokens.capacity)
    yield from gauge("tokens_foreign", "Tokens that another program spends", tokens.foreign_tokens)
    yield from gauge("tokens_clock_offset_seconds", "Keepa's clock less Redis's", tokens.clock_offset_seconds)
    yield from gauge("tokens_tick_seconds", "Learned distance of Keepa's ticks", tokens.tick_seconds)
    felt = tokens.foreign_at.timestamp() if tokens.foreign_at else None
    yield from gauge(
        "tokens_foreign_timestamp_seconds", "When another program's spending was last felt", felt
    )
    waiting = [(lane, tokens.lane(lane).waiting) for lane in LANES]
    longest = [(lane, tokens.lane(lane).longest_wait_seconds or 0) for lane in LANES]
    yield from gauges("token_waiters", "Requests that wait for tokens", "lane", waiting)
    yield from gauges("token_longest_wait_seconds", "How long the first has waited", "lane", longest)
    yield from _counted(tokens.counters)


def _counted(counted: Counters) -> Iterator[AnyMetric]:
    for name, text in _TOTALS:
        yield from counter(f"tokens_{name}", text, counted.total(name))
    for name, text in _OF_LANES:
        yield from counters(f"token_{name}", text, "lane", [(lane, counted.of(name, lane)) for lane in LANES])
    yield from counters("tokens_spent", "Tokens that Keepa charged", "task", counted.labelled("spent"))
    answers = counted.labelled("answers")
    yield from counters("keepa_answers", "Answers of Keepa, and requests without one", "call result", answers)
    yield Histogram(
        "token_wait_seconds",
        "How long a granted request had waited",
        "lane",
        tuple((lane, _buckets(counted.lane(lane)), counted.lane(lane).waited_seconds) for lane in LANES),
    )


def _buckets(lane: LaneCounters) -> tuple[tuple[float, float], ...]:
    """How many waited at most so long; those that went at once waited for nothing."""
    counts = itertools.accumulate((n for _, n in lane.waits_up_to), initial=lane.grants - lane.waits)
    return tuple(zip((0.0, *(edge for edge, _ in lane.waits_up_to)), map(float, counts), strict=True))


PART: Part[TokenHealth] = Part(
    "tokens", lambda sources: read(sources.redis(), sources.settings), _to_json, _metrics
)
