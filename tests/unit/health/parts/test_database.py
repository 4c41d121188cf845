"""What the look reads of the database itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from keepa_deals.errors import KeepaDealsError
from keepa_deals.health.parts import database


def test_a_missing_database_file_is_named_and_not_made(tmp_path: Path) -> None:
    path = tmp_path / "deals.db"
    with pytest.raises(KeepaDealsError, match=str(path)):
        database.probe_engine(f"sqlite:///{path}")
    assert not path.exists()


def test_tables_without_a_migration_are_not_migrated(engine: Engine) -> None:
    schema = database.read(engine)
    assert schema.revision is None
    assert not schema.migrated
    assert schema.size_bytes is not None
    assert schema.size_bytes > 0
