"""The enrichment: details and history of deals from ``/product``, with the tokens that are left over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select

from keepa_deals.db.models import Deal
from keepa_deals.db.upsert import lock_writers, write_pasts
from keepa_deals.deals import economics
from keepa_deals.deals.economics import SellPrice
from keepa_deals.deals.lifecycle import CLOCK_TOLERANCE
from keepa_deals.deals.price_history import pack
from keepa_deals.ingest import keepa_history
from keepa_deals.ingest.context import IngestContext
from keepa_deals.ingest.feed import families
from keepa_deals.ingest.feed.family_lookup import note_families
from keepa_deals.ingest.feed.mapping import detail_columns
from keepa_deals.ingest.metered_calls import read_products
from keepa_deals.ingest.run import Run
from keepa_deals.keepa.enums import CsvType
from keepa_deals.keepa.product import ProductBatch
from keepa_deals.keepa.selection import price_type
from keepa_deals.keepa.token_costs import MAX_ASINS_PER_REQUEST, ProductOptions

ENRICH_AGAIN_AFTER = timedelta(hours=24)


def asins_to_enrich(context: IngestContext) -> Sequence[str]:
    """The live deals that lack details, the newest first; then those whose details are oldest."""
    now = context.clock.now()
    is_live = (Deal.domain_id == context.domain_id, Deal.ended_at.is_(None), Deal.unlisted_at.is_(None))
    bare = (
        select(Deal.asin)
        .where(*is_live, Deal.enriched_at.is_(None), Deal.last_seen_at >= now - context.fresh_for)
        .order_by(Deal.deal_created_at.desc())
        .limit(MAX_ASINS_PER_REQUEST)
    )
    by_a_wrong_clock = Deal.enriched_at > now + CLOCK_TOLERANCE
    old = (
        select(Deal.asin)
        .where(*is_live, or_(Deal.enriched_at < now - ENRICH_AGAIN_AFTER, by_a_wrong_clock))
        .where(Deal.last_seen_at >= now - context.fresh_for)
        .order_by(Deal.enriched_at)
        .limit(MAX_ASINS_PER_REQUEST)
    )
    with context.database.session() as session:
        asins = session.scalars(bare).all()
        if len(asins) < MAX_ASINS_PER_REQUEST:
            asins = [*asins, *session.scalars(old.limit(MAX_ASINS_PER_REQUEST - len(asins)))]
        return asins


def _days(context: IngestContext) -> int:
    """How many days of Keepa's history are kept."""
    return min(keepa_history.DAYS, context.settings.retain_points_days)


def options_for(context: IngestContext) -> ProductOptions:
    """What the enrichment asks for: the buy box, 2 tokens more a product, only where it is used."""
    used = {price_type(context.selection)}
    if context.pricing.sell is SellPrice.BUY_BOX:
        used.add(CsvType.BUY_BOX_SHIPPING)
    options = ProductOptions(stats_days=90, history=True, days=_days(context))
    with_buy_box = replace(options, buybox=True)
    gains = any(with_buy_box.tells(kind) and not options.tells(kind) for kind in used)
    return with_buy_box if gains else options


def enrich(run: Run, asins: Sequence[str], *, timeout: float) -> None:
    """Ask for the details of as many of ``asins`` as the tokens allow within ``timeout`` seconds."""
    options = options_for(run.context)
    asked, answer = read_products(run, asins, options, timeout=timeout)
    pasts = _pasts(run.context, asked, answer, run.context.clock.now())
    with run.commit() as session:
        lock_writers(session)  # else a price that changes meanwhile leaves the profit of the old one
        now = run.context.clock.now()
        for row in _details(run, asked, answer, now):
            deal = session.get_one(Deal, (run.context.domain_id, row.pop("asin")))
            for name, value in row.items():
                setattr(deal, name, value)
            for name, value in economics.of(deal, run.context.pricing).items():
                setattr(deal, name, value)
        write_pasts(session, pasts)
        if families.is_single(run.context.selection):
            note_families(run, session, answer.products)
    run.rows += len(asked)


def _pasts(
    context: IngestContext, asked: Sequence[str], answer: ProductBatch, now: datetime
) -> list[dict[str, Any]]:
    """Keepa's history of each product that was asked for, as rows of ``deal_pasts``."""
    kind = price_type(context.selection)
    products = (product for product in answer.products if product.asin in asked)
    found = {p.asin: keepa_history.past_of(p, kind, now, _days(context)) for p in products}
    common = {"domain_id": context.domain_id, "read_at": now, "price_type": int(kind)}
    return [{**common, "asin": asin, "packed": pack(told)} for asin, told in found.items() if told]


def _details(run: Run, asked: Sequence[str], answer: ProductBatch, now: datetime) -> list[dict[str, Any]]:
    kind = price_type(run.context.selection)
    found = {
        p.asin: {**detail_columns(p, kind), "enriched_at": now, "changed_at": now} for p in answer.products
    }
    return [{"asin": asin, **found.get(asin, {"enriched_at": now})} for asin in asked]
