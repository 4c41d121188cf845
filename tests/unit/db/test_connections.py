"""What a connection to SQLite keeps in memory, and how many of them a process comes to have."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import text

from keepa_deals.db.session import Database


def test_a_connection_keeps_few_pages(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'deals.db'}")
    with database.session() as session:
        kibibytes = -session.scalars(text("PRAGMA cache_size")).one()
    database.close()
    assert 1024 <= kibibytes <= 4096


def test_whoever_asks_alone_gets_the_connection_that_was_used_last(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'deals.db'}")
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(database.engine.connect())
    used = set()
    for _ in range(8):
        with database.engine.connect() as connection:
            used.add(id(connection.connection.dbapi_connection))
    database.close()
    assert len(used) == 1
