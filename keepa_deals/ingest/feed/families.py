"""Variations of one product that stand for each other: learned from ``/product``, one row a family.

With ``singleVariation`` Keepa shows one of the matching variations of a product, picked at random (docs:
Browsing Deals), perhaps another one with each query. So a sight of one is a sight of the family, and the
family has one row: the first that was found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from keepa_deals.db.models import Deal, DealVariation
from keepa_deals.db.open_deals import open_in
from keepa_deals.db.upsert import write_variations
from keepa_deals.deals import lifecycle
from keepa_deals.deals.kinds import EndedReason
from keepa_deals.ingest.feed.mapping import FeedRow
from keepa_deals.keepa.product import Product

MAX_VARIATIONS = 100
"""Of one product, in the order in which Keepa tells them; a shirt may have hundreds."""
FORGOTTEN_AFTER = timedelta(days=7)
"""A live deal is asked about every day, and its family is noted anew."""


def is_single(selection: Mapping[str, Any]) -> bool:
    """Whether Keepa shows one variation for all of a product."""
    return bool(selection.get("singleVariation"))


def family_of(product: Product) -> str | None:
    """The name of a product's family; ``None`` when it stands alone."""
    members = {product.asin, *product.variations}
    return product.parent_asin or (min(members) if len(members) > 1 else None)


def note_variations(session: Session, domain_id: int, products: Iterable[Product], at: datetime) -> set[str]:
    """Write down who belongs together; the families that were told."""
    rows: dict[str, dict[str, Any]] = {}
    for product in products:
        family = family_of(product)
        if family is not None:
            for asin in (product.asin, *product.variations[:MAX_VARIATIONS]):
                rows[asin] = {"domain_id": domain_id, "asin": asin, "family": family, "noted_at": at}
    write_variations(session, [rows[asin] for asin in sorted(rows)])
    return {row["family"] for row in rows.values()}


def open_siblings(session: Session, domain_id: int, asins: Sequence[str]) -> dict[str, str]:
    """For each of ``asins`` that belongs to the family of another open deal: that deal's ASIN.

    Of several the one that was found first.
    """
    if not asins:
        return {}
    mine, other = aliased(DealVariation), aliased(DealVariation)
    query = (
        select(mine.asin, Deal.asin)
        .join(other, (other.domain_id == mine.domain_id) & (other.family == mine.family))
        .join(Deal, (Deal.domain_id == other.domain_id) & (Deal.asin == other.asin))
        .where(mine.domain_id == domain_id, mine.asin.in_(asins), Deal.asin != mine.asin)
        .where(Deal.ended_at.is_(None))
        .order_by(Deal.first_seen_at.desc(), Deal.asin.desc())
    )
    rows = session.execute(query).all()
    return {asin: sibling for asin, sibling in rows}  # noqa: C416  # typed rows; the first found comes last


IN_A_FAMILY = exists().where(DealVariation.domain_id == Deal.domain_id, DealVariation.asin == Deal.asin)
"""Of a deal: ``/product`` has called it a variation, whether the feed has shown another one yet or not."""
_UNASKED = and_(Deal.enriched_at.is_(None), Deal.verified_at.is_(None))
"""Of such a deal ``/product`` has told nothing yet."""
MAX_STRANGERS = 50
"""On one page; more is a feed that is read for the first time, not variations that take turns."""


def with_family(session: Session, domain_id: int, asins: Sequence[str]) -> set[str]:
    """Those of ``asins`` that ``/product`` called variations of a product, others seen or not."""
    if not asins:
        return set()
    query = select(DealVariation.asin).where(
        DealVariation.domain_id == domain_id, DealVariation.asin.in_(asins)
    )
    return {*session.scalars(query)}


def likely_siblings(session: Session, rows: Sequence[FeedRow]) -> list[str]:
    """The ASINs that may be variations of open deals, of whose families nobody knows yet.

    Seen for the first time, at the very moment and price of a deal that this page does not show: it is worth
    a question before readers are told of a new deal.
    """
    strangers = _strangers(session, rows)
    if not strangers:
        return []
    moments = {row.deal_created_at for row in strangers}
    hidden = select(Deal.deal_created_at, Deal.price).where(*_not_on(rows), Deal.deal_created_at.in_(moments))
    there = {(moment, price) for moment, price in session.execute(hidden).all()}
    return [row.asin for row in strangers if (row.deal_created_at, row.price) in there]


