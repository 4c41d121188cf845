"""Brings what ``/product`` said of deals into the table: in the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from keepa_deals.db.models import Deal
from keepa_deals.db.upsert import insert_points, lock_writers
from keepa_deals.deals import lifecycle
from keepa_deals.deals.economics import calculation
from keepa_deals.deals.economics.pricing import DEFAULT, Pricing
from keepa_deals.deals.kinds import EndedReason
from keepa_deals.deals.lifecycle import Change, Life
from keepa_deals.ingest.columns import columns_of, store
from keepa_deals.ingest.events import event_rows, note_changes, record
from keepa_deals.ingest.feed import families
from keepa_deals.ingest.feed.mapping import percentages
from keepa_deals.ingest.upsert.matching import MatchResult
from keepa_deals.ingest.writes import point_of


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer of ``/product`` that came ``at`` a moment, and how it counts."""

    at: datetime
    fresh_for: timedelta
    pricing: Pricing
    carried_for: timedelta
    related: Collection[str]
    """The ASINs that are variations of a product, whether the feed has shown others or not."""


def apply_match_results(
    session: Session,
    domain_id: int,
    results: Sequence[MatchResult],
    at: datetime,
    fresh_for: timedelta,
    pricing: Pricing = DEFAULT,
    *,
    carried_for: timedelta,
) -> None:
    """Write what was found out at ``at`` about deals that the feed no longer shows where they stood.

    That a price holds is a sight of its deal until ``carried_for`` after the feed showed it last.
    """
    lock_writers(session)
    asins = [result.asin for result in results]
    query = select(Deal).where(Deal.domain_id == domain_id, Deal.asin.in_(asins))
    deals = {deal.asin: deal for deal in session.scalars(query)}
    related = families.with_family(session, domain_id, asins)
    for result in results:
        if result.reason and result.asin in related and result.asin in deals:
            deals[result.asin].has_siblings = True
    answer = _Answer(at, fresh_for, pricing, carried_for, related)
    for result in sorted(results, key=lambda result: result.asin):
        if result.asin in deals:
            changes = _apply(session, deals[result.asin], result, answer)
            record(session, event_rows(domain_id, result.asin, changes))
    note_changes(session, domain_id, [asin for asin, deal in deals.items() if deal.changed_at == at], at)


def _apply(session: Session, deal: Deal, result: MatchResult, answer: _Answer) -> Sequence[Change]:
    if deal.ended_at is not None:
        return ()
    deal.verified_at = answer.at
    if not result.known:
        return ()
    life, changes = _life_after(deal, result, answer)
    old_price = deal.price
    is_of_another = bool(result.reason and not changes)  # another variation is listed, at its own price
    tells_price = result.price is not None and not is_of_another
    if tells_price:
        deal.price, deal.sales_rank = result.price, result.sales_rank
    lifecycle.store(life, deal)
    if changes or tells_price:
        deal.changed_at = answer.at
    if deal.price != old_price:
        _reprice(session, deal, answer)
    return changes


def _reprice(session: Session, deal: Deal, answer: _Answer) -> None:
    """What follows from a new price: the percentages, the economics, a point of history."""
    store(calculation.of(deal, answer.pricing), deal)
    for name, value in percentages(deal).items():
        setattr(deal, name, value)
    deal.point_at = answer.at
    insert_points(session, [columns_of(point_of(deal, answer.at))])


def _life_after(deal: Deal, result: MatchResult, answer: _Answer) -> tuple[Life, Sequence[Change]]:
    """The life after the answer: that the price holds is a sight of a deal, but of no suspect.

    Where the feed lacks it, it knows a condition that ``/product`` does not show. One without a suspicion has
    slipped through between two pages. A "no" about one variation is not the end of a family. Of one whose
    others the feed has never shown a sweep may have met none by chance: it is carried for one window.
    """
    before = lifecycle.life_of(deal)
    if result.reason is None:
        if result.price is not None and result.price != deal.price:
            deal.unlisted_at = None  # it has been repriced: that is why it is not where it stood
        deal.suspected_reason = EndedReason.NO_LONGER_LISTED
        carried_for = answer.carried_for
        if deal.unlisted_at is not None and not deal.has_siblings:
            if deal.asin not in answer.related:
                return before, ()
            carried_for = answer.fresh_for
        seen_until = deal.listed_at + carried_for
        return lifecycle.confirmed(before, answer.at, seen_until, answer.fresh_for)
    if deal.has_siblings:
        deal.suspected_reason = result.reason
        deal.unlisted_at = deal.unlisted_at or answer.at
        return before, ()
    return lifecycle.end(before, result.reason, answer.at, answer.fresh_for)
