"""Keeps the past bounded: deletes what is older than its retention time, a little at a time.

It never acts while ingestion is behind, nor when our clock and Keepa's disagree: then "long ago" may
only be our own failing, and what is deleted does not come back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Delete,
    Select,
    and_,
    delete,
    exists,
    literal_column,
    or_,
    select,
    tuple_,
)
from sqlalchemy.engine import CursorResult

from keepa_deals.clock import CLOCK_TOLERANCE, is_overdue
from keepa_deals.db.models import (
    AlertMemory,
    Deal,
    DealEvent,
    DealPast,
    DealPoint,
    DealVariation,
    Delivery,
    JobRun,
    JobState,
    Sample,
)
from keepa_deals.db.upsert import lock_writers
from keepa_deals.ingest.context import IngestContext
from keepa_deals.ingest.feed import families
from keepa_deals.jobs import UPSERT_JOB
from keepa_deals.tokens.snapshot import TokenSnapshot

log = logging.getLogger(__name__)

BATCH = 1000
RUNS_BEHIND = 5
"""So many intervals and ticks without a success of the upserter are too many to delete anything."""


def clean(context: IngestContext, tokens: TokenSnapshot | None, *, until: float) -> int:
    """Delete what is too old until ``until`` (monotonic seconds); how many rows that were."""
    reason = why_not(context, tokens)
    if reason is not None:
        log.info("the janitor waits: %s", reason)
        return 0
    deleted = 0
    for batch in _batches(context):
        while context.clock.monotonic() < until and not context.stop():
            with context.database.begin() as session:
                lock_writers(session)
                result = session.execute(batch(), execution_options={"synchronize_session": False})
                assert isinstance(result, CursorResult)
            deleted += result.rowcount
            if result.rowcount < BATCH:
                break
    return deleted


def why_not(context: IngestContext, tokens: TokenSnapshot | None) -> str | None:
    """The reason not to delete anything now; ``None``: there is none."""
    if tokens is None:
        return "the account's state is not known"
    now = context.clock.now()
    ahead = tokens.now - now + timedelta(seconds=tokens.clock_offset)
    if abs(ahead) > CLOCK_TOLERANCE:
        return f"our clock and Keepa's differ by {abs(ahead)}"
    with context.database.session() as session:
        upserter = session.get(JobState, UPSERT_JOB.name)
        last = upserter.last_success_at if upserter else None
    if is_overdue(last, now, context.settings.behind_after(RUNS_BEHIND)):
        return "the upserter is behind"
    return None


def _batches(context: IngestContext) -> Iterator[Callable[[], Delete]]:
    """One statement a table, each for at most ``BATCH`` rows, the oldest first."""
    settings, now = context.settings, context.clock.now()

    def before(days: int) -> datetime:
        return now - timedelta(days=days)

    yield lambda: _oldest(Sample, (Sample.at,), Sample.at, before(settings.retain_samples_days))
    yield lambda: _oldest(JobRun, (JobRun.id,), JobRun.started_at, before(settings.retain_runs_days))
    yield lambda: _oldest(DealEvent, (DealEvent.id,), DealEvent.at, before(settings.retain_events_days))
    yield lambda: _points(context, before(settings.retain_points_days))
    pasts = _row_of(context, DealPast, DealPast.domain_id, DealPast.asin)
    yield lambda: _oldest(DealPast, pasts, DealPast.read_at, before(settings.retain_points_days))
    variations = _row_of(context, DealVariation, DealVariation.domain_id, DealVariation.asin)
    yield lambda: _oldest(DealVariation, variations, DealVariation.noted_at, now - families.FORGOTTEN_AFTER)
    yield lambda: _deals(context, before(settings.retain_ended_days))
    sent = before(settings.retain_deliveries_days)
    yield lambda: _oldest(Delivery, (Delivery.id,), Delivery.finished_at, sent)
    told = _row_of(context, AlertMemory, AlertMemory.alert_id, AlertMemory.domain_id, AlertMemory.asin)
    gone = ~exists().where(Deal.domain_id == AlertMemory.domain_id, Deal.asin == AlertMemory.asin)
    forgotten = before(settings.retain_ended_days)
    yield lambda: _oldest(AlertMemory, told, AlertMemory.told_at, forgotten, gone)


def _row_of(context: IngestContext, table: Any, *key: Any) -> tuple[Any, ...]:
    """What names a row of ``table``: its key, or on SQLite its ``rowid``.

    SQLite looks a list of keys up by their first part alone: it would go past all rows of the marketplace.
    """
    return (literal_column(f"{table.__tablename__}.rowid"),) if context.database.is_sqlite else key


def _oldest(table: Any, key: tuple[Any, ...], moment: Any, limit: datetime, *more: Any) -> Delete:
    chosen = select(*key).select_from(table).where(moment < limit, *more).order_by(moment).limit(BATCH)
    return delete(table).where(_is_one_of(key, chosen))


def _is_one_of(key: tuple[Any, ...], chosen: Select[Any]) -> ColumnElement[bool]:
    return (tuple_(*key) if len(key) > 1 else key[0]).in_(chosen)


def _points(context: IngestContext, limit: datetime) -> Delete:
    """Old points, but not the newest of a deal: it says what the price is since."""
    newest = exists().where(
        Deal.domain_id == DealPoint.domain_id, Deal.asin == DealPoint.asin, Deal.point_at == DealPoint.at
    )
    key = _row_of(context, DealPoint, DealPoint.domain_id, DealPoint.asin, DealPoint.at)
    return _oldest(DealPoint, key, DealPoint.at, limit, ~newest)


def _deals(context: IngestContext, limit: datetime) -> Delete:
    """Deals that ended long ago, or that nobody has seen for as long; points and events go with them."""
    key = _row_of(context, Deal, Deal.domain_id, Deal.asin)
    forgotten = and_(Deal.ended_at.is_(None), Deal.last_seen_at < limit)
    chosen = select(*key).select_from(Deal).where(or_(Deal.ended_at < limit, forgotten)).limit(BATCH)
    return delete(Deal).where(_is_one_of(key, chosen))
