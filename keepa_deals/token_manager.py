"""The token manager: who may spend the Keepa account's tokens, and when.

All processes share one bucket in Redis, which every answer of Keepa corrects. Each decision is one
atomic script and one round trip. The policy, its guarantees and their proof: docs/token-policy.md.
"""

from __future__ import annotations

import itertools
import logging
import os
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import redis

from keepa_deals.clock import Clock, SystemClock
from keepa_deals.errors import (
    BalanceUnknownError,
    BudgetError,
    CostExceedsCapacityError,
    KeepaDealsError,
    StoppedError,
    StoreUnavailableError,
    TokensUnavailableError,
)
from keepa_deals.keepa.time import unix_ms
from keepa_deals.keepa.types import TokenEnvelope
from keepa_deals.redis_store import Keys, connect, load_script
from keepa_deals.settings import Settings
from keepa_deals.tokens.believable import says_nothing, why_unbelievable
from keepa_deals.tokens.policy import Lane, Policy
from keepa_deals.tokens.reservation import Permission, Refusal
from keepa_deals.tokens.snapshot import TokenSnapshot

__all__ = ["Permission", "Policy", "Refusal", "TokenManager", "TokenSnapshot"]

log = logging.getLogger(__name__)

Doze = Callable[[str, float], None]
"""Returns after so many seconds, or sooner when the list with that key gets an element."""

STOP_CHECK = 0.5
"""Seconds between two looks at the clock, which may say that the process is asked to end."""
SYNC_LEASE = 60.0
SYNC_RETRY = 5.0
SYNC_LOOK = 0.2


class _Request(NamedTuple):
    """What is asked of the bucket: ``price`` tokens for the call, or, where it ``learns``, for each item."""

    id: str
    lane: Lane
    price: int
    kind: str
    most: int
    fewest: int
    learns: bool
    task: str

    def packed(self, patience: str) -> str:
        """The request as ``tokens_acquire.lua`` reads it."""
        mode = "learn" if self.learns else "exact"
        return f"{self.id}|{self.lane}|{mode}|{self.price}|{self.fewest}|{self.most}|{patience}|{self.kind}"

    def __str__(self) -> str:
        tokens = self.price * self.fewest if self.learns else self.price
        what = f"{self.kind or 'a call'} of {tokens} tokens"
        return f"{self.task}: {what}" if self.task else what


@dataclass(frozen=True, slots=True)
class _Unknown:
    """The balance is not known, or so old that it means nothing: told at ``as_of`` (ms), or never ("")."""

    as_of: str


