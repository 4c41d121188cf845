"""Brings what Keepa said into the table: state, changes of state and history, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from sqlalchemy import insert, or_, select, update
from sqlalchemy.orm import Session

from keepa_deals.db.models import Deal, DealEvent, EndedReason
from keepa_deals.db.upsert import KEY, insert_points, lock_writers, touch_deals, upsert_deals
from keepa_deals.ingest import economics, lifecycle
from keepa_deals.ingest.economics import DEFAULT, Pricing
from keepa_deals.ingest.lifecycle import Change, Life
from keepa_deals.ingest.reach import Reach
from keepa_deals.ingest.rows import FeedRow, percentages

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
_REST = (Deal.listed_at, Deal.point_at, Deal.changed_at, *(getattr(Deal, name) for name in _DETAILS))
_POINT = ("domain_id", "asin", "price", "price_avg_90", "sales_rank")


def apply_listed(
    session: Session,
    rows: Sequence[FeedRow],
    at: datetime,
    fresh_for: timedelta,
    pricing: Pricing = DEFAULT,
) -> int:
    """Write the deals that the feed showed at ``at``; how many rows that were."""
    if not rows:
        return 0
    lock_writers(session)
    known = _known(session, rows)
    page = _Page(at, fresh_for, pricing)
    for row in sorted(rows, key=lambda row: str(row["asin"])):
        page.add(row, known.get(row["asin"]))
    touch_deals(session, page.touched)
    upsert_deals(session, page.written)
    insert_points(session, page.points)
    record(session, page.events)
    return len(rows)


@dataclass(slots=True)
class _Page:
    """What a page that the feed showed ``at`` changes, as rows to write."""

    at: datetime
    fresh_for: timedelta
    pricing: Pricing
    written: list[dict[str, Any]] = field(default_factory=list)
    touched: list[dict[str, Any]] = field(default_factory=list)
    """Deals of which nothing changed but when they were seen: most of a page."""
    points: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    def add(self, row: FeedRow, old: Mapping[str, Any] | None) -> None:
        """Take in one deal; ``old`` is what the table has of it."""
        at = self.at
        life, changes = lifecycle.seen(_life(old), at, self.fresh_for)
        listed_at = at if old is None else max(at, min(old["listed_at"], life.last_seen_at))
        seen = {"last_seen_at": life.last_seen_at, "listed_at": listed_at, "unlisted_at": None}
        point = _wants_point(row, old, at)
        shown = old is None or any(row[k] != old[k] for k in row if k not in _UNSHOWN)
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
        self.written.append({**row, **worth, **_columns(life), **seen, **moments})


def note_unlisted(session: Session, domain_id: int, reach: Reach, at: datetime) -> None:
    """Note the open deals that a page read at ``at`` would show if the feed still had them.

    To be called after that page's own deals were written: they count as listed at ``at``.
    """
    by_a_wrong_clock = Deal.listed_at > at + lifecycle.CLOCK_TOLERANCE
    statement = update(Deal).where(
        Deal.domain_id == domain_id,
        Deal.ended_at.is_(None),
        Deal.unlisted_at.is_(None),
        or_(Deal.listed_at < at, by_a_wrong_clock),
    )
    if reach.newest is not None:
        statement = statement.where(Deal.deal_created_at < reach.newest)
    if reach.oldest is not None:
        statement = statement.where(Deal.deal_created_at > reach.oldest)
    session.execute(statement.values(unlisted_at=at), execution_options={"synchronize_session": False})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What ``/product`` says of a deal: ``reason`` is why it ended, ``None`` when it still holds."""

    asin: str
    reason: EndedReason | None
    columns: Mapping[str, Any] = field(default_factory=dict)


