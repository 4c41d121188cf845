"""Messages on their way, put into the table in the transaction of whoever causes them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from keepa_deals.alerts.rules import Rule, Trigger
from keepa_deals.alerts.schedule import due_at
from keepa_deals.db.models import Delivery, DeliveryState, MessageKind

MAX_AT_ONCE = 5
"""Deals that are told one by one; more of them at a moment become one digest."""
GATHERED_FOR = timedelta(seconds=20)
"""For so long a digest that nobody asked for waits for the rest of them."""
MAX_DEALS = 200
"""Deals that a digest keeps; of more, it knows how many."""


@dataclass(frozen=True, slots=True)
class Tiding:
    """What happened to a deal that an alert tells."""

    domain_id: int
    asin: str
    trigger: Trigger
    price: int | None
    at: datetime
    """The occasion: see ``AlertMemory``."""

    def to_json(self) -> list[Any]:
        return [self.domain_id, self.asin, str(self.trigger), self.price]


def put(
    session: Session,
    alert_id: int,
    channels: Sequence[int],
    rule: Rule,
    tidings: Sequence[Tiding],
    now: datetime,
) -> None:
    """Leave what an alert tells for each of its channels: deal by deal, or gathered."""
    due = due_at(rule.digest, rule.quiet, now)
    for channel_id in channels:
        if _gathered(session, alert_id, channel_id, tidings):
            continue
        if due == now and len(tidings) <= MAX_AT_ONCE:
            for tiding in tidings:
                _insert(session, MessageKind.DEAL, alert_id, channel_id, [tiding], now, due)
            continue
        _insert(session, MessageKind.DIGEST, alert_id, channel_id, tidings, now, max(due, now + GATHERED_FOR))


def put_words(
    session: Session,
    kind: MessageKind,
    channels: Sequence[int],
    body: str,
    now: datetime,
    alert_id: int | None = None,
) -> None:
    """Leave a message that is not about deals."""
    for channel_id in channels:
        _insert(session, kind, alert_id, channel_id, (), now, now, body)


def _gathered(session: Session, alert_id: int, channel_id: int, tidings: Sequence[Tiding]) -> bool:
    """Add to the digest that waits for this channel; whether there was one."""
    waiting = (
        Delivery.alert_id == alert_id,
        Delivery.channel_id == channel_id,
        Delivery.kind == MessageKind.DIGEST,
        Delivery.state == DeliveryState.WAITING,
        Delivery.attempts == 0,
    )
    query = select(Delivery.id, Delivery.deals, Delivery.deal_count).where(*waiting).limit(1)
    digest = session.execute(query.with_for_update()).one_or_none()
    if digest is None:
        return False
    added = update(Delivery).where(Delivery.id == digest.id, *waiting)
    result = session.execute(
        added.values(
            deals=[*digest.deals, *_kept(tidings, MAX_DEALS - len(digest.deals))],
            deal_count=digest.deal_count + len(tidings),
        ),
        execution_options={"synchronize_session": False},
    )
    assert isinstance(result, CursorResult)
    return result.rowcount == 1


def _kept(tidings: Sequence[Tiding], most: int) -> list[list[Any]]:
    return [tiding.to_json() for tiding in tidings[: max(0, most)]]


def _insert(
    session: Session,
    kind: MessageKind,
    alert_id: int | None,
    channel_id: int,
    tidings: Sequence[Tiding],
    now: datetime,
    due: datetime,
    body: str | None = None,
) -> None:
    row = {
        "key": secrets.token_hex(16),
        "alert_id": alert_id,
        "channel_id": channel_id,
        "kind": kind,
        "state": DeliveryState.WAITING,
        "deals": _kept(tidings, MAX_DEALS),
        "deal_count": len(tidings),
        "body": body,
        "caused_at": now,
        "created_at": now,
        "due_at": due,
        "attempts": 0,
    }
    session.connection().execute(insert(Delivery), row)
