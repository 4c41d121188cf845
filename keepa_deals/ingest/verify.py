"""Asks Keepa about deals that the feed no longer shows: do they still hold, and if not, why not?

Two kinds: *proven* gone, by a page on which they would have to stand (see ``reach``), and *missed*, which a
sweep went by without a proof and which are about to go stale. Of a proven one /product only tells the
reason: when it says that all holds, another condition of the selection does not. A missed one that holds
is confirmed and stays live.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_, select

from keepa_deals.db.models import Deal, EndedReason
from keepa_deals.errors import TokensUnavailableError
from keepa_deals.ingest.job import Run
from keepa_deals.ingest.lifecycle import CLOCK_TOLERANCE
from keepa_deals.ingest.memory import Memory
from keepa_deals.ingest.spending import read_few_products, read_products
from keepa_deals.ingest.store import Verdict, apply_verdicts
from keepa_deals.keepa.costs import MAX_ASINS_PER_REQUEST, ProductOptions
from keepa_deals.keepa.selection import price_type
from keepa_deals.keepa.types import CsvType, Interval, Product, ProductBatch, at

OPTIONS = ProductOptions(stats_days=90)
URGENT_PART = 6
"""A missed deal is asked for in the last sixth of the time for which it stays live."""
SETTLED_AT_ONCE = 500
"""Deals that end without a question, in one transaction."""


@dataclass(frozen=True, slots=True)
class Pending:
    """The deals to ask about, those closest to going stale first.

    ``deadline`` is when the first of the ``missed`` goes stale; ``None``: there are none.
    """

    missed: Sequence[str]
    gone: Sequence[str]
    deadline: datetime | None


def pending(run: Run, memory: Memory, asked: Collection[str] = ()) -> Pending:
    """What waits to be verified, but for those that this run has ``asked`` about, whatever came of it."""
    context = run.context
    now, window = context.clock.now(), context.fresh_for
    open_deals = and_(Deal.domain_id == context.domain_id, Deal.ended_at.is_(None), Deal.asin.not_in(asked))
    columns = select(Deal.asin, Deal.last_seen_at).order_by(Deal.last_seen_at).limit(MAX_ASINS_PER_REQUEST)
    about_stale = Deal.last_seen_at < now - window + window / URGENT_PART
    with context.database.session() as session:
        gone = session.execute(columns.where(open_deals, Deal.unlisted_at.is_not(None))).all()
        missed = session.execute(
            columns.where(open_deals, Deal.unlisted_at.is_(None), about_stale, _passed_by(memory))
        ).all()
    deadline = missed[0].last_seen_at + window if missed else None
    return Pending([row.asin for row in missed], [row.asin for row in gone], deadline)


def _passed_by(memory: Memory) -> ColumnElement[bool]:
    """The deals that a sweep should have shown and has not; none that lie beyond what is kept fresh."""
    passed: list[ColumnElement[bool]] = [false()]
    if memory.swept_since is not None:
        passed.append(Deal.listed_at < memory.swept_since)
    if memory.sweep is not None and memory.floor is not None:
        passed.append(and_(Deal.listed_at < memory.sweep.shows_since, Deal.deal_created_at > memory.floor))
    kept = Deal.deal_created_at >= memory.horizon if memory.horizon is not None else None
    return or_(*passed) if kept is None else and_(or_(*passed), kept)


def verify(run: Run, asins: Sequence[str], *, gone: bool) -> Collection[str]:
    """Ask about the first of ``asins``, as many as the tokens allow; which ones.

    With the tokens at hand for many, many; else as many as a small request pays.
    """
    few = asins[: run.context.settings.priority_pass_max_cost]
    asked: Sequence[str]
    try:
        if len(asins) <= len(few):
            asked, answer = few, read_few_products(run, few, OPTIONS)
        else:
            asked, answer = read_products(run, asins, OPTIONS, timeout=0.0)
    except TokensUnavailableError:
        asked, answer = few, read_few_products(run, few, OPTIONS)
    _settle(run, asked, answer, gone=gone)
    return asked


def _settle(run: Run, asked: Sequence[str], answer: ProductBatch, *, gone: bool) -> None:
    found = {product.asin: product for product in answer.products}
    context = run.context
    now = context.clock.now()
    readable = [asin for asin in asked if asin not in answer.unreadable]
    verdicts = [judge(asin, found.get(asin), context.selection) for asin in readable]
    if gone:
        verdicts += [Verdict(asin, EndedReason.NO_LONGER_MATCHES) for asin in answer.unreadable]
        verdicts = [_unlisted(verdict) if verdict.reason is None else verdict for verdict in verdicts]
    with run.commit() as session:
        apply_verdicts(session, context.domain_id, verdicts, now, context.fresh_for, context.pricing)
    run.rows += len(verdicts)


def _unlisted(verdict: Verdict) -> Verdict:
    """All that /product shows still holds, but the feed lists every match, and this deal is not in it."""
    return replace(verdict, reason=EndedReason.NO_LONGER_MATCHES)


def end_those_of_another_selection(run: Run, selected_at: datetime) -> int:
    """End what the feed of the present selection does not show and only an earlier one did; how many.

    That the selection no longer matches them is known. Deals of another Amazon locale are in no feed of it.
    """
    elsewhere = Deal.domain_id != run.context.domain_id
    return _end_unasked(
        run, or_(elsewhere, and_(Deal.unlisted_at.is_not(None), Deal.listed_at < selected_at))
    )


def end_those_not_asked_about(run: Run) -> int:
    """End what has been gone from the feed for a window, in which no token was left to ask why; how many.

    They would be called stale for ever, though the feed has said that the selection matches them no longer.
    """
    since = run.context.clock.now() - run.context.fresh_for
    return _end_unasked(run, and_(Deal.unlisted_at.is_not(None), Deal.unlisted_at < since))


def _end_unasked(run: Run, which: ColumnElement[bool]) -> int:
    """End open deals as no longer matching, without a token; how many."""
    context, settled = run.context, 0
    query = select(Deal.domain_id, Deal.asin).where(Deal.ended_at.is_(None), which).limit(SETTLED_AT_ONCE)
    while True:
        run.checkpoint()
        now = context.clock.now()
        with context.database.session() as session:
            rows = session.execute(query.where(_may_end(now))).all()
        if not rows:
            return settled
        with run.commit() as session:
            for domain in {domain for domain, _ in rows}:
                verdicts = [Verdict(a, EndedReason.NO_LONGER_MATCHES) for d, a in rows if d == domain]
                apply_verdicts(session, domain, verdicts, now, context.fresh_for)
        settled += len(rows)


def _may_end(now: datetime) -> ColumnElement[bool]:
    """The deals that were not seen later than ``now``, by a clock that has been set back since."""
    return or_(Deal.last_seen_at <= now, Deal.last_seen_at > now + CLOCK_TOLERANCE)


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
    """The average that the selection compares with; ``None`` for day and week, which no product tells."""
    stats = product.stats
    assert stats is not None
    match int(selection.get("dateRange", Interval.DAYS_90)):
        case Interval.MONTH:
            return at(stats.avg30, kind)
        case Interval.DAYS_90:
            return at(stats.avg90, kind)
    return None


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
