"""Asks Keepa about deals that the feed no longer shows: do they still hold, and if not, why not?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import or_, select

from keepa_deals.db.models import Deal, EndedReason
from keepa_deals.errors import TokensUnavailableError
from keepa_deals.ingest import planner
from keepa_deals.ingest.job import Run
from keepa_deals.ingest.spending import read_few_products, read_products
from keepa_deals.ingest.store import Verdict, apply_verdicts
from keepa_deals.keepa.costs import MAX_ASINS_PER_REQUEST, ProductOptions
from keepa_deals.keepa.selection import price_type
from keepa_deals.keepa.types import CsvType, Interval, Product, ProductBatch, at

OPTIONS = ProductOptions(stats_days=90)
PATIENCE = 0.0
"""Seconds to wait for the tokens of a large batch: the next run asks again."""
URGENT = timedelta(minutes=10)
"""A deal that would go stale within this time is asked for in the small lane, a few at a time."""
FEW = 10


def verify_missing(run: Run) -> int:
    """Verify the deals closest to going stale that a whole sweep has not shown; how many were settled."""
    asins = _missing(run)
    if not asins:
        return 0
    try:
        asked, answer = read_products(run, asins, OPTIONS, timeout=PATIENCE)
    except TokensUnavailableError:
        urgent = _missing(run, seen_before=run.context.fresh_for - URGENT)[:FEW]
        if not urgent:
            return 0
        asked, answer = urgent, read_few_products(run, urgent, OPTIONS)
    return _settle(run, asked, answer)


def _missing(run: Run, *, seen_before: timedelta = timedelta(0)) -> Sequence[str]:
    now, fresh_for = run.context.clock.now(), run.context.fresh_for
    unlisted_since = now - planner.sweep_period(fresh_for)
    recheck = now - fresh_for / 2
    query = (
        select(Deal.asin)
        .where(Deal.domain_id == run.context.domain_id, Deal.ended_at.is_(None))
        .where(Deal.listed_at < unlisted_since, Deal.last_seen_at <= now - seen_before)
        .where(or_(Deal.verified_at.is_(None), Deal.verified_at < recheck))
        .order_by(Deal.last_seen_at, Deal.asin)
        .limit(MAX_ASINS_PER_REQUEST)
    )
    with run.context.database.session() as session:
        return session.scalars(query).all()


def _settle(run: Run, asked: Sequence[str], answer: ProductBatch) -> int:
    found = {product.asin: product for product in answer.products}
    context = run.context
    verdicts = [judge(asin, found.get(asin), context.selection) for asin in asked]
    with run.commit() as session:
        apply_verdicts(session, context.domain_id, verdicts, context.clock.now(), context.fresh_for)
    run.rows += len(verdicts)
    return len(verdicts)


def judge(asin: str, product: Product | None, selection: Mapping[str, Any]) -> Verdict:
    """Whether a product still is a deal of the selection; the reason when it is none."""
    if product is None or product.stats is None:
        return Verdict(asin, EndedReason.PRODUCT_GONE)
    kind = price_type(selection)
    price = at(product.stats.current, kind)
    if price is None:
        return Verdict(asin, EndedReason.OUT_OF_STOCK)
    average = _average(product, kind, selection)
    columns = {"price": price, "sales_rank": at(product.stats.current, CsvType.SALES)}
    return Verdict(asin, _fault(price, average, columns["sales_rank"], selection), columns)


def _average(product: Product, kind: CsvType, selection: Mapping[str, Any]) -> int | None:
    """The average that the selection compares with; only month and 90 days come with every product."""
    stats = product.stats
    assert stats is not None
    month = int(selection.get("dateRange", Interval.DAYS_90)) == Interval.MONTH
    return at(stats.avg30 if month else stats.avg90, kind)


def _fault(
    price: int, average: int | None, rank: int | None, selection: Mapping[str, Any]
) -> EndedReason | None:
    ranges = selection if selection.get("isRangeEnabled") else {}
    least = ranges.get("deltaPercentRange", (0, 0))[0]
    if average is not None and (average <= price or round(100 * (average - price) / average) < least):
        return EndedReason.PRICE_RECOVERED
    if not _within(price, ranges.get("currentRange")) or not _within(rank, ranges.get("salesRankRange")):
        return EndedReason.NO_LONGER_MATCHES
    return None


def _within(value: int | None, bounds: Sequence[int] | None) -> bool:
    if bounds is None:
        return True
    low, high = bounds
    return value is not None and low <= value and (high == -1 or value <= high)
