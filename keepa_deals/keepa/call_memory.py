"""What a client remembers between its calls: ASINs that Keepa rejects, and until when it asked to wait."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Protocol

MAX_REJECTED = 1000
FORGOTTEN_AFTER = 24 * 3600.0
"""Seconds after which a rejected ASIN is tried again."""


class Memory(Protocol):
    """Shared by whoever shares the Keepa key; forgetting costs a call, nothing else."""

    def rejected(self) -> Collection[str]:
        """The ASINs that Keepa rejected of late."""
        ...

    def reject(self, asin: str) -> None:
        """Remember ``asin`` as rejected."""
        ...

    def pause(self, seconds: float) -> None:
        """Remember that Keepa wants no call for so long."""
        ...

    def paused(self) -> float:
        """Seconds for which Keepa still wants no call; 0 when it may be asked."""
        ...


class LocalMemory:
    """A memory of this process alone."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._rejected: OrderedDict[str, float] = OrderedDict()
        self._until = 0.0

    def rejected(self) -> Collection[str]:
        since = self._monotonic() - FORGOTTEN_AFTER
        return {asin for asin, at in list(self._rejected.items()) if at > since}

    def reject(self, asin: str) -> None:
        self._rejected[asin] = self._monotonic()
        self._rejected.move_to_end(asin)
        while len(self._rejected) > MAX_REJECTED:
            self._rejected.popitem(last=False)

    def pause(self, seconds: float) -> None:
        self._until = max(self._until, self._monotonic() + seconds)

    def paused(self) -> float:
        return max(0.0, self._until - self._monotonic())
