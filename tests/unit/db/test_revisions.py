"""The newest migration, read without Alembic, is the one that Alembic finds."""

from __future__ import annotations

from pathlib import Path

from alembic.script import ScriptDirectory

from keepa_deals.db import migrate, revisions
from keepa_deals.db.session import Database


def test_the_newest_migration_is_alembic_s() -> None:
    assert revisions.head() == ScriptDirectory(str(revisions.MIGRATIONS)).get_current_head()


def test_a_database_is_at_no_revision_before_its_first_migration(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'deals.db'}")
    with database.session() as session:
        assert revisions.current(session.connection()) is None
    migrate.upgrade(database)
    with database.session() as session:
        assert revisions.current(session.connection()) == revisions.head()
    database.close()
