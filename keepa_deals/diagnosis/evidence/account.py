"""The account as Keepa tells it when asked, beside what our books say around that moment."""

from __future__ import annotations

from dataclasses import dataclass

import redis

from keepa_deals.errors import StoreUnavailableError
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.redis_store import connect_probe
from keepa_deals.settings import Settings
from keepa_deals.token_manager import TokenManager


@dataclass(frozen=True, slots=True)
class LiveAccount:
    """What ``/token`` answered. ``booked`` is the least that our books had available, right before the
    question and right after the answer; ``None`` where they cannot be read.

    So neither what we spend meanwhile nor what Keepa refills looks like a drift.
    """

    envelope: TokenEnvelope
    booked: int | None

    @property
    def drift(self) -> int | None:
        """By how many tokens our books exceed what Keepa says; negative when Keepa has more."""
        return None if self.booked is None else self.booked - self.envelope.tokens_left


def ask_account(settings: Settings) -> LiveAccount:
    """Ask ``/token``, which costs nothing. A ``KeepaError`` when it does not answer."""
    from keepa_deals.keepa.client import KeepaClient  # here: its HTTP library costs every look a tenth

    before = _available(settings)
    client = KeepaClient(settings.api_key, base_url=settings.keepa_api_url, timeout=(1, 1), max_attempts=1)
    try:
        envelope = client.token_status()
    finally:
        client.close()
    after = _available(settings)
    booked = None if before is None or after is None else min(before, after)
    return LiveAccount(envelope, booked)


def _available(settings: Settings) -> int | None:
    client = connect_probe(settings)
    try:
        snapshot = TokenManager.from_settings(settings, client=client).snapshot()
    except (redis.RedisError, StoreUnavailableError):
        return None
    finally:
        client.close()
    return None if snapshot is None else snapshot.available
