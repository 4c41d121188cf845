"""The account's token bucket in Redis: each decision is one atomic script and one round trip."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import redis

from keepa_deals.errors import CostExceedsCapacityError, StoreUnavailableError
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.redis_store import Keys, load_script
from keepa_deals.tokens.believable import says_nothing, why_unbelievable
from keepa_deals.tokens.errors import is_about_our_keys, store_errors
from keepa_deals.tokens.policy import Policy
from keepa_deals.tokens.request import TokenRequest
from keepa_deals.tokens.reservation import Denied, Reservation, Unknown
from keepa_deals.tokens.snapshot import TokenSnapshot

log = logging.getLogger(__name__)


class TokenBucket:
    """All processes share it, and every answer of Keepa corrects it.

    ``account`` stands for the Keepa key (a hash of it, never the key). ``now_ms`` replaces Redis's clock in a
    simulation.
    """

    def __init__(
        self,
        client: redis.Redis,
        account: str,
        keys: Keys,
        policy: Policy,
        now_ms: Callable[[], int] | None = None,
    ) -> None:
        self.policy = policy
        self._redis = client
        self._now_ms = now_ms
        self._keys = [keys.tokens(account, "account"), keys.metrics]
        self._beside = [keys.tokens(account, part) for part in ("waiting", "small", "bulk", "learned")]
        self._wake_prefix = keys.tokens(account, "wake:")
        names, constants = ("acquire", "settle", "charge", "leave", "snapshot"), policy.constants()
        self._scripts = {name: load_script(client, f"tokens_{name}", constants) for name in names}

    def poll(self, request: TokenRequest, *, queue: bool) -> Reservation | Denied | Unknown:
        """One decision; with ``queue`` a request that is denied keeps, or takes, its place among the others.

        A ``CostExceedsCapacityError`` when the bucket can never hold the cost.
        """
        answer = self._run("acquire", request.packed("queue" if queue else "try"))
        if answer[0] == "granted":
            return Reservation(
                self,
                request.id,
                cost=int(answer[1]),
                items=int(answer[2]),
                lane=request.lane,
                kind=request.kind,
                task=request.task,
            )
        if answer[0] == "wait":
            return Denied(int(answer[3]) / 1000, str(answer[2]), nap=int(answer[1]) / 1000)
        if answer[0] == "never":
            raise CostExceedsCapacityError(
                f"{request}: the plan's bucket holds {answer[1]} tokens at most, so it would wait for ever"
            )
        return Unknown(str(answer[1]))

    def wake_key(self, request: TokenRequest) -> str:
        """The list that gets an element when a settlement lets the request go on before its tick."""
        return self._wake_prefix + request.id

    def leave_queue(self, request: TokenRequest) -> None:
        """Give up the place of a request."""
        try:
            self._run("leave", request.id, "waiter", 0)
        except StoreUnavailableError as error:
            log.debug("%s: its place in the queue expires by itself: %s", request, error)

    def settle(self, envelope: TokenEnvelope, reservation: Reservation | None = None) -> None:
        """Take what an answer of Keepa says of the account; frees ``reservation``.

        The newest answer by Keepa's own time wins. What cannot be true teaches nothing. Redis being away is
        logged, not raised: the answer is worth more than its booking, and the reservation expires.
        """
        absurd = why_unbelievable(envelope)
        if absurd is None:
            self._book(envelope, reservation)
            return
        if says_nothing(envelope):
            log.info("an answer of Keepa says nothing of the account, as for a key that is refused")
        else:
            log.warning("Keepa's account data cannot be true (%s): its balance will be asked for", absurd)
        if reservation is not None:
            reservation.settled = True
        if reservation is not None or not says_nothing(envelope):
            what = "unsent" if says_nothing(envelope) else "unbelievable"
            self._leave(reservation.id if reservation else "", what)

    def _book(self, envelope: TokenEnvelope, reservation: Reservation | None) -> None:
        refused = reservation is not None and envelope.tokens_consumed == 0 and envelope.tokens_left <= 0
        try:
            taken, believed, foreign, at_tick = self._run(
                "settle",
                reservation.id if reservation else "",
                envelope.timestamp_ms,
                envelope.tokens_left,
                envelope.refill_in_ms,
                envelope.refill_rate,
                envelope.token_flow_reduction,
                envelope.tokens_consumed,
                reservation.kind if reservation else "",
                reservation.items if reservation else 0,
                reservation.task if reservation else "",
                int(refused),
                envelope.processing_time_ms,
            )
        except StoreUnavailableError as error:
            log.warning("an answer of Keepa could not be booked: %s", error)
            return
        if reservation is not None:
            reservation.settled = True
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

    def charge(self, reservation: Reservation, *, refused: bool = False) -> None:
        """Take a call for charged, at an account whose answers tell no balance; ``refused``: nothing is left.

        Redis being away is logged, not raised, as in :meth:`settle`.
        """
        try:
            self._run("charge", reservation.id, int(refused))
        except StoreUnavailableError as error:
            log.warning("a call could not be booked: %s", error)
            return
        reservation.settled = True

    def abandon(self, reservation: Reservation, *, sent: bool) -> None:
        """Leave a reservation unsettled; what was ``sent`` may have been charged and stays reserved."""
        self._leave(reservation.id, "unanswered" if sent else "unsent")

    def _leave(self, identity: str, what: str) -> None:
        try:
            self._run("leave", identity, what, int(self.policy.unanswered_seconds * 1000))
        except StoreUnavailableError as error:
            log.warning("a reservation stays until it expires: %s", error)

    def snapshot(self) -> TokenSnapshot | None:
        """The account at this moment; ``None`` while nobody knows its balance."""
        source = self._run("snapshot")
        return TokenSnapshot.from_json(source) if source else None

    def _run(self, script: str, *args: Any) -> Any:
        now = "" if self._now_ms is None else self._now_ms()
        with store_errors():
            try:
                return self._scripts[script](keys=self._keys, args=[now, *args])
            except redis.ResponseError as error:
                if not is_about_our_keys(error):
                    raise
                log.warning("the account's keys in Redis hold what we never wrote, it begins anew: %s", error)
            self._redis.delete(self._keys[0], *self._beside)
            return self._scripts[script](keys=self._keys, args=[now, *args])
