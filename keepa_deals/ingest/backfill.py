"""The backfiller: walks the whole feed once, then enriches deals, with the tokens that are left over."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select

from keepa_deals.db.models import Deal
from keepa_deals.ingest import economics
from keepa_deals.ingest.context import IngestContext
from keepa_deals.ingest.job import Outcome, Run, RunResult, run_job
from keepa_deals.ingest.recent import is_last_page, newest_first
from keepa_deals.ingest.rows import detail_columns, feed_rows
from keepa_deals.ingest.spending import read_bulk_page, read_products
from keepa_deals.ingest.store import apply_listed
from keepa_deals.keepa.costs import MAX_ASINS_PER_REQUEST, ProductOptions
from keepa_deals.keepa.selection import price_type
from keepa_deals.keepa.types import ProductBatch

JOB = "backfill_deals"
LOCK = "backfill_deals_lock"
SLICE_SECONDS = 50.0
ENRICH_AGAIN_AFTER = timedelta(hours=24)
OPTIONS = ProductOptions(stats_days=90)


def run_slice(context: IngestContext, *, seconds: float = SLICE_SECONDS) -> RunResult:
    """Work for at most about ``seconds``; the cursor in the database says where the next slice goes on."""
    return run_job(context, JOB, LOCK, lambda run: _work(run, context.clock.monotonic() + seconds))


def _work(run: Run, deadline: float) -> Outcome:
    if not _walk(run, deadline):
        return Outcome.SUCCEEDED
    done = 0
    while (left := deadline - run.context.clock.monotonic()) > 0:
        asins = _to_enrich(run)
        if not asins:
            return Outcome.SUCCEEDED if done or run.rows else Outcome.NOTHING_TO_DO
        _enrich(run, asins, timeout=left)
        done += 1
    return Outcome.SUCCEEDED


def _walk(run: Run, deadline: float) -> bool:
    """Go on with the walk over the feed; true when it is complete for the present selection."""
    mark = _fingerprint(run.context.selection)
    while run.cursor.get("walked") != mark:
        left = deadline - run.context.clock.monotonic()
        if left <= 0:
            return False
        number = int(run.cursor.get("page", 0)) if run.cursor.get("walking") == mark else 0
        page = read_bulk_page(run, newest_first(run), number, timeout=left)
        cursor = {"walked": mark} if is_last_page(page, number) else {"walking": mark, "page": number + 1}
        context = run.context
        rows = feed_rows(page, domain_id=context.domain_id, price_type=price_type(context.selection))
        with run.commit(cursor=cursor) as session:
            written = apply_listed(session, rows, context.clock.now(), context.fresh_for, context.costs)
        run.rows += written
    return True


def _fingerprint(selection: Mapping[str, Any]) -> str:
    """Short, and another one for another selection: a changed selection is walked anew."""
    return hashlib.sha256(json.dumps(selection, sort_keys=True).encode()).hexdigest()[:12]


def _to_enrich(run: Run) -> Sequence[str]:
    """The deals that lack details, then those whose details are oldest; the newest deals first."""
    due = run.context.clock.now() - ENRICH_AGAIN_AFTER
    query = (
        select(Deal.asin)
        .where(Deal.domain_id == run.context.domain_id, Deal.ended_at.is_(None))
        .where(or_(Deal.enriched_at.is_(None), Deal.enriched_at < due))
        .order_by(Deal.enriched_at.is_not(None), Deal.enriched_at, Deal.deal_created_at.desc())
        .limit(MAX_ASINS_PER_REQUEST)
    )
    with run.context.database.session() as session:
        return session.scalars(query).all()


def _enrich(run: Run, asins: Sequence[str], *, timeout: float) -> None:
    asked, answer = read_products(run, asins, OPTIONS, timeout=timeout)
    with run.commit() as session:
        now = run.context.clock.now()
        for row in _details(run, asked, answer, now):
            deal = session.get_one(Deal, (run.context.domain_id, row.pop("asin")))
            for name, value in {**row, **_worth(deal, row, run)}.items():
                setattr(deal, name, value)
    run.rows += len(asked)


def _worth(deal: Deal, row: Mapping[str, Any], run: Run) -> dict[str, int | None]:
    """What the deal is worth now that its fees are known."""
    return economics.columns(
        price=deal.price,
        average=deal.price_avg_90,
        referral_fee_bp=row.get("referral_fee_bp", deal.referral_fee_bp),
        fba_fee=row.get("fba_fee", deal.fba_fee),
        costs=run.context.costs,
    )


def _details(run: Run, asked: Sequence[str], answer: ProductBatch, now: datetime) -> list[dict[str, Any]]:
    kind = price_type(run.context.selection)
    found = {
        p.asin: {**detail_columns(p, kind), "enriched_at": now, "changed_at": now} for p in answer.products
    }
    return [{"asin": asin, **found.get(asin, {"enriched_at": now})} for asin in asked]
