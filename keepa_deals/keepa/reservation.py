"""What a call needs before it is sent: tokens reserved for it, by somebody who hears what it really cost."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol

from keepa_deals.keepa.envelope import TokenEnvelope


class CallReservation(Protocol):
    """The part of a reservation that a call reports to."""

    def settle(self, envelope: TokenEnvelope) -> object: ...

    def release(self) -> object:
        """The call was not charged: the tokens go back."""
        ...


Reserve = Callable[[], AbstractContextManager[CallReservation]]
"""Asked once for every attempt, before it is sent; may block until the tokens are there."""


class NullReservation:
    """For calls that cost nothing, or that nobody counts."""

    def settle(self, envelope: TokenEnvelope) -> None:
        """Nobody keeps the account."""

    def release(self) -> None:
        """Nothing was reserved."""

    def __enter__(self) -> NullReservation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is left to give back."""
