"""A copy of the database before something may go wrong with it, and the way back."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
from datetime import datetime
from pathlib import Path

from sqlalchemy.engine import make_url

from keepa_deals.db.session import Database
from keepa_deals.ops.errors import OpsError
from keepa_deals.ops.layout import Home
from keepa_deals.settings import inherited_environment

KEPT = 5
"""Copies that are kept; older ones are deleted."""
RESTORE_PATIENCE = 30.0
"""Seconds to wait for whoever still writes."""


def make(home: Home, database: Database, now: datetime) -> Path:
    """A copy of the database in ``backups/``; the service may go on writing meanwhile."""
    name = f"deals-{now:%Y%m%dT%H%M%SZ}"
    source = database.path
    if source is None:
        target = home.backups / f"{name}.dump"
        _dump_postgresql(database, target)
    else:
        target = home.backups / f"{name}.db"
        try:
            with (
                contextlib.closing(sqlite3.connect(source)) as old,
                contextlib.closing(sqlite3.connect(target)) as new,
            ):
                old.backup(new)
        except sqlite3.Error as error:
            raise OpsError(f"the database could not be copied to {target}: {error}") from None
    target.chmod(0o600)
    for outdated in sorted(home.backups.glob("deals-*"))[:-KEPT]:
        outdated.unlink()
    return target


def restore(copy: Path, database: Database) -> None:
    """Put a SQLite copy back in place, in one transaction: who reads meanwhile sees the one or the other."""
    path = database.path
    assert path is not None
    database.close()
    try:
        with (
            contextlib.closing(sqlite3.connect(copy)) as old,
            contextlib.closing(sqlite3.connect(path, timeout=RESTORE_PATIENCE)) as new,
        ):
            old.backup(new)
    except sqlite3.Error as error:
        raise OpsError(f"the database could not be brought back from {copy}: {error}") from None


def _dump_postgresql(database: Database, target: Path) -> None:
    program = shutil.which("pg_dump")
    if program is None:
        raise OpsError("pg_dump is missing, so the database cannot be saved: install postgresql-client")
    url = make_url(database.engine.url)
    address = url.set(drivername="postgresql", password=None).render_as_string()
    environment = inherited_environment() | ({"PGPASSWORD": url.password} if url.password else {})
    done = subprocess.run(  # noqa: S603  # found on PATH; the password travels in the environment
        [program, "--format=custom", f"--file={target}", address],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise OpsError(f"pg_dump failed: {done.stderr.strip()}")
