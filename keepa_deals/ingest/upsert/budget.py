"""What to read when, out of what the plan brings. Pure.

Within a freshness window the feed has to be read once (5 tokens for 150 deals), the newest page often
enough to find what is new, and every deal that left the feed once by /product, to learn why. When the
plan cannot pay that, the newest page is read less often first; then the sweep keeps to the newest deals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from keepa_deals.keepa.token_costs import DEAL_PAGE_TOKENS, DEALS_PER_PAGE, MAX_DEALS_PER_QUERY

MARGIN = 0.035
"""How much earlier than a freshness window after the last time each page is read, for waits and failures."""
OVERLAP = timedelta(minutes=10)
"""How far below its watermark a run reads: deals may appear a little after their ``creationDate``."""
HEAD_SHARE = 0.5
"""The most that looking for new deals takes of the tokens."""
ASKING_SHARE = 0.1
"""The most that is kept, of tokens that are too few for all deals, to ask why some have left the feed."""
FEWEST_HEADS = 12
"""How often in a window the newest page is read at least, however small the plan."""
HEAD_PAGES = 5
"""Pages that a run reads for what is new. New deals further down are left to a hurried sweep; what appeared
late, further down in the overlap, to the next ordinary one."""
MOST_PAGES = -(-MAX_DEALS_PER_QUERY // DEALS_PER_PAGE)
"""Keepa shows no more of one query."""


@dataclass(frozen=True, slots=True)
class Supply:
    """What comes in: ``refill`` tokens every ``tick``, and the freshness window that they must last."""

    refill: int
    tick: timedelta
    window: timedelta

    @property
    def tokens(self) -> int:
        """The tokens of one window."""
        return math.floor(self.refill * (self.window / self.tick))


class Limit(StrEnum):
    """Why not everything that the selection matches is kept fresh."""

    PLAN = "plan"
    KEEPA = "keepa"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a freshness window will be spent on.

    ``matching`` deals fit the selection; the newest ``kept`` of them are kept fresh, which takes ``pages``
    pages. ``needed`` tokens a window would keep all that Keepa shows; ``supply`` come (``None``: unknown).
    """

    matching: int
    kept: int
    pages: int
    needed: int
    supply: int | None
    head_every: timedelta
    page_every: timedelta = timedelta(0)
    """The time that a page's tokens take to come while the sweep is late, and goes before what is gone."""
    limit: Limit | None = None


