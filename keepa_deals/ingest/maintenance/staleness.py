"""Notes the deals that went stale since the last look, each once, in ``deal_events``."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update

from keepa_deals.db.models import Deal
from keepa_deals.db.upsert import lock_writers
from keepa_deals.deals import lifecycle
from keepa_deals.deals.lifecycle import Life
from keepa_deals.ingest.context import IngestContext
from keepa_deals.ingest.events import event_rows, record

BATCH = 1000


def note_stale(context: IngestContext, now: datetime) -> int:
    """Note them in batches; how many there were."""
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
            for domain_id, asin, first_seen, last_seen, found_at in rows:
                life, changes = lifecycle.mark_stale(
                    Life(first_seen, last_seen, found_at), now, context.fresh_for
                )
                changed.append({"domain_id": domain_id, "asin": asin, "stale_noted_at": life.stale_noted_at})
                events += event_rows(domain_id, asin, changes)
            if changed:
                session.execute(update(Deal), changed)
            record(session, events)
        noted += len(rows)
        if len(rows) < BATCH:
            break
    return noted
