"""Calculates the economics of every deal anew when the seller's settings, or the rules, have changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, tuple_, update

from keepa_deals.db.models import Deal, JobState
from keepa_deals.db.upsert import lock_writers
from keepa_deals.deals.economics import calculation
from keepa_deals.deals.economics.calculation import PricedDeal
from keepa_deals.deals.economics.pricing import Pricing, SellPrice
from keepa_deals.ingest.columns import columns_of, names_of
from keepa_deals.ingest.context import IngestContext
from keepa_deals.searches import registry

BATCH = 1000
FIRST = (0, "")


@dataclass(frozen=True, slots=True)
class _StoredDeal(PricedDeal):
    """What the economics of a stored deal follow from, and what they are."""

    asin: str
    sell_price: int | None
    profit: int | None
    roi_bp: int | None
    margin_bp: int | None
    sell_doubt: int | None


_COLUMNS = tuple(getattr(Deal, name) for name in names_of(_StoredDeal))


def reprice(context: IngestContext, job: str, *, until: float) -> int:
    """Go on with the calculation until ``until`` (monotonic seconds); how many deals came out otherwise.

    In the order of the primary key, a thousand rows a transaction, whose last key is remembered with it:
    memory and lock time do not grow with the table, and a restart goes on where it was.
    """
    pricing = context.pricing
    priced_by = [_stamp(context, pricing), calculation.RULES]
    changed = 0
    while context.clock.monotonic() < until and not context.stop():
        with context.database.begin() as session:
            lock_writers(session)
            state = session.get_one(JobState, job)
            cursor = dict(state.cursor or {})
            is_whole = "repricing" not in cursor
            if is_whole and cursor.get("pricing", _settings_of_old(cursor)) == priced_by:
                return changed
            done = cursor.get("repriced_to") if cursor.get("repricing") == priced_by else None
            after = tuple(done) if done else FIRST
            query = select(*_COLUMNS).where(tuple_(Deal.domain_id, Deal.asin) > after)
            rows = session.execute(query.order_by(Deal.domain_id, Deal.asin).limit(BATCH)).all()
            now = context.clock.now()
            repriced = [
                new for row in rows if (new := _recomputed(_StoredDeal(*row), pricing, now)) is not None
            ]
            if repriced:
                session.execute(update(Deal), repriced)
            changed += len(repriced)
            if len(rows) < BATCH:
                state.cursor = {"pricing": priced_by}
                return changed
            last = [rows[-1].domain_id, rows[-1].asin]
            state.cursor = {**cursor, "repricing": priced_by, "repriced_to": last}
    return changed


def _stamp(context: IngestContext, pricing: Pricing) -> str:
    """Tells pricings that may come out differently apart, in the marketplaces of all searches."""
    with context.database.session() as session:
        domains = {search.domain_id for search in registry.all_searches(session)} or {context.domain_id}
    return "-".join(pricing.stamp(domain) for domain in sorted(domains))


def _recomputed(deal: _StoredDeal, pricing: Pricing, now: datetime) -> dict[str, object] | None:
    """The columns of a deal whose economics are others now; ``None`` when they are the same."""
    columns = columns_of(calculation.of(deal, pricing))
    if deal.fba_fee is not None and calculation.known_fee(deal.fba_fee) is None:
        columns |= {"fba_fee": None}
    if all(getattr(deal, name) == value for name, value in columns.items()):
        return None
    return {"domain_id": deal.domain_id, "asin": deal.asin, **columns, "changed_at": now}


def _settings_of_old(cursor: dict[str, Any]) -> list[int | str]:
    """What the table was priced by before the choice of a sell price existed."""
    return [*cursor.get("costs", (0, 0)), str(SellPrice.AVERAGE_90)]
