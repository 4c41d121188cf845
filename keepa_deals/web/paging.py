"""Pages that don't jump: a page starts after the last row of the one before, not at a row number.

Rows whose sort value is unknown come last in either direction. So an order has two stretches, the known
and the unknown values; each is walked along an index, and a page that ends within the first is filled
from the second.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, literal, or_, tuple_

from keepa_deals.db.models import Deal
from keepa_deals.web.columns import SORTS, Sort
from keepa_deals.web.view import MAX_CURSOR, Order, ParameterError

_T = Deal.__table__.c


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
        text = json.dumps(parts, separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(token: str, sort: str, order: Order) -> Cursor:
    """The cursor that ``token`` stands for; ``ParameterError`` when it is none, or of another order."""
    try:
        padded = token[:MAX_CURSOR] + "=" * (-len(token) % 4)
        parts = json.loads(base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True))
        cursor = _cursor(parts)
    except (ValueError, TypeError, KeyError, binascii.Error, RecursionError):
        raise ParameterError("cursor", "is not a cursor of this service: take it from 'next'") from None
    if (cursor.sort, cursor.order) != (sort, order):
        raise ParameterError(
            "cursor", f"belongs to the order {cursor.sort} {cursor.order}, start again without it"
        )
    return cursor


def _cursor(parts: Any) -> Cursor:
    name, order, value, domain_id, asin, backwards = parts
    if not (isinstance(asin, str) and asin.isalnum() and asin.isascii() and len(asin) <= 16):
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
        return datetime.fromisoformat(value).astimezone(UTC)
    if type(value) is not kind or (kind is str and "\x00" in value):
        raise ValueError("wrong type")
    if kind is int and abs(value) >= 2**62:
        raise ValueError("out of range")
    return value


@dataclass(frozen=True, slots=True)
class Stretch:
    """Part of an order: the condition that cuts it out, and the columns that sort it."""

    where: ColumnElement[bool] | None
    order_by: tuple[ColumnElement[Any], ...]


@dataclass(frozen=True, slots=True)
class Ground:
    """Where an order is walked: by which columns rows of the same value are told apart, and how compared."""

    key: tuple[ColumnElement[Any], ...]
    key_of: Callable[[int, str], tuple[Any, ...]]
    """The key's values of the deal with this domain and ASIN."""
    row_values: bool
    """Whether ``(a, b) < (1, 2)`` is the quick form: where an index serves it."""

    def beyond(
        self, columns: tuple[ColumnElement[Any], ...], place: tuple[Any, ...], down: bool
    ) -> ColumnElement[bool]:
        """The rows after (``down``: before) ``place`` in ascending order of ``columns``."""
        values = tuple(literal(value, column.type) for column, value in zip(columns, place, strict=True))
        if self.row_values and len(columns) > 1:
            return tuple_(*columns) < tuple_(*values) if down else tuple_(*columns) > tuple_(*values)
        first, value = columns[0], values[0]
        further = first < value if down else first > value
        if len(columns) == 1:
            return further
        rest = self.beyond(columns[1:], place[1:], down)
        return and_(first <= value if down else first >= value, or_(further, rest))


DATABASE = Ground((_T.domain_id, _T.asin), lambda domain, asin: (domain, asin), row_values=True)


def stretches(
    sort: Sort, order: Order, cursor: Cursor | None, ground: Ground = DATABASE
) -> Iterator[Stretch]:
    """The stretches to read, one after the other, until a page is full."""
    backwards = cursor is not None and cursor.backwards
    down = (order is Order.DESC) is not backwards
    known = _stretch(sort, down, None, ground)
    if not sort.nullable:
        yield _stretch(sort, down, cursor, ground)
        return
    unknown = _unknown_stretch(sort, backwards, None, ground)
    if cursor is None:
        yield known
        yield unknown
    elif cursor.value is not None:
        yield _stretch(sort, down, cursor, ground)
        if not backwards:
            yield unknown
    else:
        yield _unknown_stretch(sort, backwards, cursor, ground)
        if backwards:
            yield known


def _stretch(sort: Sort, down: bool, cursor: Cursor | None, ground: Ground) -> Stretch:
    key = (sort.column, *ground.key)
    where: ColumnElement[bool] | None = sort.column.is_not(None) if sort.nullable else None
    if cursor is not None:
        place = (cursor.value, *ground.key_of(cursor.domain_id, cursor.asin))
        beyond = ground.beyond(key, place, down)
        where = beyond if where is None else and_(where, beyond)
    return Stretch(where, tuple(part.desc() if down else part.asc() for part in key))


def _unknown_stretch(sort: Sort, backwards: bool, cursor: Cursor | None, ground: Ground) -> Stretch:
    """Unknown values, in the order of the key whichever way the known ones run."""
    where: ColumnElement[bool] = sort.column.is_(None)
    if cursor is not None:
        place = ground.key_of(cursor.domain_id, cursor.asin)
        where = and_(where, ground.beyond(ground.key, place, backwards))
    return Stretch(where, tuple(part.desc() if backwards else part.asc() for part in ground.key))
