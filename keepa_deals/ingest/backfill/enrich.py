"""The enrichment: details and history of deals from ``/product``, with the tokens that are left over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import or_, select

from keepa_deals.db.models import Deal
from keepa_deals.db.open_deals import open_in
from keepa_deals.db.upsert import lock_writers, write_pasts
from keepa_deals.deals.economics import calculation
from keepa_deals.deals.economics.pricing import SellPrice
from keepa_deals.deals.lifecycle import CLOCK_TOLERANCE
from keepa_deals.ingest import keepa_history
from keepa_deals.ingest.backfill.past_rows import past_rows
from keepa_deals.ingest.columns import columns_of, store
from keepa_deals.ingest.context import IngestContext
from keepa_deals.ingest.events import note_changes
from keepa_deals.ingest.feed import families
from keepa_deals.ingest.feed.family_lookup import note_families
from keepa_deals.ingest.feed.mapping import detail_row
from keepa_deals.ingest.feed.risk_facts import risks_told
from keepa_deals.ingest.metered_calls import read_products
from keepa_deals.ingest.run import Run
from keepa_deals.keepa.enums import CsvType
from keepa_deals.keepa.selection import price_type
from keepa_deals.keepa.token_costs import MAX_ASINS_PER_REQUEST, ProductOptions

ENRICH_AGAIN_AFTER = timedelta(hours=24)


def asins_to_enrich(context: IngestContext) -> Sequence[str]:
    """The live deals that lack details, the newest first; then those whose details are oldest."""
    now = context.clock.now()
    is_live = (open_in(context.domain_id), Deal.unlisted_at.is_(None))
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


def options_for(context: IngestContext) -> ProductOptions:
    """What the enrichment asks for: the buy box, 2 tokens more a product, only where it is used."""
    used = {price_type(context.selection)}
    if context.pricing.sell is SellPrice.BUY_BOX:
        used.add(CsvType.BUY_BOX_SHIPPING)
    options = ProductOptions(stats_days=90, history=True, days=keepa_history.YEAR)
    with_buy_box = replace(options, buybox=True)
    gains = any(with_buy_box.tells(kind) and not options.tells(kind) for kind in used)
    return with_buy_box if gains else options


def enrich(run: Run, asins: Sequence[str], *, timeout: float) -> None:
    """Ask for the details of as many of ``asins`` as the tokens allow within ``timeout`` seconds."""
    context = run.context
    asked, answer = read_products(run, asins, options_for(context), timeout=timeout)
    kind = price_type(context.selection)
    read_at = context.clock.now()
    pasts = past_rows(context, [product for product in answer.products if product.asin in asked], read_at)
    details = {
        product.asin: detail_row(product, kind, keepa_history.prices_of(product, kind, read_at))
        for product in answer.products
    }
    storage = context.pricing.schedule.of(context.domain_id).storage
    told = {product.asin: risks_told(product, storage) for product in answer.products}
    with run.commit() as session:
        lock_writers(session)  # else a price that changes meanwhile leaves the profit of the old one
        now, pricing = context.clock.now(), context.pricing_by(session)
        for asin in asked:
            deal = session.get_one(Deal, (context.domain_id, asin))
            deal.enriched_at = now
            if asin in details:
                store(details[asin], deal)
                deal.risks = told[asin]
                deal.changed_at = now
            store(calculation.of(deal, pricing), deal)
        note_changes(session, context.domain_id, sorted(details.keys() & set(asked)), now)
        write_pasts(session, [columns_of(past) for past in pasts])
        if families.is_single(context.selection):
            note_families(run, session, answer.products)
    run.rows += len(asked)
