"""DuckDB as SQLAlchemy sees it: the statements of ``web.store`` run on it unchanged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
from duckdb_engine import ConnectionWrapper, Dialect
from sqlalchemy import BigInteger, Boolean, DateTime, Engine, Integer, QueuePool, create_engine
from sqlalchemy.dialects import registry

NAME = "keepa_deals_duckdb"
THREADS = 2
"""Threads of one query: it shall be quick, and leave the machine to the others."""
MEMORY = "2GB"
"""A copy that needs more is given up, and the database asked."""
HAYSTACK = "haystack"
"""The column in which words are searched: title and brand in lower case."""
PLACE = "place"
"""The column that stands for (domain, ASIN), in their order: one number is compared in half the time."""
_ASINS = 36**10


def place_of(domain_id: int, asin: str) -> int:
    """The number that stands for a deal; ``ValueError`` for what is no ASIN."""
    if len(asin) != 10 or not asin.isalnum() or asin != asin.upper():
        raise ValueError(f"{asin!r} is no ASIN")
    return domain_id * _ASINS + int(asin, 36)


def key_at(place: int) -> tuple[int, str]:
    """The domain and the ASIN that a place stands for."""
    domain_id, number = divmod(place, _ASINS)
    digits = []
    for _ in range(10):
        number, digit = divmod(number, 36)
        digits.append(_DIGITS[digit])
    return domain_id, "".join(reversed(digits))


_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class CachingDialect(Dialect):
    """The dialect with SQLAlchemy's cache of compiled statements, without which each costs a millisecond."""

    supports_statement_cache = True


registry.register(NAME, __name__, "CachingDialect")


class DuckCopy:
    """One in-memory database; each connection of ``engine`` is a cursor of it, with its own transaction."""

    def __init__(self) -> None:
        self.database = duckdb.connect(":memory:", config={"threads": str(THREADS), "memory_limit": MEMORY})
        self.database.execute("SET enable_external_access = false")
        self.database.execute("SET TimeZone = 'UTC'")
        self.engine: Engine = create_engine(
            f"{NAME}:///:memory:",
            creator=lambda: ConnectionWrapper(self.database.cursor()),
            poolclass=QueuePool,
            pool_size=8,
            max_overflow=8,
        )

    def create(self, table: str, columns: Mapping[str, str]) -> None:
        """Make ``table`` with columns of these names and DuckDB types."""
        parts = [f"{name} {kind}" for name, kind in columns.items()]
        self.database.execute(f"CREATE TABLE {table} ({', '.join(parts)})")


def insert(cursor: Any, table: str, rows: Sequence[Sequence[Any]]) -> None:
    """Add whole rows by columns, which is many times faster than one by one. Moments are naive, in UTC."""
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        values = ", ".join(f"unnest(${number})" for number in range(1, len(columns) + 1))
        cursor.execute(f"INSERT INTO {table} SELECT {values}", columns)  # numbers only


def delete(cursor: Any, table: str, places: Sequence[int]) -> None:
    """Take out the rows at these places."""
    if places:
        cursor.execute(f"DELETE FROM {table} WHERE {PLACE} IN (SELECT unnest($1))", [list(places)])  # noqa: S608


def type_of(column: Any) -> str:
    """DuckDB's type for a column of ours."""
    kind: Any = getattr(column.type, "impl_instance", column.type)
    for known, name in ((Boolean, "BOOLEAN"), (BigInteger, "BIGINT"), (Integer, "INTEGER")):
        if isinstance(kind, known):
            return name
    return "TIMESTAMP" if isinstance(kind, DateTime) else "VARCHAR"
