"""Brings what a page of the feed shows, and lacks, into the table: in the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, case, func, or_, select, update
from sqlalchemy.orm import Session

from keepa_deals.db.models import Deal
from keepa_deals.db.open_deals import open_in
from keepa_deals.db.upsert import insert_points, lock_writers, touch_deals, upsert_deals
from keepa_deals.deals import lifecycle
from keepa_deals.deals.economics import calculation
from keepa_deals.deals.economics.calculation import EconomicsRow, PricedDeal
from keepa_deals.deals.economics.pricing import DEFAULT, Fulfilment, Pricing
from keepa_deals.deals.kinds import EndedReason
from keepa_deals.deals.lifecycle import Change, Life
from keepa_deals.ingest.columns import columns_of, names_of
from keepa_deals.ingest.events import EventRow, event_rows, note_changes, record
from keepa_deals.ingest.feed import families
from keepa_deals.ingest.feed.coverage import Coverage
from keepa_deals.ingest.feed.mapping import FeedRow

RANK_POINT_EVERY = timedelta(hours=1)
"""A change of rank alone makes a point of history at most this often; a change of price always."""
_SHOWN = tuple(name for name in names_of(FeedRow) if name != "keepa_updated_at")
"""The columns of a feed row that readers see."""


_OF_THE_FEED = tuple(name for name in names_of(PricedDeal) if name in names_of(FeedRow))
_DETAILS = tuple(name for name in names_of(PricedDeal) if name not in _OF_THE_FEED)
"""The columns of the feed, and of the enrichment, that the economics depend on."""


@dataclass(frozen=True, slots=True)
class FamilyRow:
    """Which variation is shown, and whether there are others."""

    shown_asin: str | None
    sibling_since: datetime | None
    has_siblings: bool


@dataclass(frozen=True, slots=True)
class StoredDeal(FeedRow):
    """What the table has of a deal, as far as a page of the feed goes by it."""

    first_seen_at: datetime
    last_seen_at: datetime
    found_at: datetime
    stale_noted_at: datetime | None
    ended_at: datetime | None
    ended_reason: EndedReason | None
    listed_at: datetime
    point_at: datetime | None
    changed_at: datetime
    fba_fee: int | None
    referral_fee_bp: int | None
    closing_fee: int | None
    return_rate: int | None
    package_length: int | None
    package_width: int | None
    package_height: int | None
    package_weight: int | None
    price_avg_180: int | None
    price_avg_365: int | None
    robust_price: int | None
    robust_sales: int | None
    price_low_year: int | None
    price_high_year: int | None
    rank_drops_90: int | None
    amazon_in_stock: bool | None
    buy_box_price: int | None
    shown_asin: str | None
    sibling_since: datetime | None
    has_siblings: bool

    @property
    def family(self) -> FamilyRow:
        return FamilyRow(self.shown_asin, self.sibling_since, self.has_siblings)


@dataclass(frozen=True, slots=True)
class SightRow:
    """That the feed showed a deal: where it stands is known again, and what was suspected of it is over."""

    last_seen_at: datetime
    listed_at: datetime
    unlisted_at: None = None
    suspected_reason: None = None


@dataclass(frozen=True, slots=True)
class WrittenDeal:
    """All that a page changes of a deal, or tells of a new one."""

    feed: FeedRow
    economics: EconomicsRow
    family: FamilyRow
    life: Life
    sight: SightRow
    point_at: datetime | None
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class TouchedDeal:
    """A deal of which nothing changed but when it was seen: most of a page."""

    domain_id: int
    asin: str
    keepa_updated_at: datetime
    sight: SightRow


@dataclass(frozen=True, slots=True)
class StoodForDeal:
    """A deal for which another variation stands in the feed: seen, and where, but not at what price."""

    domain_id: int
    asin: str
    life: Life
    sight: SightRow
    deal_created_at: datetime
    sibling_since: datetime
    changed_at: datetime
    has_siblings: bool = True


@dataclass(frozen=True, slots=True)
class PointRow:
    """A point of a deal's history."""

    at: datetime
    domain_id: int
    asin: str
    price: int | None
    price_avg_90: int | None
    sales_rank: int | None


