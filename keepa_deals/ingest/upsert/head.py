"""New deals: read from the newest down to the watermark."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import func, select

from keepa_deals.db.models import Deal
from keepa_deals.ingest.feed.coverage import KEEPA_AHEAD, PageRead
from keepa_deals.ingest.upsert import budget, schedule
from keepa_deals.ingest.upsert.progress import Progress, is_down_to
from keepa_deals.ingest.upsert.schedule import OVERLAP, Sweep
from keepa_deals.ingest.upsert.state import CatchUp, SweepState
from keepa_deals.ingest.upsert.window_plan import plan_window
from keepa_deals.keepa.deal import DealPage

log = logging.getLogger(__name__)

HEAD_PAGES = 5
"""Pages that a run reads for what is new. New deals further down are left to an immediate sweep; what
appeared late, further down in the overlap, to the next ordinary one."""
ANCIENT = timedelta(days=7)
"""Nothing in the feed is likely to be that old: the whole of it is read again."""


def is_due(progress: Progress, page_deadline: datetime | None) -> bool:
    """Whether to look for new deals; a page of the sweep that is late may go first."""
    now, plan = progress.now(), progress.state.plan
    if plan is None:
        return True
    every = plan.head_every
    if page_deadline is not None and page_deadline < now:
        every = budget.head_every_when_late(every, progress.interval, progress.window)
    return schedule.head_is_due(progress.state.head_at, now, every, progress.interval)


def read_new(progress: Progress) -> bool:
    """Read from the newest deal down to the watermark; whether the rest is left to an immediate sweep.

    The watermark moves with the rows of the last page, so that any failure leaves it where it was. A feed
    that is not newest first has no bottom to read down to: the sweep reads all but its first page.
    """
    began = progress.now()
    seen = progress.read(0)
    progress.state = replace(progress.state, shrunk_since=progress.shrunk_since(seen))
    progress.head_is_whole = seen.is_whole(progress.reference)
    if not progress.state.is_newest_first:
        progress.head = seen
        progress.write(seen, replace(progress.state, head_at=progress.now()))
        return False
    watermark = _watermark(progress, seen.page)
    bottom = watermark - OVERLAP if watermark else None
    deep = schedule.overlap_is_due(
        progress.state.overlapped_at, progress.now(), progress.state.plan, progress.interval
    )
    goal = bottom if deep else watermark
    newest = max([*seen.believed, *([watermark] if watermark else [])], default=None)
    while not is_down_to(seen, goal) and seen.number + 1 < HEAD_PAGES:
        progress.write(seen, progress.state)
        seen = progress.read(seen.number + 1)
        progress.head_is_whole = progress.head_is_whole and seen.is_whole(progress.reference)
    state = replace(progress.state, head_at=progress.now())
    if bottom is not None and (deep or is_down_to(seen, bottom)):  # as deep as a look goes
        state = replace(state, overlapped_at=state.head_at)
    progress.head = seen
    return _finish(progress, seen, state, began, watermark, newest)


def _finish(
    progress: Progress,
    seen: PageRead,
    state: SweepState,
    began: datetime,
    watermark: datetime | None,
    newest: datetime | None,
) -> bool:
    """Write the last page of a look for what is new; whether the rest is left to an immediate sweep."""
    if not progress.state.is_newest_first:
        progress.write(seen, state)
        return False
    if not is_down_to(seen, watermark):
        assert watermark is not None
        progress.write(seen, _leave_to_sweep(progress, state, watermark - OVERLAP, newest))
        return True
    if progress.head_is_whole:
        state = replace(state, looked_at=began)
    if state.catch_up is not None and newest is not None:
        progress.write(seen, replace(state, catch_up=replace(state.catch_up, watermark=newest)))
    else:
        progress.write(seen, state, watermark=newest)
    return False


def _watermark(progress: Progress, page: DealPage) -> datetime | None:
    """The newest ``creationDate`` down from which everything has been read; ``None``: nothing has."""
    catch_up = progress.state.catch_up
    watermark = catch_up.watermark if catch_up else progress.run.watermark
    if watermark is None or progress.selection_changed:
        return None
    keepas_now = page.envelope.timestamp
    if watermark > keepas_now + KEEPA_AHEAD:
        known = _newest_known(progress, keepas_now + KEEPA_AHEAD)
        log.warning("the watermark %s lies in the future; it goes back to %s", watermark, known)
        return known
    if watermark < keepas_now - ANCIENT:
        log.warning("the watermark %s is older than the feed: all of it is read again", watermark)
    return watermark


def _newest_known(progress: Progress, limit: datetime) -> datetime | None:
    query = select(func.max(Deal.deal_created_at)).where(
        Deal.domain_id == progress.context.domain_id, Deal.deal_created_at <= limit
    )
    with progress.context.database.session() as session:
        return session.scalar(query)


def _leave_to_sweep(
    progress: Progress, state: SweepState, goal: datetime, newest: datetime | None
) -> SweepState:
    """Leave the rest of what is new to an immediate sweep; the watermark waits for it."""
    assert newest is not None
    down_to = state.catch_up.down_to if state.catch_up else goal
    plan = plan_window(progress)
    log.info("much is new: a sweep of up to %d pages goes down to %s", plan.pages, down_to)
    sweep = Sweep(
        progress.run.started_at, HEAD_PAGES, max(plan.pages, HEAD_PAGES + 1),
        immediate=True, is_whole=progress.head_is_whole,
    )  # fmt: skip
    return replace(
        state, catch_up=CatchUp(down_to, newest), sweep=sweep, plan=plan,
        reference=progress.feed_length(), oldest_read=progress.oldest_of_head,
    )  # fmt: skip
