"""Which moment a question about the deals means, and who is live at it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

CLOCK_OVERLAP = timedelta(seconds=30)
"""How long a writer may take between reading its clock and committing."""


@dataclass(frozen=True, slots=True)
class AsOf:
    """A moment, and for how long before it a sight of a deal counts as fresh."""

    now: datetime
    fresh_for: timedelta

    @property
    def live_since(self) -> datetime:
        """A deal that has not ended is live when it was seen at this moment or later."""
        return self.now - self.fresh_for
