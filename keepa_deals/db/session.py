"""Connections and transactions on SQLite and PostgreSQL, with the database's errors in clear words."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from operator import methodcaller
from pathlib import Path
from typing import Any

import tenacity
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from keepa_deals.addresses import database
from keepa_deals.db.errors import StoreError, shown, translate
from keepa_deals.settings import Settings

log = logging.getLogger(__name__)

BUSY_TIMEOUT_MS = 10_000
"""How long a SQLite connection waits for another writer. Our own transactions take milliseconds."""
CONNECT_TIMEOUT = 5
CACHE_KIB = 4_096
"""Pages that each SQLite connection keeps for itself; the system keeps the rest of the file for all of them.
A process has several connections, so that 32 MB each made the dashboard grow with the table."""
_WRITES = "keepa_deals_writes"
_READ_ONLY = "25006"
"""PostgreSQL's code for a write to a standby."""
_to_text = methodcaller("decode", "utf-8", "replace")
"""Bytes that are no UTF-8 spoil the text that has them, not the answer of the database."""


class Database:
    """An engine and its transactions. ``session`` reads, ``begin`` writes; both raise ``StoreError``.

    On SQLite a writing transaction takes the write lock at its start (``BEGIN IMMEDIATE``), so that
    what it read can't have changed when it writes.
    """

    def __init__(self, dsn: str, *, pool_size: int = 5) -> None:
        try:
            address = database.parse(dsn)
        except ValueError as error:
            raise StoreError(f"DATABASE_URL is no database address: {error}") from None
        self.is_sqlite = address.is_sqlite
        if self.is_sqlite:
            self.engine = _sqlite_engine(address.dsn)
        else:
            self.engine = create_engine(
                address.dsn,
                pool_pre_ping=True,
                pool_size=pool_size,
                connect_args=postgresql_options(CONNECT_TIMEOUT),
            )
            from keepa_deals.db.postgres_moments import take_any_moment  # its driver is not for SQLite

            event.listen(self.engine, "connect", take_any_moment)
            event.listen(self.engine, "handle_error", _leave_a_standby)
        self._readers = sessionmaker(self.engine, expire_on_commit=False)
        self._writers = sessionmaker(self.engine.execution_options(**{_WRITES: True}), expire_on_commit=False)

    @classmethod
    def from_settings(cls, settings: Settings) -> Database:
        """The database of a deployment; the home of a SQLite file is made, mode 0700, if it is missing."""
        made = cls(settings.database_dsn)
        path = made.path
        if path is not None and not path.parent.exists():
            path.parent.mkdir(parents=True, mode=0o700)
        return made

    @property
    def path(self) -> Path | None:
        """The SQLite file; ``None`` for PostgreSQL and for a database in memory."""
        name = self.engine.url.database
        return Path(name) if self.is_sqlite and name and name != ":memory:" else None

    def __repr__(self) -> str:
        return f"Database({shown(self.engine)})"

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session for reading: one consistent look; what it changes is rolled back."""
        with self._translated(), self._readers() as session:
            yield session

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """A writing transaction, committed at the end of the block and rolled back by any exception."""
        with self._translated(), self._writers.begin() as session:
            yield session

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        problem: StoreError | None = None
        try:
            yield
        except DBAPIError as error:
            problem = translate(error, self.engine)
            if problem is None:
                raise
        if problem is not None:
            raise problem from None  # the driver's error repeats the statement and its values


def postgresql_options(connect_timeout: int) -> dict[str, Any]:
    """For every connection to PostgreSQL, also through a PgBouncer that pools by transaction: nothing of a
    session's that the next transaction would have to find, so no statement is prepared at the server."""
    return {
        "connect_timeout": connect_timeout,
        "application_name": "keepa_deals",
        "prepare_threshold": None,
    }


def _leave_a_standby(context: ExceptionContext) -> None:
    """After a fail-over the old primary answers and takes no writes: its connections are given up, so that
    the next attempt finds the new one."""
    if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
        context.is_disconnect = True


def _lower(value: Any) -> Any:
    """In the place of SQLite's own, which knows no case but ASCII's: ``öl`` would not be found in ``ÖL``."""
    return value.lower() if isinstance(value, str) else value


@tenacity.retry(
    retry=tenacity.retry_if_exception_message(match="database is locked"),
    stop=tenacity.stop_after_delay(BUSY_TIMEOUT_MS / 1000),
    wait=tenacity.wait_random(0.005, 0.05),
    reraise=True,
)
def _switch_to_wal(connection: Any) -> None:
    """Two that open a new file at once: SQLite refuses one of them without its usual wait."""
    connection.execute("PRAGMA journal_mode = WAL")


def _sqlite_engine(dsn: str) -> Engine:
    engine = create_engine(
        dsn,
        connect_args={"timeout": BUSY_TIMEOUT_MS / 1000},
        pool_use_lifo=True,  # whoever asks alone finds the pages that the last one read
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: object) -> None:
        connection.text_factory = _to_text
        connection.create_function("lower", 1, _lower, deterministic=True)
        connection.isolation_level = None  # the driver must not begin transactions on its own
        _switch_to_wal(connection)
        for pragma in (
            "synchronous = NORMAL",
            "foreign_keys = ON",
            f"busy_timeout = {BUSY_TIMEOUT_MS}",
            f"cache_size = -{CACHE_KIB}",
            "temp_store = MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
