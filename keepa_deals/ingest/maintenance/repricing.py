"""Calculates what every deal is worth anew when the seller's settings, or the rules, have changed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, tuple_, update

from keepa_deals.db.models import Deal, JobState
from keepa_deals.db.upsert import lock_writers
from keepa_deals.deals import economics
from keepa_deals.ingest.context import IngestContext

BATCH = 1000
FIRST = (0, "")
_COLUMNS = (
    Deal.domain_id,
    Deal.asin,
    Deal.price,
    Deal.price_avg_90,
    Deal.price_avg_month,
    Deal.buy_box_price,
    Deal.fba_fee,
    Deal.referral_fee_bp,
    Deal.sell_price,
    Deal.profit,
    Deal.roi_bp,
    Deal.margin_bp,
)


def reprice(context: IngestContext, job: str, *, until: float) -> int:
    """Go on with the calculation until ``until`` (monotonic seconds); how many deals came out otherwise.

    In the order of the primary key, a thousand rows a transaction, whose last key is remembered with it:
    memory and lock time do not grow with the table, and a restart goes on where it was.
    """
    priced_by = _settings(context)
    changed = 0
    while context.clock.monotonic() < until and not context.stop():
        with context.database.begin() as session:
            lock_writers(session)
            state = session.get_one(JobState, job)
            memory = dict(state.cursor or {})
            is_whole = "repricing" not in memory
            if is_whole and memory.get("pricing", _settings_of_old(memory)) == priced_by:
                return changed
            done = memory.get("repriced_to") if memory.get("repricing") == priced_by else None
            after = tuple(done) if done else FIRST
            query = select(*_COLUMNS).where(tuple_(Deal.domain_id, Deal.asin) > after)
            rows = session.execute(query.order_by(Deal.domain_id, Deal.asin).limit(BATCH)).all()
            found = [worth for row in rows if (worth := _anew(row, context)) is not None]
            if found:
                session.execute(update(Deal), found)
            changed += len(found)
            if len(rows) < BATCH:
                state.cursor = {"pricing": priced_by}
                return changed
            last = [rows[-1].domain_id, rows[-1].asin]
            state.cursor = {**memory, "repricing": priced_by, "repriced_to": last}
    return changed


def _anew(row: Any, context: IngestContext) -> dict[str, Any] | None:
    """The columns of a deal whose worth is another now; ``None`` when it is the same."""
    worth = economics.of(row, context.pricing)
    if row.fba_fee is not None and economics.known_fee(row.fba_fee) is None:
        worth = {**worth, "fba_fee": None}
    if all(getattr(row, name) == value for name, value in worth.items()):
        return None
    return {"domain_id": row.domain_id, "asin": row.asin, **worth, "changed_at": context.clock.now()}


def _settings(context: IngestContext) -> list[int | str]:
    pricing = context.pricing
    return [pricing.costs.prep, pricing.costs.shipping, str(pricing.sell), economics.RULES]


def _settings_of_old(memory: dict[str, Any]) -> list[int | str]:
    """What the table was priced by before the choice of a sell price existed."""
    return [*memory.get("costs", (0, 0)), str(economics.SellPrice.AVERAGE_90)]
