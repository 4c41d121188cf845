"""The connected seller: whether Amazon answers, and what waits to be asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from keepa_deals.db.models import ListingCheck, SellerAccount
from keepa_deals.health.error_text import redact
from keepa_deals.health.metric import AnyMetric, gauge
from keepa_deals.health.part import Json, Part, Snapshot, Sources
from keepa_deals.humanize import iso


@dataclass(frozen=True, slots=True)
class SellerHealth:
    """How the last calls of Amazon went. Without a seller ``connected_at`` is ``None``, all else empty."""

    connected_at: datetime | None = None
    answered_at: datetime | None = None
    refusal: str | None = None
    """Why Amazon refuses the credentials, in one line."""
    refused_at: datetime | None = None
    trouble: str | None = None
    """What else kept the last call from being answered."""
    trouble_at: datetime | None = None
    known: int = 0
    """Products of which the answer is known."""
    oldest_wanted_at: datetime | None = None
    """Since when somebody waits for an answer."""


def read(connection: Connection) -> SellerHealth:
    """The state of the seller's account."""
    checks = ListingCheck.__table__.c
    row = connection.execute(select(SellerAccount.__table__)).first()
    if row is None:
        return SellerHealth()
    known = select(func.count()).where(checks.may_sell.is_not(None))
    oldest = select(func.min(checks.wanted_at)).where(checks.wanted_at.is_not(None))
    return SellerHealth(
        connected_at=row.connected_at,
        answered_at=row.answered_at,
        refusal=redact(row.refusal) if row.refusal else None,
        refused_at=row.refused_at,
        trouble=redact(row.trouble) if row.trouble else None,
        trouble_at=row.trouble_at,
        known=connection.scalar(known) or 0,
        oldest_wanted_at=connection.scalar(oldest),
    )


def _read(sources: Sources) -> SellerHealth:
    with sources.engine().connect() as connection:
        return read(connection)


def _to_json(snapshot: Snapshot) -> Json:
    state = snapshot.value(PART)
    if state is None:
        return {"seller": None}
    return {
        "seller": {
            "connected_at": iso(state.connected_at),
            "answered_at": iso(state.answered_at),
            "refusal": state.refusal,
            "trouble": state.trouble,
            "products_known": state.known,
            "oldest_wanted_at": iso(state.oldest_wanted_at),
        }
    }


def _metrics(snapshot: Snapshot) -> Iterator[AnyMetric]:
    state = snapshot.value(PART)
    if state is None or state.connected_at is None:
        return
    yield from gauge("seller_refused", "1 while Amazon refuses the seller's credentials", bool(state.refusal))
    yield from gauge("seller_unanswered", "1 while the seller's last call had no answer", bool(state.trouble))
    yield from gauge("seller_products_known", "Products that Amazon answered about", state.known)
    if state.answered_at is not None:
        age = (snapshot.taken_at - state.answered_at).total_seconds()
        yield from gauge("seller_last_answer_age_seconds", "Seconds since Amazon answered the seller", age)


PART: Part[SellerHealth] = Part("seller", _read, _to_json, _metrics)
