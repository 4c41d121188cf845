"""Puts a copy of the database in its place again."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import datetime
from pathlib import Path

from keepa_deals.clock import SystemClock
from keepa_deals.db.session import Database
from keepa_deals.deployment.backups import copy_sqlite, written
from keepa_deals.deployment.console import Say
from keepa_deals.deployment.deployment import Deployment
from keepa_deals.deployment.errors import OpsError
from keepa_deals.deployment.processes import describe, ours

RESTORE_TIMEOUT = 30.0
"""Seconds to wait for whoever still writes."""


def restore(copy: Path, database: Database) -> None:
    """Put a SQLite copy back in place, in one transaction: who reads meanwhile sees the one or the other."""
    path = database.path
    assert path is not None
    database.close()
    try:
        with (
            contextlib.closing(sqlite3.connect(copy)) as old,
            contextlib.closing(sqlite3.connect(path, timeout=RESTORE_TIMEOUT)) as new,
        ):
            old.backup(new)
    except sqlite3.Error as error:
        raise OpsError(f"the database could not be brought back from {copy}: {error}") from None


def restore_deployment(deployment: Deployment, copy: Path, say: Say) -> None:
    """Put a copy in the place of a deployment's SQLite database, whatever state that is in."""
    path = Database(deployment.settings.database_dsn).path
    if path is None:
        raise OpsError(f"DATABASE_URL names PostgreSQL: pg_restore --clean --if-exists --dbname … {copy}")
    running = ours(deployment.home.path)
    if running:
        raise OpsError(f"{describe(running[0])} runs and may write: ./kill_everything_force.sh first")
    moved = put_back(copy, path, SystemClock().now())
    if moved is not None:
        say(f"what was there is in {moved}: delete it when you like")
    say(f"{path} is what {copy} holds; ./start_celery.sh goes on with it")


def put_back(copy: Path, path: Path, now: datetime) -> Path | None:
    """Make a copy the database at ``path``, which nobody may use meanwhile.

    What was there, with its log of changes, is moved into a folder beside it, which is returned.
    """
    _refuse_unusable(copy)
    with written(path) as draft:
        try:
            copy_sqlite(copy, draft)
        except sqlite3.Error as error:
            raise OpsError(f"{copy} could not be brought back: {error}") from None
        return _move_away(path, now)


def _refuse_unusable(copy: Path) -> None:
    try:
        with contextlib.closing(
            sqlite3.connect(f"{copy.absolute().as_uri()}?mode=ro", uri=True)
        ) as connection:
            (soundness,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            connection.execute("SELECT 1 FROM alembic_version")
    except sqlite3.Error as error:
        soundness = str(error)
    if soundness != "ok":
        raise OpsError(f"{copy} is no whole copy of the database ({soundness}), and nothing was changed")


def _move_away(path: Path, now: datetime) -> Path | None:
    """Move a database with its log of changes: laid beside another file, that log would spoil it."""
    files = [path.with_name(path.name + suffix) for suffix in ("-wal", "-shm", "")]
    if not any(file.exists() for file in files):
        return None
    folder = path.with_name(f"replaced-{now:%Y%m%dT%H%M%SZ}")
    try:
        folder.mkdir(mode=0o700)
        for file in files:
            if file.exists():
                file.rename(folder / file.name)
    except OSError as error:
        raise OpsError(f"{path} cannot be moved to {folder} ({error.strerror})") from None
    return folder
