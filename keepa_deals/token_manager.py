"""The token manager: who may spend the Keepa account's tokens, and when.

All processes share one bucket in Redis, which every answer of Keepa corrects. Each decision is one
atomic script and one round trip. The policy, its guarantees and their proof: docs/token-policy.md.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import redis

from keepa_deals.clock import Clock, SystemClock
from keepa_deals.errors import BalanceUnknownError, TokensUnavailableError
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.redis_store import Keys, connect
from keepa_deals.settings import Settings
from keepa_deals.tokens.balance_sync import BalanceSync
from keepa_deals.tokens.bucket import TokenBucket
from keepa_deals.tokens.errors import RETRY_AFTER, store_errors
from keepa_deals.tokens.policy import Policy
from keepa_deals.tokens.request import TokenRequest
from keepa_deals.tokens.reservation import Denied, Reservation, Unknown
from keepa_deals.tokens.snapshot import TokenSnapshot
from keepa_deals.tokens.waiting import QueueSleeper, Sleeper

__all__ = ["Denied", "Policy", "Reservation", "TokenManager", "TokenRequest", "TokenSnapshot"]

log = logging.getLogger(__name__)


class TokenManager:
    """Reserves tokens for calls. Safe to share between threads, made once a process.

    ``account`` stands for the Keepa key (a hash of it, never the key). ``sync`` asks Keepa for the
    balance when nobody knows it. ``now_ms`` and ``sleeper`` replace Redis's clock and the waiting in a
    simulation.
    """

    def __init__(
        self,
        client: redis.Redis,
        *,
        account: str,
        keys: Keys | None = None,
        policy: Policy | None = None,
        clock: Clock | None = None,
        sync: Callable[[], TokenEnvelope] | None = None,
        now_ms: Callable[[], int] | None = None,
        sleeper: Sleeper | None = None,
    ) -> None:
        keys, policy = keys or Keys(), policy or Policy()
        self._clock = clock or SystemClock()
        self.bucket = TokenBucket(client, account, keys, policy, now_ms)
        self._sync = BalanceSync(client, keys.tokens(account, "sync"), self.bucket, self._clock, sync)
        queue = QueueSleeper(client, account, keys, self._clock, policy.tick_seconds)
        self._sleep = sleeper or queue.wait_until_notified

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        *,
        clock: Clock | None = None,
        sync: Callable[[], TokenEnvelope] | None = None,
        client: redis.Redis | None = None,
    ) -> TokenManager:
        """The bucket of this deployment's key; connects at the first request."""
        return cls(
            client or connect(settings),
            account=settings.account_id,
            keys=Keys(settings.redis_key_prefix),
            policy=Policy.from_settings(settings),
            clock=clock,
            sync=sync,
        )

    def request_permission_for_call(
        self,
        cost: int,
        *,
        timeout: float | None = None,
        kind: str | None = None,
        items: int = 1,
        task: str | None = None,
    ) -> Reservation:
        """``cost`` tokens reserved, as soon as the policy allows it.

        ``kind`` names the call whose real price is learned from the answer, for ``items`` items. Raises a
        ``TokensUnavailableError`` with ``retry_after`` when ``timeout`` (seconds) would pass first, a
        ``CostExceedsCapacityError`` when the bucket can never hold the cost, a ``BalanceUnknownError`` or
        ``StoreUnavailableError`` when nobody can tell what may be spent.
        """
        request = TokenRequest.for_call(self.bucket.policy, cost, kind=kind, items=items, task=task)
        return self._wait(request, timeout)

    def request_batch(
        self,
        kind: str,
        *,
        max_items: int,
        min_items: int = 1,
        price_hint: int = 1,
        timeout: float | None = None,
        task: str | None = None,
    ) -> Reservation:
        """In the bulk lane: as many items as the tokens allow, reserved at their learned worst price.

        ``price_hint`` (tokens an item) is the documented price; ``.items`` of the reservation says how many.
        Raises as :meth:`request_permission_for_call`.
        """
        request = TokenRequest.for_batch(
            kind, max_items=max_items, min_items=min_items, price_hint=price_hint, task=task
        )
        return self._wait(request, timeout)

    def try_acquire(
        self, cost: int, *, kind: str | None = None, items: int = 1, task: str | None = None
    ) -> Reservation | Denied:
        """A reservation now, or ``Denied`` (which is false); never waits. Raises as above otherwise."""
        request = TokenRequest.for_call(self.bucket.policy, cost, kind=kind, items=items, task=task)
        answer = self.bucket.poll(request, queue=False)
        if isinstance(answer, Unknown):
            raise BalanceUnknownError("the account's balance is not known yet", retry_after=RETRY_AFTER)
        return answer

    def update_after_call(self, envelope: TokenEnvelope, reservation: Reservation | None = None) -> None:
        """Take what an answer of Keepa says of the account; see :meth:`TokenBucket.settle`."""
        self.bucket.settle(envelope, reservation)

    def charge(self, reservation: Reservation, *, refused: bool = False) -> None:
        """Book a call to an account whose answers tell no balance; see :meth:`TokenBucket.charge`."""
        self.bucket.charge(reservation, refused=refused)

    def abandon(self, reservation: Reservation, *, sent: bool) -> None:
        """Leave a reservation unsettled; what was ``sent`` may have been charged and stays reserved."""
        self.bucket.abandon(reservation, sent=sent)

    def snapshot(self) -> TokenSnapshot | None:
        """The account at this moment; ``None`` while nobody knows its balance."""
        return self.bucket.snapshot()

    def _wait(self, request: TokenRequest, timeout: float | None) -> Reservation:
        deadline = None if timeout is None else self._clock.monotonic() + timeout
        is_logged = False
        try:
            while True:
                answer = self.bucket.poll(request, queue=True)
                if isinstance(answer, Reservation):
                    return answer
                if isinstance(answer, Unknown):
                    self._sync.learn(answer, deadline)
                    continue
                if deadline is not None:
                    _check_time(request, answer, deadline - self._clock.monotonic())
                if not is_logged:
                    is_logged = True
                    level = logging.INFO if answer.retry_after >= 1 else logging.DEBUG
                    log.log(level, "%s waits %.0f s (%s)", request, answer.retry_after, answer.reason)
                with store_errors():
                    self._sleep(self.bucket.wake_key(request), answer.nap)
        except BaseException:
            self.bucket.leave_queue(request)
            raise


def _check_time(request: TokenRequest, denied: Denied, left: float) -> None:
    """A ``TokensUnavailableError`` when the tokens come later than in the ``left`` seconds."""
    if denied.retry_after > left:
        raise TokensUnavailableError(
            f"{request}: {denied.reason}, {denied.retry_after:.0f} s more to wait; "
            f"the caller has {max(0.0, left):.0f} s",
            retry_after=denied.retry_after,
        )
