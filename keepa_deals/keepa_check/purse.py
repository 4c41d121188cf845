"""The tokens that the check may spend: a fixed sum, out of the deployment's bucket where one is at work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from keepa_deals.errors import KeepaDealsError
from keepa_deals.ingest.interfaces import TokenSource
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.keepa.reservation import CallReservation, NullReservation, Reserve

MAX_TOKENS = 40
TASK = "keepa_check"
TIMEOUT = 120.0
"""Seconds that one question waits for its tokens behind the service's own small requests."""


class TooDearError(KeepaDealsError):
    """The question was not asked: with it the check might cost more than it has said beforehand."""


class Purse:
    """Counts what is spent and lets nothing go beyond ``limit``.

    With ``tokens`` each call also asks the token manager of the service that shares the key, as a small
    request: the upserter goes first, and what is spent stands in the books. ``spent`` counts a call without
    an answer at its documented price, because it may have been charged.
    """

    def __init__(self, tokens: TokenSource | None = None, *, limit: int = MAX_TOKENS) -> None:
        self._tokens = tokens
        self._limit = limit
        self.spent = 0

    @property
    def is_shared(self) -> bool:
        """Whether a service spends from the same account."""
        return self._tokens is not None

    def reserve(self, price: int, *, kind: str, items: int = 1) -> Reserve:
        """For one call of ``items`` items whose documented price is ``price`` tokens.

        Entering it raises a ``TooDearError`` when the sum does not suffice, or a ``BudgetError``.
        """

        @contextmanager
        def granted() -> Iterator[CallReservation]:
            if self.spent + price > self._limit:
                raise TooDearError(
                    f"not asked: {self.spent} of {self._limit} tokens are spent, it costs {price}"
                )
            with self._ask(price, kind, items) as reservation:
                before = self.spent
                self.spent += price
                yield _Counted(self, reservation, before)

        return granted

    @contextmanager
    def _ask(self, price: int, kind: str, items: int) -> Iterator[CallReservation]:
        if self._tokens is None:
            with NullReservation() as reservation:
                yield reservation
            return
        with self._tokens.request_permission_for_call(
            price, kind=kind, items=items, timeout=TIMEOUT, task=TASK
        ) as reservation:
            yield reservation


class _Counted:
    def __init__(self, purse: Purse, reservation: CallReservation, before: int) -> None:
        self._purse = purse
        self._reservation = reservation
        self._before = before

    def settle(self, envelope: TokenEnvelope) -> None:
        self._purse.spent = self._before + envelope.tokens_consumed
        self._reservation.settle(envelope)

    def release(self) -> None:
        """Nothing was charged."""
        self._purse.spent = self._before
        self._reservation.release()
