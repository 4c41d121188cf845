"""What a page of the feed proves: the deals that it would have to show and does not are not in the feed.

The feed is sorted by ``creationDate``, newest first, and that date does not change while a deal lasts. So
a page holds every deal between its first and its last, and a stored deal in between that is not on it is
gone from the feed: proven at once, by any page, whatever moved between two pages of a sweep.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import datetime

from keepa_deals.keepa.costs import DEALS_PER_PAGE, MAX_DEALS_PER_QUERY
from keepa_deals.keepa.types import DealPage

LAST_PAGE = (MAX_DEALS_PER_QUERY - 1) // DEALS_PER_PAGE
LEAST_SHARE = 0.5
"""A feed that shrank below this part of what it was is doubted: Keepa may have answered only in part."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Creation dates strictly between ``oldest`` and ``newest``; ``None`` is no bound."""

    newest: datetime | None
    oldest: datetime | None


def reach_of(page: DealPage, number: int, *, reference: int) -> Reach | None:
    """What page ``number`` proves; ``None``: nothing. ``reference`` is how many deals the feed had."""
    created = [deal.creation_date for deal in page.deals]
    in_order = all(newer >= older for newer, older in itertools.pairwise(created))
    if not in_order or total_of(page, number) < LEAST_SHARE * reference:
        return None
    if page.unreadable or is_in_part(page, number):
        return None
    if not created:
        return Reach(None, None) if number == 0 else None
    ends = is_last_page(page, number) and not is_last_shown(number)
    return Reach(None if number == 0 else created[0], None if ends else created[-1])


def total_of(page: DealPage, number: int) -> int:
    """How many deals the whole feed has, as far as a page tells."""
    seen = number * DEALS_PER_PAGE + page.size if page.size else 0
    return max(seen, sum(page.category_counts.values()))


def is_in_part(page: DealPage, number: int) -> bool:
    """Whether a short page's own counts have a page of deals more than it and those before it showed."""
    if page.size >= DEALS_PER_PAGE or is_last_shown(number):
        return False
    shown = number * DEALS_PER_PAGE + page.size
    return sum(page.category_counts.values()) > shown + DEALS_PER_PAGE


def is_last_shown(number: int) -> bool:
    """Whether Keepa shows no page after this one, whatever the feed has."""
    return number >= LAST_PAGE


def shows_no_more(page: DealPage, number: int) -> bool:
    """Whether this is the last page that Keepa shows of a feed that has more."""
    return is_last_shown(number) and total_of(page, number) > MAX_DEALS_PER_QUERY


def is_last_page(page: DealPage, number: int) -> bool:
    """Whether the feed ends with this page, or Keepa shows no more of it.

    An answer in part is no end, but an empty one is: counts that are too high must not be followed for ever.
    """
    if not page.size or is_last_shown(number):
        return True
    return page.size < DEALS_PER_PAGE and not is_in_part(page, number)
