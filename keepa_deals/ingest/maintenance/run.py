"""Once a minute, without a token: notes what went stale, samples the state, prices anew, keeps retention.

Each part works in transactions of a thousand rows at most, so that it never holds up the upserter, and
stops after its share of the minute; the next run goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, select, update

from keepa_deals.db.models import Deal, JobState, Sample
from keepa_deals.db.session import Database
from keepa_deals.db.upsert import ensure_job, lock_writers
from keepa_deals.deals import lifecycle
from keepa_deals.deals.lifecycle import Life
from keepa_deals.errors import BudgetError
from keepa_deals.ingest.context import IngestContext
from keepa_deals.ingest.maintenance import repricing, retention
from keepa_deals.ingest.writes import event_rows, record
from keepa_deals.jobs import MAINTENANCE_JOB, UPSERT_JOB
from keepa_deals.tokens.snapshot import TokenSnapshot

BATCH = 1000
SHARE = timedelta(seconds=15)
"""How long pricing anew, and the janitor, may go on in one run."""


@dataclass(frozen=True)
class MaintenanceResult:
    """The deals by state, and how many were newly noted as stale, priced anew, and deleted with what."""

    live: int
    stale: int
    ended: int
    newly_stale: int
    repriced: int = 0
    deleted: int = 0


def run(context: IngestContext) -> MaintenanceResult:
    """Note the deals that went stale since the last look, write this minute's sample, and tidy up."""
    now = context.clock.now()
    with context.database.begin() as session:
        ensure_job(session, MAINTENANCE_JOB.name)
    newly_stale = _note_stale(context, now)
    live, stale, ended = count_deals(context.database, now, context.fresh_for)
    tokens = _look_at_tokens(context)
    _sample(context, tokens, (live, stale, ended))
    repriced = repricing.reprice(
        context, MAINTENANCE_JOB.name, until=context.clock.monotonic() + SHARE.total_seconds()
    )
    deleted = retention.clean(context, tokens, until=context.clock.monotonic() + SHARE.total_seconds())
    return MaintenanceResult(live, stale, ended, newly_stale, repriced, deleted)


def _note_stale(context: IngestContext, now: datetime) -> int:
    noted = 0
    query = (
        select(Deal.domain_id, Deal.asin, Deal.first_seen_at, Deal.last_seen_at, Deal.found_at)
        .where(Deal.ended_at.is_(None), Deal.stale_noted_at.is_(None))
        .where(Deal.last_seen_at < now - context.fresh_for)
        .limit(BATCH)
    )
    while not context.stop():
        with context.database.begin() as session:
            lock_writers(session)
            rows = session.execute(query).all()
            changed, events = [], []
            for domain_id, asin, first, last, found in rows:
                life, changes = lifecycle.grown_old(Life(first, last, found), now, context.fresh_for)
                changed.append({"domain_id": domain_id, "asin": asin, "stale_noted_at": life.stale_noted_at})
                events += event_rows(domain_id, asin, changes)
            if changed:
                session.execute(update(Deal), changed)
            record(session, events)
        noted += len(rows)
        if len(rows) < BATCH:
            break
    return noted


def count_deals(database: Database, now: datetime, fresh_for: timedelta) -> tuple[int, int, int]:
    """Live, stale and ended deals: three counts over the indices, not a pass over the table."""
    going = Deal.ended_at.is_(None)
    states: list[ColumnElement[bool]] = [
        going & (Deal.last_seen_at >= now - fresh_for),
        going & (Deal.last_seen_at < now - fresh_for),
        Deal.ended_at.is_not(None),
    ]
    with database.session() as session:
        counts = [session.scalar(select(func.count()).select_from(Deal).where(s)) or 0 for s in states]
    return counts[0], counts[1], counts[2]


def _look_at_tokens(context: IngestContext) -> TokenSnapshot | None:
    """The account now; ``None`` when nobody can tell: a sample without it is still a sample."""
    try:
        return context.tokens.snapshot()
    except BudgetError:
        return None


def _sample(context: IngestContext, tokens: TokenSnapshot | None, counts: tuple[int, int, int]) -> None:
    live, stale, ended = counts
    with context.database.begin() as session:
        upserter = session.get(JobState, UPSERT_JOB.name)
        plan = ((upserter.cursor if upserter else None) or {}).get("plan") or {}
        session.merge(
            Sample(
                at=context.clock.now().replace(second=0, microsecond=0),
                live=live,
                stale=stale,
                ended=ended,
                matching=plan.get("matching"),
                tokens=tokens.available if tokens else None,
                small_wait_ms=round(tokens.small.longest_wait * 1000) if tokens else None,
                bulk_wait_ms=round(tokens.bulk.longest_wait * 1000) if tokens else None,
            )
        )
