"""The sweep: one pass over the feed in a freshness window, each page read before its deals go stale."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import and_, func, or_, select

from keepa_deals.db.models import Deal
from keepa_deals.db.open_deals import open_in
from keepa_deals.ingest.feed.coverage import PageRead
from keepa_deals.ingest.run import JobProgress
from keepa_deals.ingest.upsert import schedule
from keepa_deals.ingest.upsert.progress import Progress, is_down_to
from keepa_deals.ingest.upsert.schedule import Sweep
from keepa_deals.ingest.upsert.state import WHOLE_SWEEPS_KEPT, SweepState, WholeSweep
from keepa_deals.ingest.upsert.window_plan import plan_window
from keepa_deals.keepa.token_costs import DEALS_PER_PAGE


def is_to_begin(progress: Progress) -> bool:
    """Whether the sweep under way is over, or none is."""
    sweep, now = progress.state.sweep, progress.now()
    if sweep is None or schedule.is_lost(sweep, now, progress.window):
        return True
    if not sweep.done:
        return False
    if schedule.sweep_is_over(sweep, now, progress.window, progress.interval):
        return True
    return schedule.is_due(next_page_start(progress), now, progress.interval, progress.window)


def begin(progress: Progress) -> None:
    """Begin a sweep with the newest pages, which this run has just read."""
    sweep, head = progress.state.sweep, progress.head
    assert head is not None
    if sweep is None:
        lost = progress.had_watermark
    else:
        lost = schedule.is_lost(sweep, progress.now(), progress.window)
    plan = plan_window(progress)
    begun = Sweep(
        progress.run.started_at,
        min(head.number + 1, plan.pages),
        plan.pages,
        immediate=lost or progress.selection_changed,
        is_whole=progress.head_is_whole,
    )
    state = replace(
        progress.state,
        sweep=begun,
        plan=plan,
        reference=progress.feed_length(),
        oldest_read=progress.oldest_of_head,
    )
    progress.save(_completed(progress, state, begun, head) if begun.done else state)


def page_deadline(progress: Progress) -> datetime | None:
    """When the next page of the sweep has to be read at the latest; ``None``: not in this run."""
    sweep = progress.state.sweep
    if sweep is None or sweep.done:
        return None
    start = next_page_start(progress)
    return start if schedule.is_due(start, progress.now(), progress.interval, progress.window) else None


def next_page_start(progress: Progress) -> datetime:
    """When to read the next page at the latest: of the sweep under way, or of the one after it.

    The pages that the next sweep begins with come after those that this one has left, and may be due as
    soon: when the backfiller has read all of them at once.
    """
    sweep, oldest_read = progress.state.sweep, progress.state.oldest_read
    settings = progress.context.settings
    tick = timedelta(seconds=settings.keepa_tick_seconds)
    pace = schedule.page_pace(progress.state.plan, tick, _threshold(progress), progress.questions_a_page)
    at_hand = _pages_at_hand(progress)
    if sweep is None or sweep.done:
        seen = _oldest_by_page(progress)[1:]
        return schedule.latest_start(
            Sweep(progress.now(), 1, 1), progress.window, seen, pace, at_hand=at_hand
        )
    again = _oldest_by_page(progress, above=oldest_read)[1:] if oldest_read else []
    seen = _oldest_by_page(progress, below=oldest_read)
    return schedule.latest_start(sweep, progress.window, seen, pace, again, at_hand)


def _pages_at_hand(progress: Progress) -> int:
    """How many pages can be read at once, with the tokens that are there; 0 when nobody knows."""
    snapshot = progress.context.tokens.snapshot()
    if snapshot is None or snapshot.in_doubt:
        return 0
    return schedule.pages_at_hand(math.floor(snapshot.available * progress.share), _threshold(progress))


def _threshold(progress: Progress) -> int:
    """The search's part of the tokens below which bulk waits."""
    return math.floor(progress.context.settings.min_token_threshold * progress.share)


