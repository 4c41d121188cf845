"""What the token manager answers: a permission to spend, or a refusal."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from keepa_deals.keepa.types import TokenEnvelope
from keepa_deals.tokens.policy import Lane


@dataclass(frozen=True, slots=True)
class Refusal:
    """Not now. ``retry_after`` is in seconds; who waits asks again after ``nap``, which may be sooner."""

    retry_after: float
    reason: str
    nap: float

    def __bool__(self) -> bool:
        return False


class Settler(Protocol):
    """The part of the token manager that a permission reports to."""

    def update_after_call(self, envelope: TokenEnvelope, permission: Permission | None = None) -> None: ...

    def abandon(self, permission: Permission, *, sent: bool) -> None: ...


class Permission:
    """``cost`` reserved tokens for one call of ``items`` items.

    Enter it around the call and settle it with the answer. Left without one, the reservation stays for a
    while: the call may have been charged.
    """

    def __init__(
        self, manager: Settler, identity: str, *, cost: int, items: int, lane: Lane, kind: str, task: str
    ) -> None:
        self._manager = manager
        self.id = identity
        self.cost = cost
        self.items = items
        self.lane = lane
        self.kind = kind
        self.task = task
        self.settled = False

    def __repr__(self) -> str:
        return f"Permission(cost={self.cost}, items={self.items}, lane={self.lane}, settled={self.settled})"

    def settle(self, envelope: TokenEnvelope) -> None:
        """Correct the balance with the answer, whatever its status was, and free the reservation."""
        self._manager.update_after_call(envelope, self)

    def release(self) -> None:
        """Give the tokens back: the call was not sent."""
        if not self.settled:
            self._manager.abandon(self, sent=False)

    def __enter__(self) -> Permission:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.settled:
            self._manager.abandon(self, sent=True)