@dataclass(frozen=True, slots=True)
class Feed:
    """What is there: the deals that match, how many come in a ``window``, and what those that go cost.

    ``arriving`` counts every deal that moves to the top, new or repriced: it pushes the others down.
    ``leaving`` is in tokens: one question for each deal that goes.
    """

    matching: int
    arriving: int
    leaving: int
    window: timedelta

    @property
    def pages(self) -> int:
        """The pages that Keepa shows."""
        return pages_of(min(self.matching, MAX_DEALS_PER_QUERY))

    @property
    def drift(self) -> int:
        """How many pages further down a deal may stand when the next sweep comes to it."""
        return -(-self.arriving // DEALS_PER_PAGE)

    def look_tokens(self, every: timedelta) -> int:
        """What a look for what is new costs in a window, when there is one ``every`` so often."""
        new = math.ceil(self.arriving * (every / self.window))
        return math.ceil(pages_of(new) * DEAL_PAGE_TOKENS * (self.window / every))


def at_first(matching: int, newest: int, span: timedelta, window: timedelta) -> Feed:
    """The feed of a table that does not reach a window back yet: its ``newest`` deals came within ``span``.

    As many are taken to leave as come: what stands in a feed for long has found its balance.
    """
    shown = min(matching, MAX_DEALS_PER_QUERY)
    pace = math.ceil(newest * (window / max(span, timedelta(seconds=1))))
    coming = min(shown, pace)
    return Feed(matching, coming, coming, window)


def make_plan(feed: Feed, interval: timedelta, supply: Supply | None) -> Plan:
    """The plan for a window; ``supply`` is ``None`` when nobody knows what comes in."""
    matching, window, pages = feed.matching, feed.window, feed.pages
    shown = min(matching, MAX_DEALS_PER_QUERY)
    capped = Limit.KEEPA if matching > shown else None
    if supply is None or supply.tokens <= 0:
        needed = sweep_tokens(pages + feed.drift) + feed.look_tokens(interval) + feed.leaving
        return Plan(matching, shown, pages, needed, None, interval, limit=capped)
    tokens = supply.tokens
    longest = max(interval, window / FEWEST_HEADS)
    sweep = sweep_tokens(pages + feed.drift)
    needed = sweep + feed.look_tokens(longest) + feed.leaving
    head_every = _head_every(tokens - sweep - feed.leaving, tokens, interval, longest, window)
    left = tokens - feed.look_tokens(head_every) - min(feed.leaving, math.floor(ASKING_SHARE * tokens))
    affordable = max(1, math.floor(left * (1 - MARGIN) / DEAL_PAGE_TOKENS) - feed.drift)
    page_every = _page_every(feed, tokens, head_every_when_late(head_every, interval, window))
    if needed <= tokens or affordable >= pages:
        return Plan(matching, shown, pages, needed, tokens, head_every, page_every, capped)
    kept = affordable * DEALS_PER_PAGE
    return Plan(matching, kept, affordable, needed, tokens, head_every, page_every, Limit.PLAN)


def _page_every(feed: Feed, tokens: int, head_every: timedelta) -> timedelta:
    """The time that the sweep takes to come a page further while it is late, looks in between paid for.

    Meanwhile new deals push down what lies before it.
    """
    tokens -= DEAL_PAGE_TOKENS * feed.drift
    alone = feed.window * (DEAL_PAGE_TOKENS / max(tokens, DEAL_PAGE_TOKENS))
    if feed.pages * alone < head_every:  # over before the next look
        return alone
    left = tokens - feed.look_tokens(head_every)
    return feed.window * (DEAL_PAGE_TOKENS / max(left, DEAL_PAGE_TOKENS))


def _head_every(
    spare: int, tokens: int, interval: timedelta, longest: timedelta, window: timedelta
) -> timedelta:
    """The time between two looks at the newest page, when ``spare`` of the window's ``tokens`` are left."""
    if spare <= 0:
        return longest
    gap = window * (DEAL_PAGE_TOKENS / min(spare, HEAD_SHARE * tokens))
    return min(longest, max(interval, gap))


def sweep_tokens(pages: int) -> int:
    """What reading so many pages once a sweep costs in a window."""
    return math.ceil(pages * DEAL_PAGE_TOKENS / (1 - MARGIN))


@dataclass(frozen=True, slots=True)
class Sweep:
    """One pass over the feed: when it began, the page that is next, how many there are.

    One in a hurry has all its pages due at once: after a time in which nothing was read. ``reading_since``
    is when the first page after those of its beginning was read, which may be most of a window later.
    """

    started_at: datetime
    next_page: int
    pages: int
    hurry: bool = False
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
) -> datetime:
    """When to read the sweep's next page at the latest, so that it and all after it are read in time.

    ``seen`` is, for the next page and each after it, when the first of the deals that must stand there was
    last seen: new deals push the others down, so they are not the ones of the last sweep's pages. Pages of
    which nothing is known are spread evenly over the period. ``again`` is the same for the pages that this
    sweep has passed: the next one comes to them when this one is over. ``page_every`` is the time that the
    tokens of one page take to come: pages with one deadline have to be begun that much earlier, one by one.
    """
    if sweep.hurry:
        return sweep.started_at
    left = max(len(seen), sweep.pages - sweep.next_page)
    queue = [*enumerate(seen, start=1), *enumerate(again, start=left + 1)]
    starts = [oldest + window - number * page_every - lead(window) for number, oldest in queue]
    if len(seen) < left:
        unknown = sweep.next_page + len(seen)
        starts.append(sweep.started_at + sweep_period(window) * (unknown / sweep.pages))
    return min(starts, default=sweep.started_at + sweep_period(window))


def page_pace(plan: Plan | None, tick: timedelta, threshold: int) -> timedelta:
    """The time to count on for a page of a late sweep: the plan's, or of ``threshold`` tokens a ``tick``.

    An estimate for large plans. The sweep asks page by page; above the threshold bulk takes in one call what
    nobody has asked for yet, below it bulk waits. At 250 tokens a minute 12 pages were read in one.
    """
    if plan is None or plan.supply is None:
        return timedelta(0)
    return max(plan.page_every, tick * (DEAL_PAGE_TOKENS / max(threshold, DEAL_PAGE_TOKENS)))


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


def head_every_when_late(head_every: timedelta, interval: timedelta, window: timedelta) -> timedelta:
    """The time between two looks at the newest page while the sweep is late: less often on a small plan."""
    return head_every if head_every <= interval else max(head_every, window / FEWEST_HEADS)


def head_is_due(last: datetime | None, now: datetime, head_every: timedelta, interval: timedelta) -> bool:
    """Whether the newest page should be read in this run; half an interval too early is in time."""
    if last is None or last > now or head_every <= interval:
        return True
    return now - last >= head_every - interval / 2


def pages_of(deals: int) -> int:
    """How many pages hold so many deals."""
    return max(1, -(-deals // DEALS_PER_PAGE))
