"""One deal: its row, its recorded history, the events of its life, and what Keepa told of its past."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Connection, Row, select

from keepa_deals.db import soundness
from keepa_deals.db.models import Deal, DealEvent, DealPast, DealPoint
from keepa_deals.deals.kinds import DealEventKind, EndedReason
from keepa_deals.query.cursor import Key
from keepa_deals.query.rows import DealRow, EventRow, HistoryRow, PointRow

_T = Deal.__table__.c
_E = DealEvent.__table__.c
_P = DealPoint.__table__.c
_H = DealPast.__table__.c

MAX_POINTS = 5000
MAX_EVENTS = 200


class UnreadableDealError(Exception):
    """The row of the deal holds what no column of it can: the text names it."""


def read_deal(connection: Connection, key: Key) -> DealRow | None:
    """The deal; ``None`` when there is none, ``UnreadableDealError`` when its row can't be read."""
    columns = (_T[name] for name in DealRow._fields)
    query = select(*columns).where(_T.domain_id == key[0], _T.asin == key[1])
    row: Row[Any] | None = connection.execute(query).one_or_none()
    if row is None:
        return None
    if problem := soundness.fault(cast("Mapping[str, Any]", row._mapping)):
        raise UnreadableDealError(problem)
    return DealRow._make(row)


def read_points(connection: Connection, key: Key) -> Sequence[PointRow]:
    """The newest ``MAX_POINTS`` records of a deal that can be read, oldest first."""
    query = (
        select(*(_P[name] for name in PointRow._fields))
        .where(_P.domain_id == key[0], _P.asin == key[1])
        .order_by(_P.at.desc())
        .limit(MAX_POINTS)
    )
    points = map(PointRow._make, connection.execute(query).all()[::-1])
    return [point for point in points if _is_point(point)]


def _is_point(point: PointRow) -> bool:
    """Whether a record of the history can be read."""
    _, *numbers = point
    whole = all(n is None or (type(n) is int and abs(n) <= soundness.INT32) for n in numbers)
    return whole and soundness.is_moment(point.at)


def read_history(connection: Connection, row: DealRow) -> HistoryRow | None:
    """What Keepa told of the past of a deal's price; that of another type is not it."""
    query = select(_H.read_at, _H.packed).where(
        _H.domain_id == row.domain_id, _H.asin == row.asin, _H.price_type == row.price_type
    )
    told = connection.execute(query).one_or_none()
    return HistoryRow._make(told) if told is not None else None


def read_events(connection: Connection, key: Key) -> Sequence[EventRow]:
    """A deal's newest ``MAX_EVENTS`` changes of state that can be read, newest first."""
    query = (
        select(*(_E[name] for name in EventRow._fields))
        .where(_E.domain_id == key[0], _E.asin == key[1])
        .order_by(_E.at.desc(), _E.id.desc())
        .limit(MAX_EVENTS)
    )
    events = map(EventRow._make, connection.execute(query).all())
    return [event for event in events if _is_event(event)]


def _is_event(event: EventRow) -> bool:
    """Whether a change of state can be read: the table may hold any text as its kind."""
    kind: object = event.kind
    reason: object = event.reason
    known = isinstance(kind, DealEventKind) and isinstance(reason, EndedReason | None)
    return known and soundness.is_moment(event.at)
