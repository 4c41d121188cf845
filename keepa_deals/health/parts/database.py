"""The database: which migration its tables are at, and its size; and how a look connects to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, NullPool, create_engine, text
from sqlalchemy.engine import make_url

from keepa_deals.db import migrate
from keepa_deals.errors import KeepaDealsError
from keepa_deals.health.metric import AnyMetric, gauge
from keepa_deals.health.part import Part, Snapshot

BUSY_TIMEOUT = 1.0
"""Seconds that a look waits for a locked SQLite database."""


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
    url = make_url(dsn)
    if url.get_backend_name() == "sqlite":
        path = sqlite_path(dsn)
        if path is not None and not path.exists():
            raise KeepaDealsError(f"the database file {path} does not exist")
        return create_engine(url, poolclass=NullPool, connect_args={"timeout": BUSY_TIMEOUT})
    milliseconds = int(BUSY_TIMEOUT * 1000)
    options = f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds}"
    return create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 2, "options": options})


def sqlite_path(dsn: str) -> Path | None:
    """The file of a SQLite database; ``None`` for another database or one in memory."""
    url = make_url(dsn)
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    return Path(url.database)


def read(engine: Engine) -> DatabaseHealth:
    """Which migration the tables are at, which one this version of the code expects, and the size."""
    with engine.connect() as connection:
        return DatabaseHealth(
            dialect=engine.dialect.name,
            revision=MigrationContext.configure(connection).get_current_revision(),
            expected_revision=migrate.head(),
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
