"""When what is read: the newest page, the pages of a sweep, questions about what is gone. Pure.

A page is due when the first of the deals that must stand on it would otherwise go stale. Of all that is due,
the earliest deadline goes first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from keepa_deals.ingest.upsert.budget import MARGIN, Plan
from keepa_deals.keepa.token_costs import DEAL_PAGE_TOKENS, MAX_DEALS_PER_QUERY

OVERLAP = timedelta(minutes=10)
"""How far below its watermark a run reads: deals may appear a little after their ``creationDate``."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """One pass over the feed: when it began, the page that is next, how many there are.

    An immediate one has all its pages due at once: after a time in which nothing was read. ``reading_since``
    is when the first page after those of its beginning was read, which may be most of a window later.
    """

    started_at: datetime
    next_page: int
    pages: int
    immediate: bool = False
    reading_since: datetime | None = None
    is_whole: bool = True
    """Whether each of its pages so far showed all that stood on it."""

    @property
    def shows_since(self) -> datetime:
        """What it passes and nobody has seen since this moment has slipped past it."""
        return self.reading_since or self.started_at

    @property
    def done(self) -> bool:
        return self.next_page >= self.pages


def sweep_period(window: timedelta) -> timedelta:
    """The time within which every page is read again."""
    return window * (1 - MARGIN)


def latest_start(
    sweep: Sweep,
    window: timedelta,
    seen: Sequence[datetime],
    page_every: timedelta,
    again: Sequence[datetime] = (),
    at_hand: int = 0,
) -> datetime:
    """When to read the sweep's next page at the latest, so that it and all after it are read in time.

    ``seen`` is, for the next page and each after it, when the first of the deals that must stand there was
    last seen: new deals push the others down, so they are not the ones of the last sweep's pages. Pages of
    which nothing is known are spread evenly over the period. ``again`` is the same for the pages that this
    sweep has passed: the next one comes to them when this one is over. ``page_every`` is the time that the
    tokens of one page take to come: pages with one deadline have to be begun that much earlier, one by one,
    but for the first ``at_hand``, whose tokens are there.
    """
    if sweep.immediate:
        return sweep.started_at
    left = max(len(seen), sweep.pages - sweep.next_page)
    queue = [*enumerate(seen, start=1), *enumerate(again, start=left + 1)]
    starts = [
        oldest + window - max(0, number - at_hand) * page_every - lead(window) for number, oldest in queue
    ]
    if len(seen) < left:
        unknown = sweep.next_page + len(seen)
        starts.append(sweep.started_at + sweep_period(window) * (unknown / sweep.pages))
    return min(starts, default=sweep.started_at + sweep_period(window))


def page_pace(plan: Plan | None, tick: timedelta, threshold: int, questions: int = 0) -> timedelta:
    """The time to count on for a page of a late sweep: the plan's, or of ``threshold`` tokens a ``tick``.

    An estimate for large plans. The sweep asks page by page; above the threshold bulk takes in one call what
    nobody has asked for yet, below it bulk waits. At 250 tokens a minute 12 pages were read in one.
    ``questions`` are asked about deals of each page, a token each.
    """
    if plan is None or plan.supply is None:
        return timedelta(0)
    asking = plan.page_every * (1 + questions / DEAL_PAGE_TOKENS)
    return max(asking, tick * (DEAL_PAGE_TOKENS / max(threshold, DEAL_PAGE_TOKENS)))


def pages_at_hand(available: int, threshold: int) -> int:
    """How many pages the ``available`` tokens pay now, with a look at the newest page in between.

    Of more than ``threshold`` bulk may take the rest before a page asks.
    """
    return max(0, min(available, threshold) // DEAL_PAGE_TOKENS - 1)


def lead(window: timedelta) -> timedelta:
    """How long before its deadline a page is read: time to wait for tokens, and to survive a failure."""
    return window - sweep_period(window)


def overlap_is_due(last: datetime | None, now: datetime, plan: Plan | None, interval: timedelta) -> bool:
    """Whether a look reads down to ``OVERLAP`` below the watermark, and not only down to it.

    Where much is new the overlap is longer than the newest page; twice in its time is enough. On a plan
    that is short the sweep finds what appeared late.
    """
    if plan is not None and plan.head_every > interval:
        return False
    return last is None or last > now or now - last >= OVERLAP / 2


def is_due(start: datetime, now: datetime, interval: timedelta, window: timedelta) -> bool:
    """Whether this run reads the page that begins at ``start``, rather than the next one.

    The nearer of the two does: the lead pays for a start that is a little late.
    """
    return start < now + interval - min(interval, lead(window)) / 2


def spare_tokens(time: timedelta, page_every: timedelta) -> int:
    """The tokens that come in the ``time`` before the next page is due; many when nobody knows their pace."""
    if page_every <= timedelta(0):
        return MAX_DEALS_PER_QUERY
    return max(0, math.floor(DEAL_PAGE_TOKENS * (time / page_every)))


def sweep_is_over(sweep: Sweep, now: datetime, window: timedelta, interval: timedelta) -> bool:
    """Whether the next sweep begins in this run: the run after it would be too late for the first pages."""
    latest = sweep.started_at + (sweep_period(window) + window) / 2
    return sweep.done and now + interval > latest


def is_lost(sweep: Sweep, now: datetime, window: timedelta) -> bool:
    """Whether a sweep cannot be gone on with: all that it read is stale, or it began in the future."""
    return now > sweep.started_at + 2 * window or now < sweep.started_at - OVERLAP


class Step(StrEnum):
    """What a run does next."""

    SWEEP = "sweep"
    VERIFY_MISSED = "verify_missed"
    VERIFY_SUSPECTS = "verify_suspects"


def next_step(page: datetime | None, missed: datetime | None, *, suspects: bool) -> Step | None:
    """Earliest deadline first: of the sweep's next page, and of the deals that it missed.

    ``suspects`` come last: most have left the feed, what is still to be learned of them is the reason, and
    a late page lets 150 deals go stale that still hold.
    """
    if page is not None and (missed is None or page <= missed):
        return Step.SWEEP
    if missed is not None:
        return Step.VERIFY_MISSED
    return Step.VERIFY_SUSPECTS if suspects else None


def head_is_due(last: datetime | None, now: datetime, head_every: timedelta, interval: timedelta) -> bool:
    """Whether the newest page should be read in this run; half an interval too early is in time."""
    if last is None or last > now or head_every <= interval:
        return True
    return now - last >= head_every - interval / 2
