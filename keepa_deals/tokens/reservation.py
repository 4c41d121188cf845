"""What the bucket decides: tokens reserved for a call, or denied for now, or nobody knows."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.tokens.policy import Lane


@dataclass(frozen=True, slots=True)
class Denied:
    """Not now. ``retry_after`` is in seconds; who waits asks again after ``nap``, which may be sooner."""

    retry_after: float
    reason: str
    nap: float

    def __bool__(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Unknown:
    """The balance is not known, or so old that it means nothing: told at ``as_of`` (ms), or never ("")."""

    as_of: str


class Settler(Protocol):
    """The part of the bucket that a reservation reports to."""

    def settle(self, envelope: TokenEnvelope, reservation: Reservation | None = None) -> None: ...

    def abandon(self, reservation: Reservation, *, sent: bool) -> None: ...


class Reservation:
    """``cost`` reserved tokens for one call of ``items`` items.

    Enter it around the call and settle it with the answer. Left without one, it stays for a while: the call
    may have been charged.
    """

    def __init__(
        self, bucket: Settler, identity: str, *, cost: int, items: int, lane: Lane, kind: str, task: str
    ) -> None:
        self._bucket = bucket
        self.id = identity
        self.cost = cost
        self.items = items
        self.lane = lane
        self.kind = kind
        self.task = task
        self.settled = False

    def __repr__(self) -> str:
        return f"Reservation(cost={self.cost}, items={self.items}, lane={self.lane}, settled={self.settled})"

    def settle(self, envelope: TokenEnvelope) -> None:
        """Correct the balance with the answer, whatever its status was, and free the reservation."""
        self._bucket.settle(envelope, self)

    def release(self) -> None:
        """Give the tokens back: the call was not sent."""
        if not self.settled:
            self._bucket.abandon(self, sent=False)

    def __enter__(self) -> Reservation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.settled:
            self._bucket.abandon(self, sent=True)