def spare_tokens(progress: Progress) -> int:
    """What may be spent on questions that no deal's freshness hangs on, before the next page is due."""
    plan = progress.state.plan
    if plan is None:
        return 0
    return schedule.spare_tokens(next_page_start(progress) - progress.now(), plan.page_every)


def _oldest_by_page(
    progress: Progress, *, below: datetime | None = None, above: datetime | None = None
) -> list[datetime]:
    """For each page of the feed between these dates: when the first of the deals on it was last seen.

    Nothing, where the feed is not in the order that would tell on which page a deal stands.
    """
    state = progress.state
    if not state.is_newest_first:
        return []
    sweep = state.sweep
    position = func.row_number().over(order_by=Deal.deal_created_at.desc()) - 1
    listed = select(Deal.last_seen_at, (position // DEALS_PER_PAGE).label("page")).where(
        open_in(progress.context.domain_id), Deal.unlisted_at.is_(None)
    )
    if below is not None and sweep is not None:
        unread = and_(Deal.deal_created_at == below, Deal.listed_at < sweep.shows_since)
        listed = listed.where(or_(Deal.deal_created_at < below, unread))
    if above is not None and sweep is not None:  # what it went by and did not show is verified
        listed = listed.where(Deal.deal_created_at > above, Deal.listed_at >= sweep.started_at)
    if state.horizon is not None:
        listed = listed.where(Deal.deal_created_at >= state.horizon)
    if state.swept_since is not None:  # what a whole sweep has missed is verified, not read again
        listed = listed.where(Deal.listed_at >= state.swept_since)
    pages = listed.subquery()
    query = select(func.min(pages.c.last_seen_at)).group_by(pages.c.page).order_by(pages.c.page)
    with progress.context.database.session() as session:
        return list(session.scalars(query))


def read_next_page(progress: Progress) -> None:
    """Read and write the next page of the sweep under way."""
    sweep = progress.state.sweep
    assert sweep is not None
    seen = progress.read(sweep.next_page)
    pages = sweep.pages
    if seen.ends:
        pages = seen.number + 1
    elif seen.number + 1 >= pages and not progress.state.is_cut:
        pages = seen.number + 2  # the feed has grown
    since = sweep.reading_since or progress.run.started_at
    is_whole = sweep.is_whole and seen.is_whole(progress.reference)
    sweep = replace(sweep, next_page=seen.number + 1, pages=pages, reading_since=since, is_whole=is_whole)
    ordered = progress.state.is_newest_first
    oldest_read = min(seen.created, default=progress.state.oldest_read) if ordered else None
    state = replace(progress.state, sweep=sweep, oldest_read=oldest_read)
    watermark: JobProgress = {}
    catch_up = state.catch_up
    if catch_up is not None and (sweep.done or (ordered and is_down_to(seen, catch_up.down_to))):
        state, watermark = replace(state, catch_up=None), {"watermark": catch_up.watermark}
    if sweep.done:
        state = _completed(progress, state, sweep, seen)
    progress.write(seen, state, **watermark)


def _completed(progress: Progress, state: SweepState, sweep: Sweep, last: PageRead) -> SweepState:
    """What a whole sweep leaves: everything it did not show it went by, down to where it ended.

    Of a feed in another order a sweep that is cut short tells nothing: what lies beyond may be anything.
    """
    is_short = state.is_cut or last.shows_no_more
    horizon = min(last.created, default=None) if is_short and state.is_newest_first else None
    whole = state.whole
    if sweep.is_whole and (state.is_newest_first or not is_short):
        whole = (*whole, WholeSweep(sweep.started_at, horizon))[-WHOLE_SWEEPS_KEPT:]
    disordered_at = state.disordered_at
    if disordered_at is not None and not sweep.started_at <= disordered_at <= progress.now():
        disordered_at = None
    return replace(
        state,
        swept_since=sweep.shows_since,
        oldest_read=None,
        horizon=horizon,
        whole=whole,
        disordered_at=disordered_at,
    )