def possible_siblings(session: Session, rows: Sequence[FeedRow]) -> list[str]:
    """The ASINs seen for the first time, while there are open deals whose variations nobody knows.

    ``/product`` has told nothing of one yet, or named its parent alone. A deal of that kind, that this page
    does not show, may have a variation here, at another date and price.
    """
    strangers = _strangers(session, rows)
    if not 0 < len(strangers) <= MAX_STRANGERS:
        return []
    alone = (
        select(func.min(DealVariation.asin))
        .where(DealVariation.domain_id == rows[0].domain_id)
        .group_by(DealVariation.family)
        .having(func.count() == 1)
    )
    unclear = select(Deal.asin).where(*_not_on(rows), or_(_UNASKED, Deal.asin.in_(alone)))
    if session.scalar(unclear.limit(1)) is None:
        return []
    return [row.asin for row in strangers]


def has_unknown(session: Session, domain_id: int) -> bool:
    """Whether there are open deals of which ``/product`` has told nothing yet."""
    unknown = select(Deal.asin).where(open_in(domain_id), _UNASKED)
    return session.scalar(unknown.limit(1)) is not None


def _strangers(session: Session, rows: Sequence[FeedRow]) -> list[FeedRow]:
    """The rows of deals that were never seen, and of which no family is known."""
    shown, domain_id = [row.asin for row in rows], rows[0].domain_id
    seen = select(Deal.asin).where(Deal.domain_id == domain_id, Deal.asin.in_(shown))
    told = select(DealVariation.asin).where(
        DealVariation.domain_id == domain_id, DealVariation.asin.in_(shown)
    )
    known = {*session.scalars(seen), *session.scalars(told)}
    return [row for row in rows if row.asin not in known]


def _not_on(rows: Sequence[FeedRow]) -> tuple[ColumnElement[bool], ...]:
    """The open deals that a page does not show."""
    shown = [row.asin for row in rows]
    return open_in(rows[0].domain_id), Deal.asin.not_in(shown)


def merge(
    session: Session, domain_id: int, families: Iterable[str], at: datetime, fresh_for: timedelta
) -> list[tuple[str, Sequence[lifecycle.Change]]]:
    """Let one open deal stand for each family, the first found; what ended for that, with its changes."""
    query = (
        select(Deal, DealVariation.family)
        .join(DealVariation, (DealVariation.domain_id == Deal.domain_id) & (DealVariation.asin == Deal.asin))
        .where(Deal.domain_id == domain_id, Deal.ended_at.is_(None))
        .where(DealVariation.family.in_(sorted(families)))
        .order_by(Deal.first_seen_at, Deal.asin)
    )
    members: dict[str, list[Deal]] = {}
    for deal, family in session.execute(query).all():
        members.setdefault(family, []).append(deal)
    ended: list[tuple[str, Sequence[lifecycle.Change]]] = []
    for first, *others in members.values():
        if others:
            first.has_siblings = True
            first.changed_at = at
            _stand_in(first, others)
        ended += [(deal.asin, _end_merged(deal, at, fresh_for)) for deal in others]
    return ended


def _stand_in(first: Deal, others: Sequence[Deal]) -> None:
    """The one that stays was seen whenever one of the family was."""
    latest = max((first, *others), key=lambda deal: deal.listed_at)
    if latest is not first:
        first.listed_at, first.deal_created_at = latest.listed_at, latest.deal_created_at
        first.unlisted_at = first.suspected_reason = None
        first.last_seen_at = max(first.last_seen_at, latest.last_seen_at)
        first.sibling_since = first.sibling_since or latest.listed_at


def _end_merged(deal: Deal, at: datetime, fresh_for: timedelta) -> Sequence[lifecycle.Change]:
    life, changes = lifecycle.end(lifecycle.life_of(deal), EndedReason.MERGED, at, fresh_for)
    lifecycle.store(life, deal)
    deal.changed_at = at
    return changes
