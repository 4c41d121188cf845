"""Time, injected: production code never calls ``datetime.now`` or ``time.sleep`` on its own."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

CLOCK_TOLERANCE = timedelta(minutes=5)
"""What is dated further in the future than this was written by a clock that was wrong."""


def is_ahead(moment: datetime, now: datetime) -> bool:
    """Whether what is past is dated later than now, by more than clocks differ."""
    return moment - now > CLOCK_TOLERANCE


def is_overdue(last: datetime | None, now: datetime, limit: timedelta) -> bool:
    """Whether ``last`` is longer ago than ``limit``, or may be: the future tells of a wrong clock."""
    return last is None or now - last > limit or is_ahead(last, now)


class Clock(Protocol):
    """A source of time that tests and simulations can replace."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards; only differences mean anything."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return after ``seconds`` (at once when it is not positive)."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)
