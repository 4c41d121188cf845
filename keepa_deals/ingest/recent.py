"""The upserter: reads what is new down to its watermark, and re-sees the whole feed in time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from keepa_deals.ingest import planner
from keepa_deals.ingest.context import IngestContext
from keepa_deals.ingest.job import Outcome, Run, RunResult, run_job
from keepa_deals.ingest.planner import Sweep
from keepa_deals.ingest.rows import feed_rows
from keepa_deals.ingest.spending import read_page
from keepa_deals.ingest.store import apply_listed
from keepa_deals.ingest.verify import verify_missing
from keepa_deals.keepa.costs import DEALS_PER_PAGE, MAX_DEALS_PER_QUERY
from keepa_deals.keepa.selection import price_type
from keepa_deals.keepa.types import DealPage

JOB = "update_recent_deals"
LOCK = "update_recent_deals_lock"
LAST_PAGE = (MAX_DEALS_PER_QUERY - 1) // DEALS_PER_PAGE
NEWEST_FIRST = 1


def run(context: IngestContext) -> RunResult:
    """One run: the new deals, then the pages of the sweep that are due."""
    return run_job(context, JOB, LOCK, _work)


def _work(run: Run) -> Outcome:
    head = _read_new(run)
    _sweep(run, head)
    verify_missing(run)
    return Outcome.SUCCEEDED


@dataclass(frozen=True, slots=True)
class _Head:
    """The newest pages of a run: how many were read, and how many the whole feed has."""

    pages_read: int
    pages: int


def newest_first(run: Run) -> dict[str, Any]:
    """The selection, sorted the way that the watermark and the cursors need."""
    return {**run.context.selection, "sortType": NEWEST_FIRST}


def _read_new(run: Run) -> _Head:
    """Read from the newest deal down to the watermark.

    The watermark moves with the rows of the last page, so that any failure leaves it where it was.
    """
    down_to = run.watermark - planner.OVERLAP if run.watermark else None
    newest = run.watermark
    for number in range(LAST_PAGE + 1):
        page = read_page(run, newest_first(run), number)
        created = [deal.creation_date for deal in page.deals]
        newest = max([*created, *([newest] if newest else [])], default=None)
        is_last = is_last_page(page, number) or down_to is None or min(created) <= down_to
        _write(run, page, {"watermark": newest} if is_last else {})
        if is_last:
            seen = number * DEALS_PER_PAGE + len(created)
            total = max(seen, sum(page.category_counts.values()))
            return _Head(number + 1, min(planner.pages_of(total), LAST_PAGE + 1))
    raise AssertionError("the last page ends the loop")


def is_last_page(page: DealPage, number: int) -> bool:
    """Whether the feed ends with this page, or Keepa shows no more of it."""
    return len(page.deals) < DEALS_PER_PAGE or number >= LAST_PAGE


def _sweep(run: Run, head: _Head) -> None:
    """Read the pages of the sweep that are due; those that this run has read already count."""
    sweep = _current_sweep(run, head)
    while planner.pages_due(sweep, run.context.clock.now(), run.context.fresh_for) > 0:
        page = read_page(run, newest_first(run), sweep.next_page)
        pages = max(sweep.pages, sweep.next_page + 2)
        if is_last_page(page, sweep.next_page):
            pages = sweep.next_page + 1
        sweep = Sweep(sweep.started_at, sweep.next_page + 1, pages)
        _write(run, page, {"cursor": _dump(sweep)})


def _current_sweep(run: Run, head: _Head) -> Sweep:
    """The sweep under way, or a new one, begun with the pages just read, when the last one's time is over."""
    now = run.context.clock.now()
    stored = run.cursor.get("sweep")
    if stored:
        sweep = Sweep(datetime.fromisoformat(stored["started_at"]), stored["next_page"], stored["pages"])
        over = now >= sweep.started_at + planner.sweep_period(run.context.fresh_for)
        if sweep.next_page < sweep.pages or not over:
            return sweep
    sweep = Sweep(now, head.pages_read, head.pages)
    with run.commit(cursor=_dump(sweep)):
        return sweep


def _dump(sweep: Sweep) -> dict[str, Any]:
    return {
        "sweep": {
            "started_at": sweep.started_at.isoformat(),
            "next_page": sweep.next_page,
            "pages": sweep.pages,
        }
    }


def _write(run: Run, page: DealPage, memory: dict[str, Any]) -> None:
    context = run.context
    rows = feed_rows(page, domain_id=context.domain_id, price_type=price_type(context.selection))
    with run.commit(**memory) as session:
        written = apply_listed(session, rows, context.clock.now(), context.fresh_for, context.costs)
    run.rows += written
