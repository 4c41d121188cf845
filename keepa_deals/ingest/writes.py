"""Brings what a page of the feed shows, and lacks, into the table: in the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from sqlalchemy import and_, case, func, or_, select, update
from sqlalchemy.orm import Session

from keepa_deals.db.models import Deal
from keepa_deals.db.upsert import KEY, insert_points, lock_writers, touch_deals, upsert_deals
from keepa_deals.deals import economics, lifecycle
from keepa_deals.deals.economics import DEFAULT, Pricing
from keepa_deals.deals.lifecycle import Change, Life
from keepa_deals.ingest.events import EventRow, event_rows, record
from keepa_deals.ingest.feed import families
from keepa_deals.ingest.feed.coverage import Coverage
from keepa_deals.ingest.feed.mapping import FeedRow

RANK_POINT_EVERY = timedelta(hours=1)
"""A change of rank alone makes a point of history at most this often; a change of price always."""
_UNSHOWN = frozenset({"keepa_updated_at"})

_LIFE = (
    Deal.first_seen_at,
    Deal.last_seen_at,
    Deal.found_at,
    Deal.stale_noted_at,
    Deal.ended_at,
    Deal.ended_reason,
)
_DETAILS = ("fba_fee", "referral_fee_bp", "buy_box_price")
_FAMILY = ("shown_asin", "sibling_since", "has_siblings")
_REST = (
    Deal.listed_at,
    Deal.point_at,
    Deal.changed_at,
    *(getattr(Deal, name) for name in (*_DETAILS, *_FAMILY)),
)
_POINT = ("domain_id", "asin", "price", "price_avg_90", "sales_rank")
Known = Mapping[str, Any]
"""A stored deal: its columns by name."""


def apply_listed(
    session: Session,
    rows: Sequence[FeedRow],
    at: datetime,
    fresh_for: timedelta,
    pricing: Pricing = DEFAULT,
    *,
    single: bool = False,
) -> int:
    """Write the deals that the feed showed at ``at``; how many rows that were.

    ``single``: the feed shows one variation for all of a product (see ``families``).
    """
    if not rows:
        return 0
    lock_writers(session)
    domain_id = rows[0]["domain_id"]
    known = _known(session, domain_id, [row["asin"] for row in rows], rows[0])
    siblings = _siblings(session, domain_id, rows, known) if single else {}
    page = _Page(at, fresh_for, pricing)
    for row in sorted(rows, key=lambda row: (row["asin"] in siblings, str(row["asin"]))):
        page.add(row, siblings.get(row["asin"]) or known.get(row["asin"]))
    touch_deals(session, page.touched)
    touch_deals(session, page.stood_for)
    upsert_deals(session, page.written)
    insert_points(session, page.points)
    record(session, page.events)
    return len(rows)


def _siblings(
    session: Session, domain_id: int, rows: Sequence[FeedRow], known: Mapping[str, Known]
) -> dict[str, Known]:
    """For each variation that has no open deal of its own: the deal of its family, if there is one."""
    strangers = [r["asin"] for r in rows if r["asin"] not in known or known[r["asin"]]["ended_at"]]
    stand_in = families.open_siblings(session, domain_id, strangers)
    deals = _known(session, domain_id, sorted(set(stand_in.values())), rows[0]) if stand_in else {}
    return {asin: deals[sibling] for asin, sibling in stand_in.items()}


@dataclass(slots=True)
class _Page:
    """What a page that the feed showed ``at`` changes, as rows to write."""

    at: datetime
    fresh_for: timedelta
    pricing: Pricing
    written: list[dict[str, Any]] = field(default_factory=list)
    touched: list[dict[str, Any]] = field(default_factory=list)
    """Deals of which nothing changed but when they were seen: most of a page."""
    stood_for: list[dict[str, Any]] = field(default_factory=list)
    """Deals for which another variation stands in the feed: seen, and where, but not at what price."""
    points: list[dict[str, Any]] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)
    _taken: set[str] = field(default_factory=set)

    def add(self, row: FeedRow, old: Known | None) -> None:
        """Take in one deal; ``old`` is what the table has of it, or of its family."""
        if old is not None and old["asin"] in self._taken:
            return  # two variations of one product on a page
        self._taken.add(row["asin"] if old is None else old["asin"])
        life, changes = lifecycle.seen(_life(old), self.at, self.fresh_for)
        seen = self._seen(life, old)
        if old is not None and self._only_stands_for(row, old):
            self._stand_for(row, old, life, changes, seen)
            return
        self._write(row, old, life, changes, seen)

    def _seen(self, life: Life, old: Known | None) -> dict[str, Any]:
        listed_at = self.at if old is None else max(self.at, min(old["listed_at"], life.last_seen_at))
        return {
            "last_seen_at": life.last_seen_at,
            "listed_at": listed_at,
            "unlisted_at": None,
            "suspected_reason": None,
        }

    def _only_stands_for(self, row: FeedRow, old: Known) -> bool:
        """Whether this is another variation than the one whose price is shown, and at another price.

        When that one has not been in the feed for half a window, this one takes its place.
        """
        if row["asin"] == (old["shown_asin"] or old["asin"]) or row["price"] == old["price"]:
            return False
        since = old["sibling_since"] or old["listed_at"]
        return bool(since > self.at or self.at - since < self.fresh_for / 2)

    def _stand_for(
        self, row: FeedRow, old: Known, life: Life, changes: Sequence[Change], seen: Mapping[str, Any]
    ) -> None:
        self.events += event_rows(old["domain_id"], old["asin"], changes)
        moved = changes or row["deal_created_at"] != old["deal_created_at"]
        key = {name: old[name] for name in KEY}
        self.stood_for.append(
            {
                **key,
                **_columns(life),
                **seen,
                "deal_created_at": row["deal_created_at"],
                "sibling_since": min(old["sibling_since"] or self.at, self.at),
                "has_siblings": True,
                "changed_at": self.at if moved else old["changed_at"],
            }
        )

    def _write(
        self, row: FeedRow, old: Known | None, life: Life, changes: Sequence[Change], seen: dict[str, Any]
    ) -> None:
        at, asin = self.at, row["asin"]
        row = row if old is None else {**row, "asin": old["asin"]}
        family = {
            "shown_asin": None if asin == row["asin"] else asin,
            "sibling_since": None,
            "has_siblings": asin != row["asin"] or (old is not None and old["has_siblings"]),
        }
        point = _wants_point(row, old, at)
        shown = old is None or any(row[k] != old[k] for k in row if k not in _UNSHOWN)
        shown = shown or old is None or any(family[name] != old[name] for name in _FAMILY)
        if old is not None and not (shown or changes or point):
            self.touched.append({name: row[name] for name in (*KEY, *_UNSHOWN)} | seen)
            return
        if point:
            self.points.append(_point(row, at))
        self.events += event_rows(row["domain_id"], row["asin"], changes)
        moments = {
            "point_at": at if point else old and old["point_at"],
            "changed_at": at if shown or changes or old is None else old["changed_at"],
        }
        worth = _economics(row, old, self.pricing)
        self.written.append({**row, **worth, **family, **_columns(life), **seen, **moments})


def note_unlisted(session: Session, domain_id: int, coverage: Coverage, at: datetime) -> None:
    """Note the open deals that a page read at ``at`` would show if they stood where they stood.

    A suspicion, and no end; but the word of ``/product`` has carried such a deal far enough. To be called
    after that page's own deals were written: they count as listed.
    """
    is_open = (Deal.domain_id == domain_id, Deal.ended_at.is_(None))
    by_a_wrong_clock = Deal.listed_at > at + lifecycle.CLOCK_TOLERANCE
    mended = update(Deal).where(*is_open, by_a_wrong_clock).values(listed_at=at - lifecycle.CLOCK_TOLERANCE)
    session.execute(mended, execution_options={"synchronize_session": False})
    unsuspected = or_(Deal.unlisted_at.is_(None), Deal.unlisted_at > at + lifecycle.CLOCK_TOLERANCE)
    statement = update(Deal).where(*is_open, unsuspected, Deal.listed_at < at)
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


def _known(
    session: Session, domain_id: int, asins: Sequence[str], columns: Iterable[str]
) -> dict[str, Known]:
    """What the table has of these deals: the named columns, and what a page needs besides."""
    wanted = [getattr(Deal, name) for name in columns]
    query = select(*wanted, *_LIFE, *_REST).where(Deal.domain_id == domain_id, Deal.asin.in_(asins))
    return {row["asin"]: dict(row) for row in session.execute(query).mappings()}


def _life(old: Known | None) -> Life | None:
    return None if old is None else lifecycle.life_of(SimpleNamespace(**old))


def _columns(life: Life) -> dict[str, Any]:
    return {field.key: getattr(life, field.key) for field in _LIFE}


def _economics(row: FeedRow, old: Mapping[str, Any] | None, pricing: Pricing) -> dict[str, int | None]:
    """What the deal is worth at its new price, with the fees that are known of it."""
    if old is None or economics.known_fee(old["fba_fee"]) is None or old["referral_fee_bp"] is None:
        return economics.UNKNOWN
    known = {**row, **{name: old[name] for name in _DETAILS}}
    return economics.of(SimpleNamespace(**known), pricing)


def _wants_point(row: FeedRow, old: Mapping[str, Any] | None, at: datetime) -> bool:
    if old is None or old["point_at"] is None or row["price"] != old["price"]:
        return True
    return bool(row["sales_rank"] != old["sales_rank"] and at - old["point_at"] >= RANK_POINT_EVERY)


def _point(row: FeedRow, at: datetime) -> dict[str, Any]:
    return {"at": at, **{name: row[name] for name in _POINT}}
