"""Once a minute, without a token: notes what went stale, samples the state."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, func, select, update
from sqlalchemy.orm import Session

from keepa_deals.db.models import Deal, JobState, Sample
from keepa_deals.db.upsert import ensure_job, lock_writers
from keepa_deals.ingest import economics, lifecycle
from keepa_deals.ingest.context import IngestContext
from keepa_deals.ingest.lifecycle import Life
from keepa_deals.ingest.store import event_rows, record

JOB = "maintenance"


@dataclass(frozen=True)
class MaintenanceResult:
    """The deals by state, and how many were newly noted as stale."""

    live: int
    stale: int
    ended: int
    newly_stale: int


def run(context: IngestContext) -> MaintenanceResult:
    """Note the deals that went stale since the last look, and write this minute's sample."""
    now = context.clock.now()
    with context.database.begin() as session:
        newly_stale = _note_stale(session, context, now)
        live, stale, ended = _counts(session, context, now)
        minute = now.replace(second=0, microsecond=0)
        _reprice(session, context)
        session.merge(Sample(at=minute, live=live, stale=stale, ended=ended))
    return MaintenanceResult(live, stale, ended, newly_stale)


def _note_stale(session: Session, context: IngestContext, now: datetime) -> int:
    lock_writers(session)
    query = select(Deal.domain_id, Deal.asin, Deal.first_seen_at, Deal.last_seen_at).where(
        Deal.ended_at.is_(None),
        Deal.stale_noted_at.is_(None),
        Deal.last_seen_at < now - context.fresh_for,
    )
    rows = session.execute(query).all()
    for domain_id, asin, first, last in rows:
        life, changes = lifecycle.grown_old(Life(first, last), now, context.fresh_for)
        session.execute(
            update(Deal)
            .where(Deal.domain_id == domain_id, Deal.asin == asin)
            .values(stale_noted_at=life.stale_noted_at)
        )
        record(session, event_rows(domain_id, asin, changes))
    return len(rows)


def _reprice(session: Session, context: IngestContext) -> None:
    """Calculate every deal's worth anew when the seller's costs have changed; costs no token."""
    costs = [context.costs.prep, context.costs.shipping]
    ensure_job(session, JOB)
    state = session.get_one(JobState, JOB)
    if (state.cursor or {"costs": [0, 0]}).get("costs") == costs:
        return
    for deal in session.scalars(
        select(Deal).where(Deal.fba_fee.is_not(None)).execution_options(yield_per=1000)
    ):
        worth = economics.columns(
            price=deal.price,
            average=deal.price_avg_90,
            referral_fee_bp=deal.referral_fee_bp,
            fba_fee=deal.fba_fee,
            costs=context.costs,
        )
        for name, value in worth.items():
            setattr(deal, name, value)
    state.cursor = {"costs": costs}


def _counts(session: Session, context: IngestContext, now: datetime) -> tuple[int, int, int]:
    fresh = Deal.last_seen_at >= now - context.fresh_for
    states = [Deal.ended_at.is_(None) & fresh, Deal.ended_at.is_(None) & ~fresh, Deal.ended_at.is_not(None)]
    counts = [func.coalesce(func.sum(case((state, 1), else_=0)), 0) for state in states]
    live, stale, ended = session.execute(select(*counts)).one()
    return int(live), int(stale), int(ended)
