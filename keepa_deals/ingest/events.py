"""Changes of deals as rows: of their state in ``deal_events``, and of anything for alerts to look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypedDict

from sqlalchemy import exists, insert, select
from sqlalchemy.orm import Session

from keepa_deals.db.models import Alert, AlertChange, AlertState, DealEvent
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


CHANGES_NOTED = "changes_noted"
"""In a session's ``info``: that its transaction leaves alerts something to look at."""


def note_changes(session: Session, domain_id: int, asins: Sequence[str], at: datetime) -> None:
    """Leave these deals for alerts to look at, in the transaction that changes them; where there is any."""
    if not asins or not session.scalar(select(exists().where(Alert.state == AlertState.ACTIVE))):
        return
    changes = [{"domain_id": domain_id, "asin": asin, "at": at} for asin in asins]
    session.connection().execute(insert(AlertChange), changes)
    session.info[CHANGES_NOTED] = True
