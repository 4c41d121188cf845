"""Which migration the tables are at, and which is the newest: read without Alembic, which the programs that
only ask need not load."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, inspect, text

MIGRATIONS = Path(__file__).parent / "migrations"
_LINE = re.compile(r'^(revision|down_revision) = (?:"(\w+)"|None)$', re.MULTILINE)


@cache
def head() -> str:
    """The newest revision that this version of the code knows: the one that no other goes on from."""
    told = [dict(_LINE.findall(path.read_text("utf-8"))) for path in (MIGRATIONS / "versions").glob("v*.py")]
    (newest,) = {one["revision"] for one in told} - {one["down_revision"] for one in told}
    return str(newest)


def current(connection: Connection) -> str | None:
    """The revision that a database is at; ``None`` for one without our tables."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return None if revision is None else str(revision)
