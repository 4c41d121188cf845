"""A token manager under a test's own time, and envelopes as Keepa sends them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import redis

from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.token_manager import Policy, TokenManager, TokenRequest

START_MS = 1_770_000_000_000
SLACK = Policy().first_slack_ms / 1000
"""Seconds by which ticks are counted late before any was seen."""
PERIOD = Policy().first_period_ms / 1000
"""Seconds from one tick to the next as long as nothing was learned."""
BULK_LATER = Policy().slack_ms / 1000
"""Seconds by which bulk asks later than small requests."""


def until_tick(number: int, *, first: float = 60.0) -> float:
    """Seconds until the ``number``-th tick is counted, the first being told ``first`` seconds ahead."""
    return first + SLACK + (number - 1) * PERIOD


class ManualTime:
    """Time that passes only when somebody sleeps: a ``Clock``, and Redis's clock in milliseconds."""

    def __init__(self) -> None:
        self.ms = START_MS
        self.naps: list[float] = []
        self.at_nap: Callable[[], None] | None = None

    def now(self) -> datetime:
        return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=self.ms)

    def monotonic(self) -> float:
        return self.ms / 1000

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.ms += round(seconds * 1000)

    def wait_until_notified(self, key: str, seconds: float) -> None:
        self.naps.append(seconds)
        if self.at_nap is not None:
            happens, self.at_nap = self.at_nap, None
            happens()
        else:
            self.sleep(seconds)

    def now_ms(self) -> int:
        return self.ms


def envelope(
    left: int,
    *,
    rate: int = 5,
    at: int = START_MS,
    refill_in: int = 60_000,
    consumed: int = 0,
    reduction: float = 0.0,
) -> TokenEnvelope:
    """The account part of an answer at Keepa's time ``at`` (Unix ms)."""
    return TokenEnvelope(at, left, refill_in, rate, reduction, consumed, 1)


def manager(
    client: redis.Redis,
    time: ManualTime,
    *,
    policy: Policy | None = None,
    sync: Callable[[], TokenEnvelope] | None = None,
    account: str = "account",
) -> TokenManager:
    """A token manager that sleeps by jumping ahead in ``time``."""
    return TokenManager(
        client,
        account=account,
        policy=policy or Policy(),
        clock=time,
        sync=sync,
        now_ms=time.now_ms,
        sleeper=time.wait_until_notified,
    )


def call_of(
    tokens: TokenManager, cost: int, *, kind: str | None = None, task: str | None = None
) -> TokenRequest:
    """A request for exactly ``cost`` tokens, as the manager makes it."""
    return TokenRequest.for_call(tokens.bucket.policy, cost, kind=kind, task=task)


def waited(time: ManualTime) -> float:
    """Seconds since the start."""
    return (time.ms - START_MS) / 1000


def available(tokens: TokenManager) -> int:
    """The tokens that may be spent now."""
    snapshot = tokens.snapshot()
    assert snapshot is not None
    return snapshot.available
