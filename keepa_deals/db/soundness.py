"""Which rows of ``deals`` can be read. Whatever a table holds, a row that can't be read costs itself only.

The types of ``models`` give what the database has where it is no value of theirs: a moment that is none comes
as ``UNREADABLE``, a strange name as text. SQLite stores anything in any column, PostgreSQL knows infinite
moments, and older versions checked less. ``fault`` says what is wrong with a row.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Integer,
    String,
    Table,
    func,
    literal_column,
    not_,
    or_,
    select,
)

from keepa_deals.db.models import Deal, Named, UtcDateTime
from keepa_deals.marketplaces import MARKETPLACES

DEALS = cast("Table", Deal.__table__)
FIRST_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)
LAST_MOMENT = datetime(2100, 1, 1, tzinfo=UTC)
"""Nothing that this service or Keepa tells of lies outside."""
INT32, INT64 = 2**31 - 1, 2**63 - 1
_DIGITS = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")

Check = Callable[[Any], str | None]


def is_key(domain_id: object, asin: object) -> bool:
    """Whether these are a Keepa domain and an ASIN: ten capital letters and digits."""
    return (
        type(domain_id) is int
        and domain_id in MARKETPLACES
        and type(asin) is str
        and len(asin) == 10
        and _DIGITS.issuperset(asin)
    )


# -- one row -------------------------------------------------------------------------------------
def fault(row: Mapping[str, Any]) -> str | None:
    """What can't be read of a row: the first such column and its value; ``None`` for a sound one."""
    if not is_key(row["domain_id"], row["asin"]):
        return f"{reprlib.repr(row['asin'])} of domain {reprlib.repr(row['domain_id'])} is no deal's key"
    for name, check, may_be_null in _CHECKS:
        value = row[name]
        if value is None and may_be_null:
            continue
        if problem := check(value):
            return f"{name} is {reprlib.repr(value)}, {problem}"
    return None


def _number(most: int) -> Check:
    bits = most.bit_length() + 1

    def check(value: Any) -> str | None:
        sound = type(value) is int and -most <= value <= most
        return None if sound else f"no whole number of {bits} bits"

    return check


def _text(value: Any) -> str | None:
    return None if type(value) is str else "no text"


def _answer(value: Any) -> str | None:
    return None if type(value) is bool else "neither yes nor no"


def is_moment(value: object) -> bool:
    return isinstance(value, datetime) and FIRST_MOMENT <= value < LAST_MOMENT


def _moment(value: Any) -> str | None:
    return None if is_moment(value) else "no moment of this century"


def _name_of(column: Column[Any]) -> Check:
    kinds = cast("Named", column.type).kind

    def check(value: Any) -> str | None:
        return None if isinstance(value, kinds) else f"none of {', '.join(kinds)}"

    return check


def _check_of(column: Column[Any]) -> Check:
    kind = column.type
    if isinstance(kind, Named):
        return _name_of(column)
    if isinstance(kind, UtcDateTime):
        return _moment
    if isinstance(kind, Boolean):
        return _answer
    if isinstance(kind, Integer):
        return _number(INT64 if isinstance(kind, BigInteger) else INT32)
    if isinstance(kind, String):
        return _text
    raise TypeError(f"{column.name}: no check for {kind!r}")


_CHECKS = tuple(
    (column.name, _check_of(column), bool(column.nullable))
    for column in DEALS.columns
    if column.name not in ("domain_id", "asin")
)


# -- the whole table -----------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Unreadable:
    """How many rows can't be read, and what is wrong with the first of them."""

    count: int
    examples: tuple[str, ...] = ()


MAX_EXAMPLES = 10


def find(connection: Connection) -> Unreadable:
    """Ask the database for the rows that can't be read: one scan of ``deals``.

    On SQLite a day that its month has not is overlooked; whoever reads that row sees it.
    """
    suspects = or_(*_conditions(connection.dialect.name))
    count = connection.scalar(select(func.count()).select_from(DEALS).where(suspects)) or 0
    examples: list[str] = []
    if count:
        rows = connection.execute(select(DEALS).where(suspects).limit(MAX_EXAMPLES)).mappings()
        examples = [words(row, problem) for row in map(dict, rows) if (problem := fault(row))]
    return Unreadable(int(count), tuple(examples))


def words(row: Mapping[str, Any], problem: str) -> str:
    """A row and what is wrong with it."""
    return f"{reprlib.repr(row['asin'])} of domain {reprlib.repr(row['domain_id'])}: {problem}"


def _conditions(dialect: str) -> Iterator[ColumnElement[bool]]:
    asin = DEALS.c.asin
    yield DEALS.c.domain_id.not_in(MARKETPLACES)
    yield not_(asin.regexp_match("^[A-Z0-9]{10}$")) if dialect == "postgresql" else _is_no_asin(asin)
    for column in DEALS.columns:
        if column.name not in ("domain_id", "asin"):
            yield from (_of_postgresql if dialect == "postgresql" else _of_sqlite)(column)


def _is_no_asin(asin: ColumnElement[str]) -> ColumnElement[bool]:
    return or_(func.length(asin) != 10, asin.bool_op("GLOB")("*[^A-Z0-9]*"))


def _of_postgresql(column: Column[Any]) -> Iterator[ColumnElement[bool]]:
    if isinstance(column.type, UtcDateTime):
        yield or_(column < FIRST_MOMENT, column >= LAST_MOMENT)
    if isinstance(column.type, Named):
        yield column.not_in(list(column.type.kind))


def _of_sqlite(column: Column[Any]) -> Iterator[ColumnElement[bool]]:
    kind, stored = column.type, func.typeof(column)
    if isinstance(kind, Integer | Boolean):
        yield stored.not_in(["integer", "null"])
        most: ColumnElement[int] = literal_column(str(INT32))
        if isinstance(kind, Integer) and not isinstance(kind, BigInteger):
            yield not_(column.between(-most, most))
    else:
        yield stored.not_in(["text", "null"])
    if isinstance(kind, UtcDateTime):
        like: ColumnElement[str] = literal_column("'20[0-9][0-9]-[01][0-9]-[0-3][0-9] [0-2][0-9]:*'")
        yield not_(column.bool_op("GLOB")(like))
    if isinstance(kind, Named):
        yield column.not_in(list(kind.kind))
    if not column.nullable:
        yield column.is_(None)
