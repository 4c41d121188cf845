"""What a freshness window is spent on, out of what the plan brings. Pure.

Within a freshness window the feed has to be read once (5 tokens for 150 deals), the newest page often
enough to find what is new, and every deal that left the feed once by /product, to learn why. When the
plan cannot pay that, the newest page is read less often first; then the sweep keeps to the newest deals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from keepa_deals.keepa.token_costs import DEAL_PAGE_TOKENS, DEALS_PER_PAGE, MAX_DEALS_PER_QUERY

MARGIN = 0.035
"""How much earlier than a freshness window after the last time each page is read, for waits and failures."""
GONE_AN_HOUR = 0.03
"""The share of deals that leave the feed within an hour, and of those that come (recorded: 2 to 3 %)."""
HEAD_SHARE = 0.5
"""The most that looking for new deals takes of the tokens."""
ASKING_SHARE = 0.1
"""The most that is kept, of tokens that are too few for all deals, to ask why some have left the feed."""
MIN_HEADS = 12
"""How often in a window the newest page is read at least, however small the plan."""
MAX_PAGES = -(-MAX_DEALS_PER_QUERY // DEALS_PER_PAGE)
"""Keepa shows no more of one query."""


@dataclass(frozen=True, slots=True)
class Supply:
    """What comes in: ``refill`` tokens every ``tick``, and the freshness window that they must last.

    ``share`` is the part of them that this search may count on.
    """

    refill: int
    tick: timedelta
    window: timedelta
    share: float = 1.0

    @property
    def tokens(self) -> int:
        """The tokens of one window; a small share of some is one at least."""
        every = self.refill * (self.window / self.tick)
        return max(math.floor(every * self.share), min(1, math.floor(every)))


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
    share: float = 1.0
    """The part of all tokens that it was made for."""
    planned: int = 0
    """Tokens a window that it is going to spend."""


@dataclass(frozen=True, slots=True)
class FeedSize:
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

    def tokens_spent(self, head_every: timedelta, interval: timedelta) -> int:
        """What keeping all costs in a window, as it comes out: looks are taken by whole intervals, and the
        first page of a sweep is one of them."""
        looks = self.look_tokens(interval * max(1, math.ceil(head_every / interval - 0.5)))
        followed = self.pages - 1 + self.arriving / DEALS_PER_PAGE
        return looks + math.ceil(followed * DEAL_PAGE_TOKENS / (1 - MARGIN)) + self.leaving


def at_first(matching: int, newest: int, span: timedelta, window: timedelta) -> FeedSize:
    """The feed of a table that does not reach a window back yet: its ``newest`` deals came within ``span``.

    Most of them are old deals at new prices. As many are taken to leave as the recorded ones.
    """
    shown = min(matching, MAX_DEALS_PER_QUERY)
    pace = math.ceil(newest * (window / max(span, timedelta(seconds=1))))
    coming = min(shown, pace)
    leaving = math.ceil(GONE_AN_HOUR * shown * (window / timedelta(hours=1)))
    return FeedSize(matching, coming, min(coming, leaving), window)


def make_plan(feed: FeedSize, interval: timedelta, supply: Supply | None) -> Plan:
    """The plan for a window; ``supply`` is ``None`` when nobody knows what comes in."""
    matching, window, pages = feed.matching, feed.window, feed.pages
    shown = min(matching, MAX_DEALS_PER_QUERY)
    capped = Limit.KEEPA if matching > shown else None
    if supply is None or supply.tokens <= 0:
        needed = sweep_tokens(pages + feed.drift) + feed.look_tokens(interval) + feed.leaving
        return Plan(matching, shown, pages, needed, None, interval, limit=capped, planned=needed)
    tokens = supply.tokens
    longest = max(interval, window / MIN_HEADS)
    seldom = longest if supply.share == 1.0 else _seldom(longest, supply)
    sweep = sweep_tokens(pages + feed.drift)
    needed = sweep + feed.look_tokens(longest) + feed.leaving
    head_every = _head_every(tokens - sweep - feed.leaving, tokens, interval, seldom, window)
    left = tokens - feed.look_tokens(head_every) - min(feed.leaving, math.floor(ASKING_SHARE * tokens))
    affordable = max(1, math.floor(left * (1 - MARGIN) / DEAL_PAGE_TOKENS) - feed.drift)
    page_every = _page_every(feed, tokens, head_every_when_late(head_every, interval, window))
    spent = feed.tokens_spent(head_every, interval)
    if needed <= tokens or affordable >= pages:
        return Plan(
            matching, shown, pages, needed, tokens, head_every, page_every, capped, supply.share,
            planned=min(tokens, spent),
        )  # fmt: skip
    return Plan(
        matching, affordable * DEALS_PER_PAGE, affordable, needed, tokens, head_every, page_every,
        Limit.PLAN, supply.share, planned=tokens,
    )  # fmt: skip


def _page_every(feed: FeedSize, tokens: int, head_every: timedelta) -> timedelta:
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


def _seldom(longest: timedelta, supply: Supply) -> timedelta:
    """The longest time between two looks of one search among others: they take no more than their part of
    its tokens, however few these are."""
    paid = supply.window * (DEAL_PAGE_TOKENS / (HEAD_SHARE * supply.tokens))
    return min(supply.window * (1 - MARGIN), max(longest, paid))


def sweep_tokens(pages: int) -> int:
    """What reading so many pages once a sweep costs in a window."""
    return math.ceil(pages * DEAL_PAGE_TOKENS / (1 - MARGIN))


def head_every_when_late(head_every: timedelta, interval: timedelta, window: timedelta) -> timedelta:
    """The time between two looks at the newest page while the sweep is late: less often on a small plan."""
    return head_every if head_every <= interval else max(head_every, window / MIN_HEADS)


def pages_of(deals: int) -> int:
    """How many pages hold so many deals."""
    return max(1, -(-deals // DEALS_PER_PAGE))
