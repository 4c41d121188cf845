"""What a page of the feed tells: how long the feed is, whether it ends here, and which deals it lacks.

The feed is asked for newest first. Its order is by ``creationDate``, the moment of the last change of the
price (recorded in 5,324 of 5,324 entries, ``keepa_api.md``, "Recorded behaviour" 1), so a deal that is
repriced moves to the top. A page holds, at the moment of its answer, every deal whose date lies between its
first and its last. A stored deal of such a date that is not on it no longer stands where it stood: it was
repriced, or a variation stands for it, or it has left the feed. Which of these, only later evidence tells.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from keepa_deals.keepa.counts import counted_matches
from keepa_deals.keepa.deal import DealPage
from keepa_deals.keepa.token_costs import DEALS_PER_PAGE, MAX_DEALS_PER_QUERY

LAST_PAGE = (MAX_DEALS_PER_QUERY - 1) // DEALS_PER_PAGE
MIN_SHARE = 0.5
"""A feed that shrank below this part of what it was is doubted: Keepa may have answered only in part."""
SHOWN_WITHIN = timedelta(minutes=4)
"""A change of price shows at most 3 minutes after its date, and dates are even minutes (recorded, 2)."""
KEEPA_AHEAD = timedelta(minutes=5)
"""A ``creationDate`` further ahead of Keepa's own clock is a mistake (recorded: half a minute, 2)."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Creation dates strictly between ``oldest`` and ``newest``; ``None`` is no bound.

    ``left_out`` are deals that the page does show, though nobody can read them.
    """

    newest: datetime | None
    oldest: datetime | None
    left_out: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PageRead:
    """Page ``number`` of the feed as it was read; ``counted``: how many deals match by its own counts.

    ``counted`` is ``None`` where the counts do not tell: they ignore filters by category (recorded, 4).
    """

    number: int
    page: DealPage
    counted: int | None

    @property
    def created(self) -> Sequence[datetime]:
        return [deal.creation_date for deal in self.page.deals]

    @property
    def believed(self) -> Sequence[datetime]:
        """The creation dates that can be true by Keepa's own clock."""
        return [c for c in self.created if c <= self.page.envelope.timestamp + KEEPA_AHEAD]

    @property
    def is_newest_first(self) -> bool:
        """Whether its deals come in the order that was asked for, ties aside."""
        return all(newer >= older for newer, older in itertools.pairwise(self.created))

    @property
    def shown(self) -> int:
        """How many deals this page and those before it show."""
        return self.number * DEALS_PER_PAGE + self.page.size if self.page.size else 0

    @property
    def total(self) -> int | None:
        """How many deals the whole feed has, as far as this page tells; ``None``: it does not."""
        if self.counted is not None:
            return max(self.shown, self.counted)
        told_by_its_end = self.ends and not self.is_last_shown and (self.page.size or not self.number)
        return self.shown if told_by_its_end else None

    @property
    def is_last_shown(self) -> bool:
        """Whether Keepa shows no page after this one, whatever the feed has."""
        return self.number >= LAST_PAGE

    @property
    def is_in_part(self) -> bool:
        """Whether a short page's own counts have a page of deals more than it and those before it showed."""
        if self.page.size >= DEALS_PER_PAGE or self.is_last_shown or self.counted is None:
            return False
        return self.counted > self.number * DEALS_PER_PAGE + self.page.size + DEALS_PER_PAGE

    @property
    def ends(self) -> bool:
        """Whether the feed ends with this page, or Keepa shows no more of it.

        An answer in part is no end, but an empty one is (recorded, 5): counts that are too high must not be
        followed for ever.
        """
        if not self.page.size or self.is_last_shown:
            return True
        return self.page.size < DEALS_PER_PAGE and not self.is_in_part

    @property
    def shows_no_more(self) -> bool:
        """Whether this is the last page that Keepa shows of a feed that has more."""
        if not self.is_last_shown:
            return False
        return self.shown >= MAX_DEALS_PER_QUERY if self.total is None else self.total > MAX_DEALS_PER_QUERY

    def is_whole(self, reference: int) -> bool:
        """Whether it shows all that stands on it, of a feed that had ``reference`` deals.

        One from Keepa's cache does not (``dealsCached``): nobody knows when it was true.
        """
        if self.page.deals_cached or self.is_in_part:
            return False
        if self.page.unreadable > len(self.page.unreadable_asins):
            return False
        return self.total is None or self.total >= MIN_SHARE * reference

    def coverage(self, reference: int) -> Coverage | None:
        """The dates of the deals that it would have to show, if they stood there; ``None``: nothing."""
        if not self.is_whole(reference) or not self.is_newest_first:
            return None
        created, left_out = self.created, frozenset(self.page.unreadable_asins)
        if not created:
            return Coverage(None, None, left_out) if self.number == 0 and not self.page.size else None
        bottomless = self.ends and not self.is_last_shown
        newest = None if self.number == 0 else created[0]
        return Coverage(newest, None if bottomless else created[-1], left_out)


def page_read(page: DealPage, number: int, selection: Mapping[str, Any]) -> PageRead:
    """Page ``number`` of the feed of ``selection``."""
    return PageRead(number, page, counted_matches(page.category_counts, selection))