def apply_listed(
    session: Session,
    rows: Sequence[FeedRow],
    at: datetime,
    fresh_for: timedelta,
    pricing: Pricing = DEFAULT,
    *,
    single: bool = False,
    first_read_at: datetime | None = None,
) -> int:
    """Write the deals that the feed showed at ``at``; how many rows that were.

    ``single``: the feed shows one variation for all of a product (see ``families``). ``first_read_at``: the
    table is being filled since that moment, and a deal that Keepa dates before it was there already.
    """
    if not rows:
        return 0
    lock_writers(session)
    domain_id = rows[0].domain_id
    known = _known(session, domain_id, [row.asin for row in rows])
    siblings = _siblings(session, domain_id, rows, known) if single else {}
    newest_first = sorted(rows, key=lambda row: row.deal_created_at, reverse=True)
    places = {row.asin: place for place, row in enumerate(newest_first)}
    page = _Page(at, fresh_for, pricing, places, first_read_at)
    for row in sorted(rows, key=lambda row: (row.asin in siblings, row.asin)):
        page.add(row, siblings.get(row.asin) or known.get(row.asin))
    touch_deals(session, [columns_of(deal) for deal in page.touched])
    touch_deals(session, [columns_of(deal) for deal in page.stood_for])
    upsert_deals(session, [columns_of(deal) for deal in page.written])
    insert_points(session, [columns_of(point) for point in page.points])
    record(session, page.events)
    note_changes(session, domain_id, page.changed_asins, at)
    return len(rows)


def _siblings(
    session: Session, domain_id: int, rows: Sequence[FeedRow], known: Mapping[str, StoredDeal]
) -> dict[str, StoredDeal]:
    """For each variation that has no open deal of its own: the deal of its family, if there is one."""
    strangers = [row.asin for row in rows if row.asin not in known or known[row.asin].ended_at]
    stand_in = families.open_siblings(session, domain_id, strangers)
    deals = _known(session, domain_id, sorted(set(stand_in.values()))) if stand_in else {}
    return {asin: deals[sibling] for asin, sibling in stand_in.items()}


@dataclass(slots=True)
class _Page:
    """What a page that the feed showed ``at`` changes, as rows to write."""

    at: datetime
    fresh_for: timedelta
    pricing: Pricing
    places: Mapping[str, int]
    """Of its deals by date, the newest first."""
    first_read_at: datetime | None = None
    written: list[WrittenDeal] = field(default_factory=list)
    touched: list[TouchedDeal] = field(default_factory=list)
    stood_for: list[StoodForDeal] = field(default_factory=list)
    points: list[PointRow] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)
    _taken: set[str] = field(default_factory=set)

    @property
    def changed_asins(self) -> list[str]:
        """The deals of which readers see something else than before."""
        changed = (deal for deal in self.stood_for if deal.changed_at == self.at)
        return [*(deal.feed.asin for deal in self.written), *(deal.asin for deal in changed)]

    def add(self, row: FeedRow, old: StoredDeal | None) -> None:
        """Take in one deal; ``old`` is what the table has of it, or of its family."""
        if old is not None and old.asin in self._taken:
            return  # two variations of one product on a page
        self._taken.add(row.asin if old is None else old.asin)
        life = None if old is None else lifecycle.life_of(old)
        was_present = self.first_read_at is not None and row.deal_created_at <= self.first_read_at
        life, changes = lifecycle.seen(life, self.at, self.fresh_for, was_present=was_present)
        life = self._in_order(life, row)
        sight = self._sight(life, old)
        if old is not None and self._only_stands_for(row, old):
            self._stand_for(row, old, life, changes, sight)
            return
        self._write(row, old, life, changes, sight)

    def _in_order(self, life: Life, row: FeedRow) -> Life:
        """Deals found at one moment are told apart by microseconds: sorted by it, they are newest first."""
        if life.found_at != self.at:
            return life
        found_at = self.at - timedelta(microseconds=self.places[row.asin])
        return replace(life, found_at=found_at, first_seen_at=min(life.first_seen_at, found_at))

    def _sight(self, life: Life, old: StoredDeal | None) -> SightRow:
        listed_at = self.at if old is None else max(self.at, min(old.listed_at, life.last_seen_at))
        return SightRow(life.last_seen_at, listed_at)

    def _only_stands_for(self, row: FeedRow, old: StoredDeal) -> bool:
        """Whether this is another variation than the one whose price is shown, and at another price.

        When that one has not been in the feed for half a window, this one takes its place.
        """
        if row.asin == (old.shown_asin or old.asin) or row.price == old.price:
            return False
        since = old.sibling_since or old.listed_at
        return since > self.at or self.at - since < self.fresh_for / 2

    def _stand_for(
        self, row: FeedRow, old: StoredDeal, life: Life, changes: Sequence[Change], sight: SightRow
    ) -> None:
        self.events += event_rows(old.domain_id, old.asin, changes)
        moved = changes or row.deal_created_at != old.deal_created_at
        self.stood_for.append(
            StoodForDeal(
                domain_id=old.domain_id,
                asin=old.asin,
                life=life,
                sight=sight,
                deal_created_at=row.deal_created_at,
                sibling_since=min(old.sibling_since or self.at, self.at),
                changed_at=self.at if moved else old.changed_at,
            )
        )

    def _write(
        self, row: FeedRow, old: StoredDeal | None, life: Life, changes: Sequence[Change], sight: SightRow
    ) -> None:
        at, asin = self.at, row.asin
        row = row if old is None else replace(row, asin=old.asin)
        is_another = asin != row.asin
        family = FamilyRow(
            shown_asin=asin if is_another else None,
            sibling_since=None,
            has_siblings=is_another or (old is not None and old.has_siblings),
        )
        wants_point = _wants_point(row, old, at)
        is_new = old is None or family != old.family or _looks_different(row, old)
        if old is not None and not (is_new or changes or wants_point):
            self.touched.append(TouchedDeal(row.domain_id, row.asin, row.keepa_updated_at, sight))
            return
        if wants_point:
            self.points.append(point_of(row, at))
        self.events += event_rows(row.domain_id, row.asin, changes)
        self.written.append(
            WrittenDeal(
                feed=row,
                economics=_economics(row, old, self.pricing),
                family=family,
                life=life,
                sight=sight,
                point_at=at if wants_point or old is None else old.point_at,
                changed_at=at if is_new or changes or old is None else old.changed_at,
            )
        )


