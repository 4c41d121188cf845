"""The plan for the next freshness window, from what the table, the feed and the account tell now."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import func, select

from keepa_deals.db.models import Deal, DealEvent
from keepa_deals.db.open_deals import open_in
from keepa_deals.deals.kinds import DealEventKind
from keepa_deals.ingest.upsert import budget
from keepa_deals.ingest.upsert.budget import FeedSize, Limit, Plan, Supply
from keepa_deals.ingest.upsert.matching import options_for
from keepa_deals.ingest.upsert.progress import Progress, is_down_to
from keepa_deals.ingest.upsert.shares import has_moved
from keepa_deals.keepa.token_costs import DEALS_PER_PAGE

log = logging.getLogger(__name__)


def plan_window(progress: Progress) -> Plan:
    """What the next window is spent on, by what is there now.

    What is needed may be more or less than was known when the tokens were shared out.
    """
    feed = feed_size(progress)
    plan = budget.make_plan(feed, progress.interval, _supply(progress))
    share = progress.share_for(plan.needed)
    if has_moved(progress.share, share):
        progress.share = share
        plan = budget.make_plan(feed, progress.interval, _supply(progress))
    before, search = progress.state.plan, progress.context.search
    if plan.limit is not None and (before is None or before.limit != plan.limit):
        log.warning(
            "%s matches %d deals; the newest %d are kept fresh: %s",
            f"the search {search.name}" if search else "the selection", plan.matching, plan.kept,
            f"{plan.needed} tokens a window would be needed, {plan.supply} come"
            if plan.limit is Limit.PLAN else "Keepa shows no more of one query",
        )  # fmt: skip
    return plan


def adapt(progress: Progress) -> None:
    """Plan the window anew when the search's share of the tokens has moved since it was planned."""
    plan, sweep = progress.state.plan, progress.state.sweep
    if plan is None or not has_moved(plan.share, progress.share):
        return
    plan = plan_window(progress)
    if sweep is not None and not sweep.done:
        sweep = replace(sweep, pages=max(sweep.next_page, plan.pages))
    progress.save(replace(progress.state, plan=plan, sweep=sweep))


def whole_supply(progress: Progress) -> int | None:
    """The tokens that come for all searches within a window of this one; ``None``: nobody knows."""
    supply = _supply(progress)
    return replace(supply, share=1.0).tokens if supply is not None else None


def supply_within(progress: Progress, time: timedelta) -> int | None:
    """The search's part of the tokens that come within some time; ``None``: nobody knows."""
    supply = _supply(progress)
    return replace(supply, window=time).tokens if supply is not None else None


def _supply(progress: Progress) -> Supply | None:
    snapshot = progress.context.tokens.snapshot()
    if snapshot is None:
        return None
    tick = timedelta(seconds=progress.context.settings.keepa_tick_seconds)
    return Supply(snapshot.refill, tick, progress.window, progress.share)


def feed_size(progress: Progress) -> FeedSize:
    """What is in the feed, and what came and went within the last window.

    Before the first whole sweep the table does not tell; the pages just read do.
    """
    context, head = progress.context, progress.head
    since = progress.now() - progress.window
    if progress.state.swept_since is None and head is not None and not is_down_to(head, since):
        span = head.page.envelope.timestamp - min(head.created)
        newest = (head.number + 1) * DEALS_PER_PAGE
        return budget.at_first(progress.feed_length(), newest, span, progress.window)
    left = select(func.count()).where(
        DealEvent.domain_id + 0 == context.domain_id,  # by the index of moments, as in open_in()
        DealEvent.at > since,
        DealEvent.kind == DealEventKind.ENDED,
    )
    came = select(func.count()).where(open_in(context.domain_id), Deal.deal_created_at > since)
    with context.database.session() as session:
        arriving, leaving = session.scalar(came) or 0, session.scalar(left) or 0
    options = options_for(context.selection)
    questions = leaving * options.documented_tokens_per_product() if options else 0
    return FeedSize(progress.feed_length(), arriving, questions, progress.window)
