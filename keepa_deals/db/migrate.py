"""Brings a database to a revision of the schema, forwards or back, one process at a time."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from keepa_deals.db import revisions
from keepa_deals.db.errors import SchemaError
from keepa_deals.db.session import Database

head = revisions.head
_ADVISORY_LOCK = 0x6B656570614D
"""Any number, the same for everybody who migrates on PostgreSQL; SQLite has its write lock."""


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the tables to ``revision`` (default: the newest); nothing happens when they are there.

    A ``SchemaError`` when the database was made by a newer version of the code.
    """
    with database.begin() as session:
        connection = _locked(session.connection())
        _refuse_unknown(connection, database)
        command.upgrade(_config(connection), revision)


def downgrade(database: Database, revision: str) -> None:
    """Take the tables back to ``revision`` (``base``: none of them); data that has no place is dropped."""
    with database.begin() as session:
        connection = _locked(session.connection())
        _refuse_unknown(connection, database)
        command.downgrade(_config(connection), revision)


def current(database: Database) -> str | None:
    """The revision that the database is at; ``None`` for one without our tables."""
    with database.session() as session:
        return revisions.current(session.connection())


def check(database: Database) -> None:
    """Return when the tables are what this version of the code expects; a ``SchemaError`` otherwise."""
    revision = current(database)
    if revision == head():
        return
    if revision is None:
        raise SchemaError(f"{database!r} has no tables yet: ./start_celery.sh makes them")
    with database.session() as session:
        _refuse_unknown(session.connection(), database)
    raise SchemaError(f"{database!r} is at revision {revision}, not {head()}: ./start_celery.sh migrates it")


def _refuse_unknown(connection: Connection, database: Database) -> None:
    revision = revisions.current(connection)
    known = {script.revision for script in ScriptDirectory(str(revisions.MIGRATIONS)).walk_revisions()}
    if revision is not None and revision not in known:
        raise SchemaError(
            f"{database!r} is at revision {revision}, which this version of the code (up to {head()}) does "
            "not know: deploy the newer version, or go back with the newer version's downgrade first"
        )


def _locked(connection: Connection) -> Connection:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    return connection


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(revisions.MIGRATIONS))
    config.attributes["connection"] = connection
    return config
