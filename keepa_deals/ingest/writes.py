"""Brings what Keepa said into the table: state, changes of state and history, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from sqlalchemy import and_, case, func, insert, or_, select, update
from sqlalchemy.orm import Session

from keepa_deals.db.models import Deal, DealEvent
from keepa_deals.db.upsert import KEY, insert_points, lock_writers, touch_deals, upsert_deals
from keepa_deals.deals import economics, lifecycle
from keepa_deals.deals.economics import DEFAULT, Pricing
from keepa_deals.deals.kinds import EndedReason
from keepa_deals.deals.lifecycle import Change, Life
from keepa_deals.ingest.feed import families
from keepa_deals.ingest.feed.coverage import Reach
from keepa_deals.ingest.feed.mapping import FeedRow, percentages

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
    events: list[dict[str, Any]] = field(default_factory=list)
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


def note_unlisted(session: Session, domain_id: int, reach: Reach, at: datetime) -> None:
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
    if reach.newest is not None:
        statement = statement.where(Deal.deal_created_at < reach.newest)
    if reach.oldest is not None:
        statement = statement.where(Deal.deal_created_at > reach.oldest)
    if reach.left_out:
        statement = statement.where(func.coalesce(Deal.shown_asin, Deal.asin).not_in(reach.left_out))
    carried = and_(Deal.last_seen_at > Deal.listed_at, Deal.has_siblings.is_(False))
    values = {
        "unlisted_at": at,
        "last_seen_at": case((carried, Deal.listed_at), else_=Deal.last_seen_at),
    }
    session.execute(statement.values(values), execution_options={"synchronize_session": False})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What ``/product`` says of a deal: ``reason`` is why it is over, ``None`` when it still holds.

    Not ``known``: the answer tells nothing of it, and all that was found out is that it was asked about.
    """

    asin: str
    reason: EndedReason | None
    columns: Mapping[str, Any] = field(default_factory=dict)
    known: bool = True


def apply_verdicts(
    session: Session,
    domain_id: int,
    verdicts: Sequence[Verdict],
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
    asins = [verdict.asin for verdict in verdicts]
    query = select(Deal).where(Deal.domain_id == domain_id, Deal.asin.in_(asins))
    deals = {deal.asin: deal for deal in session.scalars(query)}
    related = families.with_family(session, domain_id, [v.asin for v in verdicts if v.reason])
    for deal in deals.values():
        deal.has_siblings = deal.has_siblings or deal.asin in related
    for verdict in sorted(verdicts, key=lambda verdict: verdict.asin):
        if verdict.asin in deals:
            changes = _apply_verdict(
                session, deals[verdict.asin], verdict, at, fresh_for, pricing, carried_for
            )
            record(session, event_rows(domain_id, verdict.asin, changes))


def _apply_verdict(
    session: Session,
    deal: Deal,
    verdict: Verdict,
    at: datetime,
    fresh_for: timedelta,
    pricing: Pricing,
    carried_for: timedelta,
) -> Sequence[Change]:
    if deal.ended_at is not None:
        return ()
    deal.verified_at = at
    if not verdict.known:
        return ()
    life, changes = _judged(deal, verdict, at, fresh_for, carried_for)
    old_price = deal.price
    told = {} if verdict.reason and not changes else verdict.columns  # another variation is listed at its own
    for name, value in (*told.items(), *_columns(life).items()):
        setattr(deal, name, value)
    if changes or told:
        deal.changed_at = at
    if deal.price != old_price:
        for name, value in {**economics.of(deal, pricing), **percentages(deal)}.items():
            setattr(deal, name, value)
        deal.point_at = at
        insert_points(session, [{"at": at, **{name: getattr(deal, name) for name in _POINT}}])
    return changes


def _judged(
    deal: Deal, verdict: Verdict, at: datetime, fresh_for: timedelta, carried_for: timedelta
) -> tuple[Life, Sequence[Change]]:
    """The life after the verdict: that the price holds is a sight of a deal, but of no suspect.

    Where the feed lacks it, it knows a condition that ``/product`` does not show. One without a suspicion has
    slipped through between two pages. A "no" about one variation is not the end of a family.
    """
    before = lifecycle.life_of(deal)
    if verdict.reason is None:
        if verdict.columns.get("price", deal.price) != deal.price:
            deal.unlisted_at = None  # it has been repriced: that is why it is not where it stood
        deal.suspected_reason = EndedReason.NO_LONGER_LISTED
        if deal.unlisted_at is not None and not deal.has_siblings:
            return before, ()
        return lifecycle.confirmed(before, at, deal.listed_at + carried_for, fresh_for)
    if deal.has_siblings:
        deal.suspected_reason = verdict.reason
        deal.unlisted_at = deal.unlisted_at or at
        return before, ()
    return lifecycle.end(before, verdict.reason, at, fresh_for)


def end_deals(
    session: Session,
    domain_id: int,
    reasons: Mapping[str, EndedReason],
    at: datetime,
    fresh_for: timedelta,
) -> None:
    """End open deals, by ASIN, for these reasons."""
    lock_writers(session)
    query = select(Deal).where(Deal.domain_id == domain_id, Deal.asin.in_(sorted(reasons)))
    for deal in session.scalars(query):
        life, changes = lifecycle.end(lifecycle.life_of(deal), reasons[deal.asin], at, fresh_for)
        for name, value in _columns(life).items():
            setattr(deal, name, value)
        if changes:
            deal.changed_at = at
        record(session, event_rows(domain_id, deal.asin, changes))


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
