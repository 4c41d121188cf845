"""Keepa's history of deals as rows of ``deal_pasts``, with what earlier looks told of the year before."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import select

from keepa_deals.db.models import DealPast
from keepa_deals.deals.price_history import Line, Past, pack_within, unpack
from keepa_deals.deals.year_before import year_before
from keepa_deals.ingest import keepa_history
from keepa_deals.ingest.context import IngestContext
from keepa_deals.ingest.keepa_history import unix_minute
from keepa_deals.keepa.enums import CsvType
from keepa_deals.keepa.product import Product
from keepa_deals.keepa.selection import price_type


@dataclass(frozen=True, slots=True)
class PastRow:
    """A row of ``deal_pasts``."""

    domain_id: int
    asin: str
    read_at: datetime
    price_type: int
    packed: bytes


Kept = Mapping[str, tuple[Past, datetime]]
"""By ASIN what is kept, and when it was read."""


def past_rows(context: IngestContext, products: Sequence[Product], now: datetime) -> list[PastRow]:
    """Keepa's history of each product that has one."""
    kind, days = price_type(context.selection), _days(context)
    told = {product.asin: keepa_history.past_of(product, kind, now, days) for product in products}
    pasts = {asin: past for asin, past in told.items() if past is not None}
    kept, since = _kept(context, kind, pasts.keys()), unix_minute(now - timedelta(days=days))
    return [
        PastRow(context.domain_id, asin, now, int(kind), _packed(past, kept.get(asin), since, now))
        for asin, past in pasts.items()
    ]


def _days(context: IngestContext) -> int:
    """How many days of Keepa's history are kept."""
    return min(keepa_history.YEAR, context.settings.retain_points_days)


def _packed(past: Past, kept: tuple[Past, datetime] | None, since: int, now: datetime) -> bytes:
    if kept is not None and (before := year_before(kept[0], unix_minute(kept[1]), since)):
        past = replace(past, lines={**past.lines, Line.YEAR_BEFORE: before})
    return pack_within(past, unix_minute(now))


def _kept(context: IngestContext, kind: CsvType, asins: Collection[str]) -> Kept:
    """What is kept of the same price type, as far as it can be read."""
    query = select(DealPast.asin, DealPast.read_at, DealPast.packed).where(
        DealPast.domain_id == context.domain_id,
        DealPast.asin.in_(asins),
        DealPast.price_type == int(kind),
    )
    with context.database.session() as session:
        rows = session.execute(query).all()
    found = {}
    for asin, read_at, packed in rows:
        try:
            found[asin] = (unpack(packed), read_at)
        except ValueError:  # replaced by what is told now
            continue
    return found
