"""The plan for the next freshness window, from what the table, the feed and the account tell now."""

from __future__ import annotations

import logging
from datetime import timedelta

from sqlalchemy import func, select

from keepa_deals.db.models import Deal, DealEvent
from keepa_deals.db.open_deals import open_in
from keepa_deals.deals.kinds import DealEventKind
from keepa_deals.ingest.upsert import budget
from keepa_deals.ingest.upsert.budget import FeedSize, Limit, Plan, Supply
from keepa_deals.ingest.upsert.matching import options_for
from keepa_deals.ingest.upsert.progress import Progress, is_down_to
from keepa_deals.keepa.token_costs import DEALS_PER_PAGE

log = logging.getLogger(__name__)


def plan_window(progress: Progress) -> Plan:
    """What the next window is spent on, by what is there now."""
    context = progress.context
    snapshot = context.tokens.snapshot()
    tick = timedelta(seconds=context.settings.keepa_tick_seconds)
    supply = Supply(snapshot.refill, tick, progress.window) if snapshot else None
    plan = budget.make_plan(feed_size(progress), progress.interval, supply)
    before = progress.state.plan
    if plan.limit is not None and (before is None or before.limit != plan.limit):
        log.warning(
            "the selection matches %d deals; the newest %d are kept fresh: %s", plan.matching, plan.kept,
            f"{plan.needed} tokens a window would be needed, {plan.supply} come"
            if plan.limit is Limit.PLAN else "Keepa shows no more of one query",
        )  # fmt: skip
    return plan


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