class TokenManager:
    """Grants permissions to spend. Safe to share between threads, made once a process.

    ``account`` stands for the Keepa key (a hash of it, never the key). ``sync`` asks Keepa for the
    balance when nobody knows it. ``now_ms`` and ``doze`` replace Redis's clock and the waiting in a
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
        doze: Doze | None = None,
    ) -> None:
        self._redis = client
        self._policy = policy or Policy()
        self._clock = clock or SystemClock()
        self._sync = sync
        self._now_ms = now_ms
        self._doze = doze or self._wait_for_wake
        keys = keys or Keys()
        self._keys = [keys.tokens(account, "account"), keys.metrics]
        self._waiting_key = keys.tokens(account, "waiting")
        self._beside = [keys.tokens(account, part) for part in ("waiting", "small", "bulk", "learned")]
        self._wake_prefix = keys.tokens(account, "wake:")
        self._ids = itertools.count()
        self._id_prefix = uuid.uuid4().hex
        self._sync_key = keys.tokens(account, "sync")
        names = ("acquire", "settle", "leave", "snapshot")
        constants = self._policy.constants()
        self._scripts = {name: load_script(client, f"tokens_{name}", constants) for name in names}
        self._release_lease = load_script(client, "lock_release")

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

    # -- asking ------------------------------------------------------------------------------
    def request_permission_for_call(
        self,
        cost: int,
        *,
        timeout: float | None = None,
        kind: str | None = None,
        items: int = 1,
        task: str | None = None,
    ) -> Permission:
        """A permission for ``cost`` tokens, as soon as the policy allows it.

        ``kind`` names the call whose real price is learned from the answer, for ``items`` items. Raises a
        ``TokensUnavailableError`` with ``retry_after`` when ``timeout`` (seconds) would pass first, a
        ``CostExceedsCapacityError`` when the bucket can never hold the cost, a ``BalanceUnknownError`` or
        ``StoreUnavailableError`` when nobody can tell what may be spent.
        """
        return self._wait(self._exact(cost, kind, items, task), timeout)

    def request_batch(
        self,
        kind: str,
        *,
        max_items: int,
        min_items: int = 1,
        price_hint: int = 1,
        timeout: float | None = None,
        task: str | None = None,
    ) -> Permission:
        """A bulk permission for as many items as the tokens allow, reserved at their learned worst price.

        ``price_hint`` (tokens an item) is the documented price; ``.items`` of the permission says how many.
        Raises as :meth:`request_permission_for_call`.
        """
        return self._wait(self._batch(kind, max_items, min_items, price_hint, task), timeout)

    def try_acquire(
        self, cost: int, *, kind: str | None = None, items: int = 1, task: str | None = None
    ) -> Permission | Refusal:
        """A permission now, or a ``Refusal`` (which is false); never waits. Raises as above otherwise."""
        request = self._exact(cost, kind, items, task)
        answer = self._ask(request, queue=False)
        if isinstance(answer, Permission | Refusal):
            return answer
        raise BalanceUnknownError("the account's balance is not known yet", retry_after=SYNC_RETRY)

    def _exact(self, cost: int, kind: str | None, items: int, task: str | None) -> _Request:
        _check_tokens("cost", cost)
        if items < 1:
            raise ValueError(f"items={items}: at least 1")
        lane = self._policy.lane_of(cost, task)
        return _Request(self._new_id(), lane, cost, kind or "", items, items, learns=False, task=task or "")

    def _batch(self, kind: str, most: int, fewest: int, price: int, task: str | None) -> _Request:
        if not 1 <= fewest <= most:
            raise ValueError(f"min_items={fewest}, max_items={most}: 1 ≤ min_items ≤ max_items")
        _check_tokens("price_hint", price)
        return _Request(self._new_id(), Lane.BULK, price, kind, most, fewest, learns=True, task=task or "")

    def _wait(self, request: _Request, timeout: float | None) -> Permission:
        deadline = None if timeout is None else self._clock.monotonic() + timeout
        told = False
        try:
            while True:
                answer = self._ask(request, queue=True)
                if isinstance(answer, Permission):
                    return answer
                if isinstance(answer, _Unknown):
                    self._learn_balance(answer, deadline)
                    continue
                if deadline is not None:
                    _refuse_too_late(request, answer, deadline - self._clock.monotonic())
                if not told:
                    told = True
                    log.info("%s waits %.0f s (%s)", request, answer.retry_after, answer.reason)
                with _store_errors():
                    self._doze(self._wake_prefix + request.id, answer.nap)
        except BaseException:
            self._leave_queue(request)
            raise

    def _ask(self, request: _Request, *, queue: bool) -> Permission | Refusal | _Unknown:
        """One decision of the bucket."""
        answer = self._run("acquire", request.packed("queue" if queue else "try"))
        if answer[0] == "granted":
            return Permission(
                self,
                request.id,
                cost=int(answer[1]),
                items=int(answer[2]),
                lane=request.lane,
                kind=request.kind,
                task=request.task,
            )
        if answer[0] == "wait":
            return Refusal(int(answer[3]) / 1000, str(answer[2]), nap=int(answer[1]) / 1000)
        if answer[0] == "never":
            raise CostExceedsCapacityError(
                f"{request}: the plan's bucket holds {answer[1]} tokens at most, so it would wait for ever"
            )
        return _Unknown(str(answer[1]))

    def _leave_queue(self, request: _Request) -> None:
        try:
            self._run("leave", request.id, "waiter", 0)
        except StoreUnavailableError as error:
            log.debug("%s: its place in the queue expires by itself: %s", request, error)

    # -- learning ----------------------------------------------------------------------------
    def update_after_call(self, envelope: TokenEnvelope, permission: Permission | None = None) -> None:
        """Take what an answer of Keepa says of the account; frees ``permission``'s reservation.

        The newest answer by Keepa's own time wins. What cannot be true teaches nothing. Redis being away is
        logged, not raised: the answer is worth more than its booking, and the reservation expires.
        """
        absurd = why_unbelievable(envelope)
        if absurd is None:
            self._settle(envelope, permission)
            return
        if says_nothing(envelope):
            log.info("an answer of Keepa says nothing of the account, as for a key that is refused")
        else:
            log.warning("Keepa's account data cannot be true (%s): its balance will be asked for", absurd)
        if permission is not None:
            permission.settled = True
        if permission is not None or not says_nothing(envelope):
            what = "unsent" if says_nothing(envelope) else "unbelievable"
            self._leave(permission.id if permission else "", what)

    def _settle(self, envelope: TokenEnvelope, permission: Permission | None) -> None:
        refused = permission is not None and envelope.tokens_consumed == 0 and envelope.tokens_left <= 0
        try:
            taken, believed, foreign, at_tick = self._run(
                "settle",
                permission.id if permission else "",
                envelope.timestamp_ms,
                envelope.tokens_left,
                envelope.refill_in_ms,
                envelope.refill_rate,
                envelope.token_flow_reduction,
                envelope.tokens_consumed,
                permission.kind if permission else "",
                permission.items if permission else 0,
                permission.task if permission else "",
                int(refused),
                envelope.processing_time_ms,
            )
        except StoreUnavailableError as error:
            log.warning("an answer of Keepa could not be booked: %s", error)
            return
        if permission is not None:
            permission.settled = True
        if refused:
            log.log(
                logging.INFO if int(at_tick) else logging.WARNING,
                "Keepa refused (429) at a balance of %d; we believed %s%s",
                envelope.tokens_left,
                believed,
                ": a tick came late" if int(at_tick) else "",
            )
        elif taken and int(foreign) > 0:
            log.info("%s tokens are missing that we did not spend: another program uses the key", foreign)

    def abandon(self, permission: Permission, *, sent: bool) -> None:
        """Leave a permission unsettled; what was ``sent`` may have been charged and stays reserved."""
        self._leave(permission.id, "unanswered" if sent else "unsent")

    def _leave(self, identity: str, what: str) -> None:
        try:
            self._run("leave", identity, what, int(self._policy.unanswered_seconds * 1000))
        except StoreUnavailableError as error:
            log.warning("a reservation stays until it expires: %s", error)

    def snapshot(self) -> TokenSnapshot | None:
        """The account at this moment; ``None`` while nobody knows its balance."""
        source = self._run("snapshot")
        return TokenSnapshot.from_json(source) if source else None

    def _learn_balance(self, unknown: _Unknown, deadline: float | None) -> None:
        """Return when the balance may be known: one process asks Keepa, the others wait for it."""
        if self._sync is None:
            raise BalanceUnknownError("the account's balance is not known and nobody here can ask Keepa")
        give_up = self._clock.monotonic() + SYNC_LEASE
        if deadline is not None:
            give_up = min(deadline, give_up)
        lease = uuid.uuid4().hex
        while not self._lease_sync(lease):
            if self._clock.monotonic() >= give_up:
                raise BalanceUnknownError(
                    "the account's balance is not known, and asking Keepa has not succeeded",
                    retry_after=SYNC_RETRY,
                )
            self._clock.sleep(SYNC_LOOK)
            if self._as_of() != unknown.as_of:
                return
        hold = 0.0
        try:
            if self._as_of() == unknown.as_of:
                self._ask_keepa(self._sync)
        except BalanceUnknownError:
            hold = SYNC_RETRY
            raise
        finally:
            self._end_lease(lease, hold)

    def _as_of(self) -> str:
        snapshot = self.snapshot()
        return str(unix_ms(snapshot.as_of)) if snapshot else ""

    def _lease_sync(self, lease: str) -> bool:
        """Whether it is ours to ask Keepa. A lease without an end is none of ours, and gets one."""
        longest = int(SYNC_LEASE * 1000)
        with _store_errors():
            if self._redis.set(self._sync_key, lease, nx=True, px=longest):
                return True
            if self._redis.pttl(self._sync_key) in range(longest + 1):
                return False
            self._redis.pexpire(self._sync_key, longest)
            return False

    def _end_lease(self, lease: str, hold: float) -> None:
        """Let the next ask: at once, or ``hold`` seconds after a failure. Without Redis it ends by itself."""
        try:
            if hold:
                self._redis.pexpire(self._sync_key, int(hold * 1000))
            else:
                self._release_lease(keys=[self._sync_key], args=[lease])
        except redis.RedisError as error:
            log.debug("the lease to ask Keepa ends by itself: %s", error)

    def _ask_keepa(self, sync: Callable[[], TokenEnvelope]) -> None:
        """Take the balance from Keepa; a ``StoppedError`` when the process is asked to end meanwhile."""
        try:
            envelope = sync()
        except (BudgetError, StoppedError):
            raise
        except KeepaDealsError as error:
            raise BalanceUnknownError(
                f"the account's balance is not known: {error}", retry_after=SYNC_RETRY
            ) from error
        absurd = why_unbelievable(envelope)
        if says_nothing(envelope):
            absurd = "the key is refused (its account data are all zero): check KEEPA_API_KEY"
        elif absurd:
            absurd = f"its account data cannot be true ({absurd})"
        if absurd:
            raise BalanceUnknownError(
                f"the account's balance is not known: Keepa /token: {absurd}", retry_after=SYNC_RETRY
            )
        self._settle(envelope, None)

    # -- plumbing ----------------------------------------------------------------------------
    def _run(self, script: str, *args: Any) -> Any:
        now = "" if self._now_ms is None else self._now_ms()
        with _store_errors():
            try:
                return self._scripts[script](keys=self._keys, args=[now, *args])
            except redis.ResponseError as error:
                if not _is_about_our_keys(error):
                    raise
                log.warning("the account's keys in Redis hold what we never wrote, it begins anew: %s", error)
            self._redis.delete(self._keys[0], *self._beside)
            return self._scripts[script](keys=self._keys, args=[now, *args])

    def _new_id(self) -> str:
        """A name for a request that no process shares: a fork goes on with the same prefix and count."""
        return f"{self._id_prefix}:{os.getpid()}:{next(self._ids)}"

    def _wait_for_wake(self, key: str, seconds: float) -> None:
        """Sleeps on the waiter's own list in Redis, so that a settlement can wake it before its tick.

        Once a tick it looks whether its place in the queue is still there: a Redis that was flushed or
        replaced wakes nobody.
        """
        now = self._clock.monotonic()
        deadline, look = now + seconds, now + self._policy.tick_seconds
        while (left := deadline - now) > 0:
            self._clock.sleep(0)  # a clock that is asked to stop raises here
            if self._redis.blpop([key], timeout=max(0.01, min(left, STOP_CHECK))):
                return
            now = self._clock.monotonic()
            if now >= look:
                look = now + self._policy.tick_seconds
                if not self._redis.hexists(self._waiting_key, key.removeprefix(self._wake_prefix)):
                    return


@contextmanager
def _store_errors() -> Iterator[None]:
    """Turns an error of Redis into the budget's own: nothing is granted without Redis."""
    try:
        yield
    except redis.RedisError as error:
        raise _store_away(error) from error


def _is_about_our_keys(error: redis.ResponseError) -> bool:
    """Whether a script failed over what it found, not over Redis's state (OOM, MISCONF, READONLY, …)."""
    text = str(error)
    return text.startswith("WRONGTYPE") or ("user_script" in text and not re.match(r"[A-Z]{3,} ", text))


def _store_away(error: redis.RedisError) -> StoreUnavailableError:
    return StoreUnavailableError(
        f"Redis does not answer, so no tokens are granted: {error}", retry_after=SYNC_RETRY
    )


def _refuse_too_late(request: _Request, refusal: Refusal, left: float) -> None:
    if refusal.retry_after > left:
        raise TokensUnavailableError(
            f"{request}: {refusal.reason}, {refusal.retry_after:.0f} s more to wait; "
            f"the caller has {max(0.0, left):.0f} s",
            retry_after=refusal.retry_after,
        )


def _check_tokens(name: str, value: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name}={value!r}: tokens are whole numbers from 1 on")
