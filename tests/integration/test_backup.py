"""A copy of the database, and the way back under the eyes of its readers."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text

from keepa_deals.db import migrate
from keepa_deals.db.session import Database
from keepa_deals.ops import backup
from keepa_deals.ops.layout import Home
from tests.support.postgres import PostgresServer

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def opened(tmp_path: Path) -> tuple[Home, Database]:
    home = Home(tmp_path / "home")
    home.make()
    database = Database(f"sqlite:///{home.path / 'deals.db'}")
    migrate.upgrade(database)
    return home, database


def jobs(database: Database) -> int:
    with database.session() as session:
        return int(session.execute(text("SELECT count(*) FROM job_states")).scalar_one())


def add_job(database: Database, name: str) -> None:
    with database.begin() as session:
        row = {"name": name}
        session.execute(
            text(
                "INSERT INTO job_states (name, fence, paused, rows, tokens_spent) VALUES (:name, 0, 0, 0, 0)"
            ),
            row,
        )


def test_a_copy_comes_back_under_a_reader_that_stays_connected(tmp_path: Path) -> None:
    home, database = opened(tmp_path)
    add_job(database, "before")
    copy = backup.make(home, database, NOW)
    assert copy.stat().st_mode & 0o777 == 0o600
    add_job(database, "after")
    with contextlib.closing(sqlite3.connect(home.path / "deals.db")) as reader:
        assert reader.execute("SELECT count(*) FROM job_states").fetchone() == (2,)
        backup.restore(copy, database)
        assert reader.execute("SELECT count(*) FROM job_states").fetchone() == (1,)
        assert reader.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert jobs(database) == 1
    add_job(database, "goes on")
    assert jobs(database) == 2
    database.close()


def test_old_copies_are_deleted(tmp_path: Path) -> None:
    home, database = opened(tmp_path)
    for day in range(1, 9):
        backup.make(home, database, NOW.replace(day=day))
    names = sorted(path.name for path in home.backups.iterdir())
    assert len(names) == backup.KEPT
    assert names[0].startswith("deals-20261104")
    database.close()


def test_postgresql_is_dumped_with_all_its_tables(tmp_path: Path, postgres_server: PostgresServer) -> None:
    home = Home(tmp_path / "home")
    home.make()
    database = Database(postgres_server.dsn)
    migrate.upgrade(database)
    copy = backup.make(home, database, NOW)
    database.close()
    assert copy.suffix == ".dump"
    assert b"job_states" in copy.read_bytes()
