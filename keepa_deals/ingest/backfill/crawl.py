"""The crawl: the whole feed, read once for each selection, page by page over as many slices as it takes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from keepa_deals.db.models import JobState
from keepa_deals.ingest.backfill.state import CrawlState, crawl_of
from keepa_deals.ingest.feed.coverage import page_read
from keepa_deals.ingest.metered_calls import read_bulk_page
from keepa_deals.ingest.pages import newest_first, write_page
from keepa_deals.ingest.run import Run
from keepa_deals.ingest.upsert import state as upsert_state
from keepa_deals.ingest.upsert.budget import MAX_PAGES
from keepa_deals.jobs import UPSERT_JOB


def crawl(run: Run, deadline: float) -> bool:
    """Go on until ``deadline`` (monotonic seconds); true when the crawl of this selection is complete."""
    selection = run.context.selection
    crawl_state = _state_of(run)
    first_read_at = _first_read_at(run, crawl_state)
    while not crawl_state.is_complete:
        left = deadline - run.context.clock.monotonic()
        if left <= 0:
            return False
        number = crawl_state.next_page
        page = read_bulk_page(run, newest_first(selection), number, timeout=left)
        ends = page_read(page, number, selection).ends or number + 1 >= (_pages_kept(run) or MAX_PAGES)
        crawl_state = replace(crawl_state, next_page=number + 1, is_complete=ends)
        write_page(run, page, first_read_at=first_read_at, cursor=crawl_state.to_json())
    return True


def _state_of(run: Run) -> CrawlState:
    """How far the crawl of the present selection has come."""
    current = upsert_state.fingerprint(run.context.selection)
    stored = crawl_of(run.cursor)
    return stored if stored is not None and stored.selection == current else CrawlState(current)


def _first_read_at(run: Run, crawl_state: CrawlState) -> datetime | None:
    return upsert_state.first_read_of(_upsert_cursor(run), crawl_state.selection, run.context.clock.now())


def _pages_kept(run: Run) -> int | None:
    """How many pages the upserter can keep fresh: what lies beyond would only go stale."""
    return upsert_state.pages_kept(_upsert_cursor(run))


def _upsert_cursor(run: Run) -> object:
    search = run.context.search
    if search is not None and not search.is_first:
        return search.cursor
    with run.context.database.session() as session:
        job = session.get(JobState, UPSERT_JOB.name)
        return job.cursor if job else None
