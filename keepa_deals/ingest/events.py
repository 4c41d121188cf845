"""Changes of a deal's state as rows of ``deal_events``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypedDict

from sqlalchemy import insert
from sqlalchemy.orm import Session

from keepa_deals.db.models import DealEvent
from keepa_deals.deals.kinds import DealEventKind, EndedReason
from keepa_deals.deals.lifecycle import Change


class EventRow(TypedDict):
    """One row of ``deal_events``."""

    domain_id: int
    asin: str
    at: datetime
    kind: DealEventKind
    reason: EndedReason | None


def event_rows(domain_id: int, asin: str, changes: Iterable[Change]) -> list[EventRow]:
    """The changes of one deal as rows."""
    return [EventRow(domain_id=domain_id, asin=asin, at=c.at, kind=c.kind, reason=c.reason) for c in changes]


def record(session: Session, events: Sequence[EventRow]) -> None:
    """Write changes of state."""
    if events:
        session.connection().execute(insert(DealEvent), [dict(event) for event in events])
