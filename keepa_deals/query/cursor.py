"""Pages that don't jump: a page starts after the last row of the one before, not at a row number.

Rows whose sort value is unknown come last in either direction. So an order has two segments, the known
and the unknown values; each is read along an index, and a page that ends within the first is filled
from the second.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, literal, tuple_

from keepa_deals.db.models import Deal
from keepa_deals.query.parameters import ParameterError
from keepa_deals.query.sorts import SORTS, Order, Sort

MAX_CURSOR = 3000
"""Holds 500 characters of any alphabet, Amazon's longest title."""

_T = Deal.__table__.c
_ASIN = re.compile(r"[A-Z0-9]{10}")


Key = tuple[int, str]
"""Domain and ASIN of a deal."""


class Place(NamedTuple):
    """Where a deal stands in an order."""

    key: Key
    value: Any


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place between two rows: the page goes on after (or, ``backwards``, ends before) this row."""

    sort: str
    order: Order
    value: Any
    domain_id: int
    asin: str
    backwards: bool = False

    def encode(self) -> str:
        value = self.value.isoformat() if isinstance(self.value, datetime) else self.value
        parts = [self.sort, self.order, value, self.domain_id, self.asin, int(self.backwards)]
        text = json.dumps(parts, separators=(",", ":"), ensure_ascii=False)
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(token: str, sort: str, order: Order) -> Cursor:
    """The cursor that ``token`` stands for; ``ParameterError`` when it is none, or of another order."""
    try:
        padded = token[:MAX_CURSOR] + "=" * (-len(token) % 4)
        parts = json.loads(base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True))
        cursor = _cursor(parts)
    except (ValueError, TypeError, KeyError, OverflowError, binascii.Error, RecursionError):
        raise ParameterError("cursor", "is not a cursor of this service: take it from 'next'") from None
    if (cursor.sort, cursor.order) != (sort, order):
        raise ParameterError(
            "cursor", f"belongs to the order {cursor.sort} {cursor.order}, start again without it"
        )
    return cursor


def _cursor(parts: Any) -> Cursor:
    name, order, value, domain_id, asin, backwards = parts
    if not (isinstance(asin, str) and _ASIN.fullmatch(asin)):
        raise ValueError("no ASIN")
    if type(domain_id) is not int or not 0 < domain_id < 100 or backwards not in (0, 1):
        raise ValueError("no domain")
    return Cursor(name, Order(order), _value(SORTS[name], value), domain_id, asin, bool(backwards))


def _value(sort: Sort, value: Any) -> Any:
    """The sort value as the database compares it; refuses a type that the column has not."""
    if value is None and sort.nullable:
        return None
    kind = sort.column.type.python_type
    if kind is datetime:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError("no zone")
        return moment.astimezone(UTC)
    if type(value) is not kind or (kind is str and "\x00" in value):
        raise ValueError("wrong type")
    if kind is str:
        value.encode()  # half a character is nothing that a database compares
    if kind is int and abs(value) >= 2**62:
        raise ValueError("out of range")
    return value


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of an order that runs one way: the rows whose value is known, or those where it is not."""

    is_known: bool
    down: bool
    """Whether values and keys descend; of unknown values, keys alone."""
    cursor: Cursor | None = None
    """The place after which it begins."""


def segments(sort: Sort, order: Order, cursor: Cursor | None) -> list[Segment]:
    """The segments to read, one after the other, until a page is full.

    Unknown values are in the order of the key whichever way the known ones run.
    """
    backwards = cursor is not None and cursor.backwards
    down = (order is Order.DESC) is not backwards
    known, unknown = Segment(True, down), Segment(False, backwards)
    if not sort.nullable:
        return [Segment(True, down, cursor)]
    if cursor is None:
        return [known, unknown]
    if cursor.value is not None:
        return [Segment(True, down, cursor)] + ([] if backwards else [unknown])
    return [Segment(False, backwards, cursor)] + ([known] if backwards else [])


@dataclass(frozen=True, slots=True)
class SeekClause:
    """A segment for the database: the condition that cuts it out, and the columns that sort it."""

    where: ColumnElement[bool] | None
    order_by: tuple[ColumnElement[Any], ...]


_KEY = (_T.domain_id, _T.asin)


def seek_clauses(sort: Sort, order: Order, cursor: Cursor | None) -> Iterator[SeekClause]:
    """What to read, one clause after the other, until a page is full."""
    for segment in segments(sort, order, cursor):
        columns = (sort.column, *_KEY) if segment.is_known else _KEY
        where: ColumnElement[bool] | None = None
        if sort.nullable:
            where = sort.column.is_not(None) if segment.is_known else sort.column.is_(None)
        if segment.cursor is not None:
            beyond = _beyond(columns, segment.cursor, segment.down)
            where = beyond if where is None else and_(where, beyond)
        yield SeekClause(where, tuple(part.desc() if segment.down else part.asc() for part in columns))


def _beyond(columns: tuple[ColumnElement[Any], ...], cursor: Cursor, down: bool) -> ColumnElement[bool]:
    """The rows after (``down``: before) the cursor in ascending order of ``columns``."""
    place = (cursor.value, cursor.domain_id, cursor.asin)[-len(columns) :]
    values = tuple(literal(value, column.type) for column, value in zip(columns, place, strict=True))
    return tuple_(*columns) < tuple_(*values) if down else tuple_(*columns) > tuple_(*values)
