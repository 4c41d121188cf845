"""A copy of the database before something may go wrong with it; ``ops.restore`` is the way back."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from keepa_deals.addresses.database import parse
from keepa_deals.atomic_file import DRAFT_SUFFIX, draft_of
from keepa_deals.clock import SystemClock
from keepa_deals.db.session import Database
from keepa_deals.deployment.deployment import Deployment
from keepa_deals.deployment.errors import OpsError
from keepa_deals.deployment.home import Home
from keepa_deals.settings import inherited_environment

MAX_COPIES = 5
"""Copies that are kept; older ones are deleted."""


def make(home: Home, database: Database, now: datetime) -> Path:
    """A copy of the database in ``backups/``; the service may go on writing meanwhile.

    It has its name only when it is whole, and only then older ones go: what is there can be trusted.
    """
    name = f"deals-{now:%Y%m%dT%H%M%SZ}"
    source = database.path
    target = home.backups / f"{name}{'.dump' if source is None else '.db'}"
    for left_over in home.backups.glob(f"*{DRAFT_SUFFIX}"):
        left_over.unlink()
    with written(target) as draft:
        if source is None:
            _dump_postgresql(database, draft)
        else:
            try:
                copy_sqlite(source, draft)
            except sqlite3.Error as error:
                raise OpsError(f"the database could not be copied to {target}: {error}") from None
    for outdated in sorted(home.backups.glob("deals-*"))[:-MAX_COPIES]:
        outdated.unlink()
    return target


def make_now(deployment: Deployment) -> Path:
    """A copy of a deployment's database as it is at this moment."""
    database = Database(deployment.settings.database_dsn)
    if database.path is not None and not database.path.exists():
        raise OpsError(f"the database file {database.path} does not exist")
    try:
        return make(deployment.home, database, SystemClock().now())
    finally:
        database.close()


def newest(backups: Path) -> Path | None:
    """The newest copy of a SQLite database in a folder; ``None`` when there is none."""
    copies = (path for path in backups.glob("deals-*.db") if path.stat().st_size)
    return max(copies, key=lambda path: path.name, default=None)


@contextlib.contextmanager
def written(target: Path) -> Iterator[Path]:
    """A private file that becomes ``target`` when the block ends well, and is gone otherwise."""
    try:
        with draft_of(target) as draft:
            try:
                yield draft
            finally:
                for suffix in ("-journal", "-wal", "-shm"):
                    draft.with_name(draft.name + suffix).unlink(missing_ok=True)
    except OSError as error:
        raise OpsError(f"{target} cannot be written ({error.strerror})") from None


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a database as it is at one moment, whoever writes meanwhile."""
    with (
        contextlib.closing(sqlite3.connect(source)) as old,
        contextlib.closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)


def _dump_postgresql(database: Database, target: Path) -> None:
    program = shutil.which("pg_dump")
    if program is None:
        raise OpsError("pg_dump is missing, so the database cannot be saved: install postgresql-client")
    address = parse(database.engine.url.render_as_string(hide_password=False))
    environment = inherited_environment() | ({"PGPASSWORD": address.password} if address.password else {})
    done = subprocess.run(  # noqa: S603  # found on PATH; the password travels in the environment
        [program, "--format=custom", f"--file={target}", address.for_tools],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise OpsError(f"pg_dump failed: {done.stderr.strip()}")
