"""One run of the upserter under way: what it knows of the feed, and its pages from Keepa to the table."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Unpack

from sqlalchemy import func, select

from keepa_deals.db.models import Deal
from keepa_deals.db.open_deals import open_in
from keepa_deals.ingest.feed import families
from keepa_deals.ingest.feed.coverage import MIN_SHARE, PageRead, page_read
from keepa_deals.ingest.feed.family_lookup import learn_families
from keepa_deals.ingest.metered_calls import read_page
from keepa_deals.ingest.pages import newest_first, write_page
from keepa_deals.ingest.run import JobProgress, Run
from keepa_deals.ingest.upsert.budget import GONE_AN_HOUR
from keepa_deals.ingest.upsert.state import SweepState, load_state
from keepa_deals.keepa.token_costs import DEALS_PER_PAGE, MAX_DEALS_PER_QUERY

log = logging.getLogger(__name__)

FILLED = 0.8
"""The share of the feed that a filled table has at least."""


class Progress:
    """``state`` is what the last run left; each page's transaction leaves the next."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.context = run.context
        self.now = run.context.clock.now
        self.window = run.context.window
        self.interval = run.context.interval
        self.state = load_state(run.cursor, run.context.selection, self.now())
        self.selection_changed = run.cursor.get("selection") not in (None, self.state.selection)
        self.had_watermark = run.watermark is not None
        self.matching = self.state.matching
        self.head: PageRead | None = None
        """The last of the newest pages that this run has read."""
        self.head_is_whole = False
        """Whether each of the newest pages that this run has read showed all that stood on it."""
        self.share = 1.0
        """The part of all tokens that the search may count on."""
        self.share_for: Callable[[int], float] = lambda _needed: 1.0
        """That part, were so many tokens a window needed."""
        self.asked: set[str] = set()
        """ASINs that this run has asked about."""

    @property
    def reference(self) -> int:
        """How many deals the feed is known to have had; 0: of this selection nobody knows."""
        return 0 if self.selection_changed else self.state.reference

    @property
    def oldest_of_head(self) -> datetime | None:
        """The oldest ``creationDate`` of the newest pages that this run has read."""
        if self.head is None or not self.state.is_newest_first:
            return None
        return min(self.head.created, default=None)

    def shrunk_since(self, first: PageRead) -> datetime | None:
        """Since when the feed has had less than half of its deals; ``None`` when it has not."""
        if first.total is None or first.total >= MIN_SHARE * self.state.reference:
            return None
        before = self.state.shrunk_since
        return before if before is not None and before <= self.now() else self.now()

    def feed_length(self) -> int:
        """How many deals there are: as many as before, until a much smaller feed has lasted for a while."""
        since = self.state.shrunk_since
        if since is None or self.selection_changed or self.now() - since >= self.window / 2:
            return self.matching
        return self.state.reference

    def read(self, number: int) -> PageRead:
        """Page ``number`` of the feed, as it is now."""
        page = read_page(self.run, newest_first(self.context.selection), number)
        seen = page_read(page, number, self.context.selection)
        self.matching = seen.total or max(self.matching, seen.shown)
        if not seen.is_newest_first:
            self._note_disorder(number)
        return seen

    def _note_disorder(self, number: int) -> None:
        """Remember that the order proves nothing; said once. Never recorded, so not to be ruled out."""
        if self.state.is_newest_first:
            log.warning(
                "page %d of the feed is not newest first, as asked for: until a sweep in order, new deals "
                "are found by the sweep alone, and no deal is doubted for not standing where it stood",
                number,
            )
        self.state = replace(self.state, disordered_at=self.now(), oldest_read=None)

    def write(self, seen: PageRead, state: SweepState, **watermark: Unpack[JobProgress]) -> None:
        """Write a page, what it proves of others, and the next ``state``."""
        state = replace(state, matching=self.matching)
        coverage = seen.coverage(self.reference) if state.is_newest_first else None
        job_state: JobProgress = {**watermark, "cursor": state.to_json()}
        thorough = self._has_families and not state.is_cut and self._is_filled()
        write_page(
            self.run, seen.page, coverage, ask=learn_families, thorough=thorough,
            first_read_at=self.state.fills_since, **job_state,
        )  # fmt: skip
        self.state = state

    @property
    def _has_families(self) -> bool:
        """Whether the feed shows one variation for all of a product."""
        return families.is_single(self.context.selection)

    def _is_filled(self) -> bool:
        """Whether the table has most of the feed: before that nearly every deal is one never seen.

        To ask about each of these would leave no tokens to fill the table with.
        """
        listed = min(self.matching, MAX_DEALS_PER_QUERY)
        known = select(func.count()).select_from(Deal).where(open_in(self.context.domain_id))
        with self.context.database.session() as session:
            count = session.scalar(known) or 0
        return count >= FILLED * listed

    @cached_property
    def questions_a_page(self) -> int:
        """How many deals of a page have to be asked about before they are told of; each costs a token."""
        if not self._has_families:
            return 0
        with self.context.database.session() as session:
            unknown = families.has_unknown(session, self.context.domain_id)
        return math.ceil(GONE_AN_HOUR * DEALS_PER_PAGE) if unknown else 0

    def save(self, state: SweepState) -> None:
        """Write the next ``state`` alone."""
        with self.run.commit(cursor=state.to_json()):
            self.state = state


def is_down_to(seen: PageRead, goal: datetime | None) -> bool:
    """Whether a feed that is newest first has been read down to ``goal``, or to its end."""
    return seen.ends or goal is None or min(seen.created) <= goal
