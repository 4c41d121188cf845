"""What the database tells, read with short time-outs and without a write."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    NullPool,
    case,
    create_engine,
    func,
    select,
    text,
)
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from keepa_deals.db import migrate
from keepa_deals.db.models import Deal, JobState
from keepa_deals.errors import KeepaDealsError
from keepa_deals.health.error_text import redact
from keepa_deals.health.report import DatabaseHealth, DealsHealth, JobHealth

BUSY_TIMEOUT = 1.0
"""Seconds that a look waits for a locked SQLite database."""
AGE_EDGES = (0.25, 0.5, 0.75, 1.0)
"""Edges of the age histogram as parts of the time for which a deal stays live."""


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


def read_schema(engine: Engine) -> DatabaseHealth:
    """Which migration the tables are at, which one this version of the code expects, and the size."""
    with engine.connect() as connection:
        return DatabaseHealth(
            dialect=engine.dialect.name,
            revision=MigrationContext.configure(connection).get_current_revision(),
            expected_revision=migrate.head(),
            size_bytes=_size(engine, connection),
        )


def read_jobs(engine: Engine) -> tuple[JobHealth, ...]:
    """The memory of every job that ever ran, by name."""
    with Session(engine) as session:
        return tuple(_job(state) for state in session.scalars(select(JobState).order_by(JobState.name)))


def _job(state: JobState) -> JobHealth:
    return JobHealth(
        name=state.name.rpartition(".")[2],
        last_started_at=state.last_started_at,
        last_success_at=state.last_success_at,
        last_finished_at=state.last_finished_at,
        last_outcome=state.last_outcome,
        last_error=redact(state.last_error) if state.last_error else None,
        watermark=state.watermark,
        cursor=state.cursor if isinstance(state.cursor, dict) else None,
        paused=state.paused,
        rows=state.rows,
        tokens_spent=state.tokens_spent,
    )


_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def read_deals(engine: Engine, now: datetime, fresh_for: timedelta) -> DealsHealth:
    """The deals by state and the live ones by age, out of the indices of open and of ended deals."""
    going = Deal.ended_at.is_(None)
    edges = [fresh_for * part for part in AGE_EDGES]
    seen, newer = Deal.last_seen_at, [Deal.last_seen_at >= now - edge for edge in edges]
    columns = [_count(newer[-1]), _count(seen < now - fresh_for), *map(_count, newer)]
    with engine.connect() as connection:
        by_seen = select(*columns).where(going, seen > _LONG_AGO)  # or SQLite takes an index without it
        live, stale, *cumulative = connection.execute(by_seen).one()
        ended = connection.scalar(select(func.count()).select_from(Deal).where(~going)) or 0
    ages = [after - before for before, after in zip([0, *cumulative], cumulative, strict=False)]
    return DealsHealth(live, stale, ended, tuple(zip(edges, ages, strict=True)))


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _size(engine: Engine, connection: Connection) -> int | None:
    if engine.dialect.name == "postgresql":
        size = connection.scalar(text("SELECT pg_database_size(current_database())"))
        return int(size) if size is not None else None
    path = sqlite_path(str(engine.url))
    if path is None:
        return None
    parts = (path, path.with_name(path.name + "-wal"))
    return sum(os.path.getsize(part) for part in parts if part.exists())
