"""The database: which migration its tables are at, and its size; and how a look connects to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, NullPool, create_engine, event, text

from keepa_deals.addresses.database import parse
from keepa_deals.db import revisions
from keepa_deals.db.session import postgresql_options
from keepa_deals.errors import KeepaDealsError
from keepa_deals.health.metric import AnyMetric, gauge
from keepa_deals.health.part import Part, Snapshot

BUSY_TIMEOUT = 1.0
"""Seconds that a look waits for a locked SQLite database, or for a statement of PostgreSQL."""
CONNECT_TIMEOUT = 2


@dataclass(frozen=True, slots=True)
class DatabaseHealth:
    """The schema and the size in bytes."""

    dialect: str
    revision: str | None
    """The migration that the tables are at; ``None`` when they were never made."""
    expected_revision: str | None
    size_bytes: int | None

    @property
    def migrated(self) -> bool:
        return self.revision is not None and self.revision == self.expected_revision


def probe_engine(dsn: str) -> Engine:
    """An engine for one look: no pool, short time-outs, and a missing SQLite file stays missing."""
    address = parse(dsn)
    if address.is_sqlite:
        if address.file is not None and not address.file.exists():
            raise KeepaDealsError(f"the database file {address.file} does not exist")
        return create_engine(address.dsn, poolclass=NullPool, connect_args={"timeout": BUSY_TIMEOUT})
    engine = create_engine(address.dsn, poolclass=NullPool, connect_args=postgresql_options(CONNECT_TIMEOUT))
    event.listen(engine, "begin", _be_quick)
    return engine


def _be_quick(connection: Connection) -> None:
    """For this transaction alone. (A PgBouncer refuses the same as an option at the start.)"""
    milliseconds = int(BUSY_TIMEOUT * 1000)
    for limit in ("statement_timeout", "lock_timeout"):
        connection.exec_driver_sql(f"SET LOCAL {limit} = {milliseconds}")


def sqlite_path(dsn: str) -> Path | None:
    """The file of a SQLite database; ``None`` for another database or one in memory."""
    return parse(dsn).file


def read(engine: Engine) -> DatabaseHealth:
    """Which migration the tables are at, which one this version of the code expects, and the size."""
    with engine.connect() as connection:
        return DatabaseHealth(
            dialect=engine.dialect.name,
            revision=revisions.current(connection),
            expected_revision=revisions.head(),
            size_bytes=_size(engine, connection),
        )


def _size(engine: Engine, connection: Connection) -> int | None:
    if engine.dialect.name == "postgresql":
        size = connection.scalar(text("SELECT pg_database_size(current_database())"))
        return int(size) if size is not None else None
    path = sqlite_path(str(engine.url))
    if path is None:
        return None
    parts = (path, path.with_name(path.name + "-wal"))
    return sum(os.path.getsize(part) for part in parts if part.exists())


def _metrics(snapshot: Snapshot) -> Iterator[AnyMetric]:
    if database := snapshot.value(PART):
        yield from gauge("database_migrated", "1 where tables and code fit", float(database.migrated))
        yield from gauge("database_bytes", "Size of the database", database.size_bytes)


PART: Part[DatabaseHealth] = Part("database", lambda sources: read(sources.engine()), metrics=_metrics)