def note_unlisted(session: Session, domain_id: int, coverage: Coverage, at: datetime) -> None:
    """Note the open deals that a page read at ``at`` would show if they stood where they stood.

    A suspicion, and no end; but the word of ``/product`` has carried such a deal far enough. To be called
    after that page's own deals were written: they count as listed.
    """
    is_open = open_in(domain_id)
    by_a_wrong_clock = Deal.listed_at > at + lifecycle.CLOCK_TOLERANCE
    mended = update(Deal).where(is_open, by_a_wrong_clock).values(listed_at=at - lifecycle.CLOCK_TOLERANCE)
    session.execute(mended, execution_options={"synchronize_session": False})
    unsuspected = or_(Deal.unlisted_at.is_(None), Deal.unlisted_at > at + lifecycle.CLOCK_TOLERANCE)
    statement = update(Deal).where(is_open, unsuspected, Deal.listed_at < at)
    if coverage.newest is not None:
        statement = statement.where(Deal.deal_created_at < coverage.newest)
    if coverage.oldest is not None:
        statement = statement.where(Deal.deal_created_at > coverage.oldest)
    if coverage.left_out:
        statement = statement.where(func.coalesce(Deal.shown_asin, Deal.asin).not_in(coverage.left_out))
    carried = and_(Deal.last_seen_at > Deal.listed_at, Deal.has_siblings.is_(False))
    values = {
        "unlisted_at": at,
        "last_seen_at": case((carried, Deal.listed_at), else_=Deal.last_seen_at),
    }
    session.execute(statement.values(values), execution_options={"synchronize_session": False})


def _known(session: Session, domain_id: int, asins: Sequence[str]) -> dict[str, StoredDeal]:
    """What the table has of these deals."""
    columns = [getattr(Deal, name) for name in names_of(StoredDeal)]
    query = select(*columns).where(Deal.domain_id == domain_id, Deal.asin.in_(asins))
    deals = (StoredDeal(*row) for row in session.execute(query))
    return {deal.asin: deal for deal in deals}


def _looks_different(row: FeedRow, old: StoredDeal) -> bool:
    return any(getattr(row, name) != getattr(old, name) for name in _SHOWN)


def _economics(row: FeedRow, old: StoredDeal | None, pricing: Pricing) -> EconomicsRow:
    """The economics of the deal as the feed shows it, with what is known of its product."""
    if pricing.fulfilment is Fulfilment.FBA and (old is None or calculation.known_fee(old.fba_fee) is None):
        return calculation.NO_ECONOMICS
    values: dict[str, Any] = {name: getattr(row, name) for name in _OF_THE_FEED}
    values |= {name: None if old is None else getattr(old, name) for name in _DETAILS}
    return calculation.of(PricedDeal(**values), pricing)


def _wants_point(row: FeedRow, old: StoredDeal | None, at: datetime) -> bool:
    if old is None or old.point_at is None or row.price != old.price:
        return True
    return row.sales_rank != old.sales_rank and at - old.point_at >= RANK_POINT_EVERY


def point_of(row: FeedRow | Deal, at: datetime) -> PointRow:
    """The price, average and rank of a deal from ``at`` on."""
    return PointRow(at, row.domain_id, row.asin, row.price, row.price_avg_90, row.sales_rank)
