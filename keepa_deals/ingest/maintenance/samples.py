"""One sample a minute: how many deals are live, stale and ended, and what the account has."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, select

from keepa_deals.db.models import Deal, JobState, Sample
from keepa_deals.db.session import Database
from keepa_deals.errors import BudgetError
from keepa_deals.ingest.context import IngestContext
from keepa_deals.ingest.upsert.state import plan_of
from keepa_deals.jobs import UPSERT_JOB
from keepa_deals.searches import registry
from keepa_deals.tokens.snapshot import TokenSnapshot


class DealCounts(NamedTuple):
    """How many deals there are in each state."""

    live: int
    stale: int
    ended: int


def count_deals(database: Database, now: datetime, fresh_for: timedelta) -> DealCounts:
    """Live, stale and ended deals: three counts over the indices, not a pass over the table."""
    going = Deal.ended_at.is_(None)
    states: list[ColumnElement[bool]] = [
        going & (Deal.last_seen_at >= now - fresh_for),
        going & (Deal.last_seen_at < now - fresh_for),
        Deal.ended_at.is_not(None),
    ]
    with database.session() as session:
        counts = [session.scalar(select(func.count()).select_from(Deal).where(s)) or 0 for s in states]
    return DealCounts(*counts)


def read_account(context: IngestContext) -> TokenSnapshot | None:
    """The account now; ``None`` when nobody can tell: a sample without it is still a sample."""
    try:
        return context.tokens.snapshot()
    except BudgetError:
        return None


def write_sample(context: IngestContext, tokens: TokenSnapshot | None, counts: DealCounts) -> None:
    """Write this minute's sample; one of the same minute is replaced."""
    with context.database.begin() as session:
        upserter = session.get(JobState, UPSERT_JOB.name)
        cursors = [search.cursor for search in registry.all_searches(session) if not search.is_first]
        plans = [plan_of(cursor) for cursor in (upserter.cursor if upserter else None, *cursors)]
        matching = [plan.matching for plan in plans if plan is not None]
        session.merge(
            Sample(
                at=context.clock.now().replace(second=0, microsecond=0),
                live=counts.live,
                stale=counts.stale,
                ended=counts.ended,
                matching=sum(matching) if matching else None,
                tokens=tokens.available if tokens else None,
                small_wait_ms=round(tokens.small.longest_wait * 1000) if tokens else None,
                bulk_wait_ms=round(tokens.bulk.longest_wait * 1000) if tokens else None,
            )
        )
