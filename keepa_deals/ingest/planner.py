"""Which pages of the feed to read when. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from keepa_deals.keepa.costs import DEALS_PER_PAGE

MARGIN = 0.08
"""The part of the freshness window that a sweep leaves free, for waits and failures."""
OVERLAP = timedelta(minutes=10)
"""How far below its watermark a run reads: deals may appear a little after their ``creationDate``."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """One pass over the whole feed: when it began, the page that is next, and how many there are."""

    started_at: datetime
    next_page: int
    pages: int


def sweep_period(fresh_for: timedelta) -> timedelta:
    """The time within which every page is read again."""
    return fresh_for * (1 - MARGIN)


def pages_due(sweep: Sweep, now: datetime, fresh_for: timedelta) -> int:
    """How many pages the sweep should have read by ``now``: spread evenly over its period."""
    elapsed = max(timedelta(0), now - sweep.started_at)
    due = math.floor(sweep.pages * (elapsed / sweep_period(fresh_for))) + 1
    return max(0, min(due, sweep.pages) - sweep.next_page)


def pages_of(deals: int) -> int:
    """How many pages hold so many deals."""
    return max(1, -(-deals // DEALS_PER_PAGE))
