"""A page of the feed on its way into the table, with what it proves of others and the job's state."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Unpack

from keepa_deals.ingest.feed import families
from keepa_deals.ingest.feed.coverage import Coverage
from keepa_deals.ingest.feed.mapping import FeedRow, feed_rows
from keepa_deals.ingest.run import JobProgress, Run
from keepa_deals.ingest.writes import apply_listed, note_unlisted
from keepa_deals.keepa.deal import DealPage
from keepa_deals.keepa.selection import price_type

NEWEST_FIRST = 1
Ask = Callable[[Run, Sequence[str]], Collection[str]]
"""Asks about products, and says about which of them it did."""


def newest_first(selection: Mapping[str, Any]) -> dict[str, Any]:
    """The selection, sorted the way that the watermark and the cursors need."""
    return {**selection, "sortType": NEWEST_FIRST}


def write_page(
    run: Run,
    page: DealPage,
    coverage: Coverage | None = None,
    *,
    ask: Ask | None = None,
    thorough: bool = False,
    first_read_at: datetime | None = None,
    **job_state: Unpack[JobProgress],
) -> None:
    """Write a page's deals, what it proves of others, and what the job has to remember: all or nothing.

    What may be a variation of a deal that is there is left out, unless ``ask`` finds out first; with
    ``thorough`` also what is at another date and price than that deal. ``first_read_at``: as in
    ``apply_listed``.
    """
    context = run.context
    at = context.clock.now()
    rows = feed_rows(page, domain_id=context.domain_id, price_type=price_type(context.selection))
    single = families.is_single(context.selection)
    if single and rows:
        rows = _without_unclear(run, rows, ask, thorough=thorough)
    with run.commit(**job_state) as session:
        pricing = context.pricing_by(session)
        written = apply_listed(
            session, rows, at, context.fresh_for, pricing, single=single, first_read_at=first_read_at
        )
        if coverage is not None:
            note_unlisted(session, context.domain_id, coverage, at)
    run.rows += written


def _without_unclear(run: Run, rows: list[FeedRow], ask: Ask | None, *, thorough: bool) -> list[FeedRow]:
    """The rows of which it is known whether they are new."""
    with run.context.database.session() as session:
        unclear = families.likely_siblings(session, rows)
        if ask is not None and thorough:
            unclear = list(dict.fromkeys([*unclear, *families.possible_siblings(session, rows)]))
    asked = ask(run, unclear) if ask is not None and unclear else ()
    return [row for row in rows if row.asin not in unclear or row.asin in asked]
