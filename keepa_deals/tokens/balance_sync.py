"""Learning a balance that nobody knows: one process asks Keepa, the others wait for it."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable

import redis

from keepa_deals.clock import Clock
from keepa_deals.errors import BalanceUnknownError, BudgetError, KeepaDealsError, StoppedError
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.keepa.time import unix_ms
from keepa_deals.redis_store import load_script
from keepa_deals.tokens.believable import says_nothing, why_unbelievable
from keepa_deals.tokens.bucket import TokenBucket
from keepa_deals.tokens.errors import RETRY_AFTER, store_errors
from keepa_deals.tokens.reservation import Unknown

log = logging.getLogger(__name__)

LEASE = 60.0
LOOK = 0.2
"""Seconds between two looks whether the one that asks has learned it."""


class BalanceSync:
    """``ask`` asks Keepa for the balance; ``None`` where nobody here can. ``key`` is the lease's in Redis."""

    def __init__(
        self,
        client: redis.Redis,
        key: str,
        bucket: TokenBucket,
        clock: Clock,
        ask: Callable[[], TokenEnvelope] | None,
    ) -> None:
        self._redis = client
        self._key = key
        self._bucket = bucket
        self._clock = clock
        self._ask = ask
        self._release = load_script(client, "lock_release")

    def learn(self, unknown: Unknown, deadline: float | None) -> None:
        """Return when the balance may be known; a ``BalanceUnknownError`` when it is not by ``deadline``."""
        if self._ask is None:
            raise BalanceUnknownError("the account's balance is not known and nobody here can ask Keepa")
        give_up = self._clock.monotonic() + LEASE
        if deadline is not None:
            give_up = min(deadline, give_up)
        lease = uuid.uuid4().hex
        while not self._take_lease(lease):
            if self._clock.monotonic() >= give_up:
                raise BalanceUnknownError(
                    "the account's balance is not known, and asking Keepa has not succeeded",
                    retry_after=RETRY_AFTER,
                )
            self._clock.sleep(LOOK)
            if self._as_of() != unknown.as_of:
                return
        hold = 0.0
        try:
            if self._as_of() == unknown.as_of:
                self._ask_keepa(self._ask)
        except BalanceUnknownError:
            hold = RETRY_AFTER
            raise
        finally:
            self._end_lease(lease, hold)

    def _as_of(self) -> str:
        snapshot = self._bucket.snapshot()
        return str(unix_ms(snapshot.as_of)) if snapshot else ""

    def _take_lease(self, lease: str) -> bool:
        """Whether it is ours to ask Keepa. A lease without an end is none of ours, and gets one."""
        longest = int(LEASE * 1000)
        with store_errors():
            if self._redis.set(self._key, lease, nx=True, px=longest):
                return True
            if self._redis.pttl(self._key) in range(longest + 1):
                return False
            self._redis.pexpire(self._key, longest)
            return False

    def _end_lease(self, lease: str, hold: float) -> None:
        """Let the next ask: at once, or ``hold`` seconds after a failure. Without Redis it ends by itself."""
        try:
            if hold:
                self._redis.pexpire(self._key, int(hold * 1000))
            else:
                self._release(keys=[self._key], args=[lease])
        except redis.RedisError as error:
            log.debug("the lease to ask Keepa ends by itself: %s", error)

    def _ask_keepa(self, ask: Callable[[], TokenEnvelope]) -> None:
        """Take the balance from Keepa; a ``StoppedError`` when the process is asked to end meanwhile."""
        try:
            envelope = ask()
        except (BudgetError, StoppedError):
            raise
        except KeepaDealsError as error:
            raise BalanceUnknownError(
                f"the account's balance is not known: {error}", retry_after=RETRY_AFTER
            ) from error
        absurd = why_unbelievable(envelope)
        if says_nothing(envelope):
            absurd = "the key is refused (its account data are all zero): check KEEPA_API_KEY"
        elif absurd:
            absurd = f"its account data cannot be true ({absurd})"
        if absurd:
            raise BalanceUnknownError(
                f"the account's balance is not known: Keepa /token: {absurd}", retry_after=RETRY_AFTER
            )
        self._bucket.settle(envelope)