def apply_verdicts(
    session: Session,
    domain_id: int,
    verdicts: Sequence[Verdict],
    at: datetime,
    fresh_for: timedelta,
    pricing: Pricing = DEFAULT,
) -> None:
    """Write what was found out at ``at`` about deals that the feed no longer shows."""
    lock_writers(session)
    asins = [verdict.asin for verdict in verdicts]
    query = select(Deal).where(Deal.domain_id == domain_id, Deal.asin.in_(asins))
    deals = {deal.asin: deal for deal in session.scalars(query)}
    for verdict in sorted(verdicts, key=lambda verdict: verdict.asin):
        if verdict.asin in deals:
            changes = _apply_verdict(session, deals[verdict.asin], verdict, at, fresh_for, pricing)
            record(session, event_rows(domain_id, verdict.asin, changes))


def _apply_verdict(
    session: Session, deal: Deal, verdict: Verdict, at: datetime, fresh_for: timedelta, pricing: Pricing
) -> Sequence[Change]:
    before = Life(
        deal.first_seen_at,
        deal.last_seen_at,
        deal.found_at,
        deal.stale_noted_at,
        deal.ended_at,
        deal.ended_reason,
    )
    if verdict.reason is None:
        life, changes = lifecycle.seen(before, at, fresh_for)
    else:
        life, changes = lifecycle.end(before, verdict.reason, at, fresh_for)
    old_price = deal.price
    for name, value in (*verdict.columns.items(), *_columns(life).items(), ("verified_at", at)):
        setattr(deal, name, value)
    if changes or verdict.columns:
        deal.changed_at = at
    if deal.price != old_price:
        for name, value in {**economics.of(deal, pricing), **percentages(deal)}.items():
            setattr(deal, name, value)
        deal.point_at = at
        insert_points(session, [{"at": at, **{name: getattr(deal, name) for name in _POINT}}])
    return changes


def event_rows(domain_id: int, asin: str, changes: Iterable[Change]) -> list[dict[str, Any]]:
    """The changes of one deal as rows of ``deal_events``."""
    return [
        {"domain_id": domain_id, "asin": asin, "at": c.at, "kind": c.kind, "reason": c.reason}
        for c in changes
    ]


def record(session: Session, events: Sequence[Mapping[str, Any]]) -> None:
    """Write changes of state."""
    if events:
        session.connection().execute(insert(DealEvent), [dict(event) for event in events])


def _known(session: Session, rows: Sequence[FeedRow]) -> dict[str, Mapping[str, Any]]:
    columns = [getattr(Deal, name) for name in rows[0]]
    query = select(*columns, *_LIFE, *_REST).where(
        Deal.domain_id == rows[0]["domain_id"], Deal.asin.in_([row["asin"] for row in rows])
    )
    return {row["asin"]: dict(row) for row in session.execute(query).mappings()}


def _life(old: Mapping[str, Any] | None) -> Life | None:
    if old is None:
        return None
    return Life(
        first_seen_at=old["first_seen_at"],
        last_seen_at=old["last_seen_at"],
        found_at=max(old["found_at"], old["first_seen_at"]),
        stale_noted_at=old["stale_noted_at"],
        ended_at=old["ended_at"],
        ended_reason=old["ended_reason"],
    )


def _columns(life: Life) -> dict[str, Any]:
    return {field.key: getattr(life, field.key) for field in _LIFE}


def _economics(row: FeedRow, old: Mapping[str, Any] | None, pricing: Pricing) -> dict[str, int | None]:
    """What the deal is worth at its new price, with the fees that are known of it."""
    if old is None or old["fba_fee"] is None or old["referral_fee_bp"] is None:
        return economics.UNKNOWN
    known = {**row, **{name: old[name] for name in _DETAILS}}
    return economics.of(SimpleNamespace(**known), pricing)


def _wants_point(row: FeedRow, old: Mapping[str, Any] | None, at: datetime) -> bool:
    if old is None or old["point_at"] is None or row["price"] != old["price"]:
        return True
    return bool(row["sales_rank"] != old["sales_rank"] and at - old["point_at"] >= RANK_POINT_EVERY)


def _point(row: FeedRow, at: datetime) -> dict[str, Any]:
    return {"at": at, **{name: row[name] for name in _POINT}}
