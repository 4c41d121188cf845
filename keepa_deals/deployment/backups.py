"""A copy of the database before something may go wrong with it, and the way back."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from sqlalchemy.engine import make_url

from keepa_deals.atomic_file import DRAFT_SUFFIX, draft_of
from keepa_deals.clock import SystemClock
from keepa_deals.db.session import Database
from keepa_deals.deployment.console import Say
from keepa_deals.deployment.errors import OpsError
from keepa_deals.deployment.home import Home
from keepa_deals.deployment.processes import describe, ours
from keepa_deals.settings import Settings, inherited_environment

KEPT = 5
"""Copies that are kept; older ones are deleted."""
RESTORE_PATIENCE = 30.0
"""Seconds to wait for whoever still writes."""


def make(home: Home, database: Database, now: datetime) -> Path:
    """A copy of the database in ``backups/``; the service may go on writing meanwhile.

    It has its name only when it is whole, and only then older ones go: what is there can be trusted.
    """
    name = f"deals-{now:%Y%m%dT%H%M%SZ}"
    source = database.path
    target = home.backups / f"{name}{'.dump' if source is None else '.db'}"
    for left_over in home.backups.glob(f"*{DRAFT_SUFFIX}"):
        left_over.unlink()
    with _written(target) as draft:
        if source is None:
            _dump_postgresql(database, draft)
        else:
            try:
                _copy_sqlite(source, draft)
            except sqlite3.Error as error:
                raise OpsError(f"the database could not be copied to {target}: {error}") from None
    for outdated in sorted(home.backups.glob("deals-*"))[:-KEPT]:
        outdated.unlink()
    return target


def make_now(home: Home, settings: Settings) -> Path:
    """A copy of a deployment's database as it is at this moment."""
    database = Database(settings.database_dsn)
    if database.path is not None and not database.path.exists():
        raise OpsError(f"the database file {database.path} does not exist")
    try:
        return make(home, database, SystemClock().now())
    finally:
        database.close()


def newest(backups: Path) -> Path | None:
    """The newest copy of a SQLite database in a folder; ``None`` when there is none."""
    copies = (path for path in backups.glob("deals-*.db") if path.stat().st_size)
    return max(copies, key=lambda path: path.name, default=None)


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


def restore_deployment(home: Home, settings: Settings, copy: Path, say: Say) -> None:
    """Put a copy in the place of a deployment's SQLite database, whatever state that is in."""
    path = Database(settings.database_dsn).path
    if path is None:
        raise OpsError(f"DATABASE_URL names PostgreSQL: pg_restore --clean --if-exists --dbname … {copy}")
    running = ours(home.path)
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
    with _written(path) as draft:
        try:
            _copy_sqlite(copy, draft)
        except sqlite3.Error as error:
            raise OpsError(f"{copy} could not be brought back: {error}") from None
        return _move_away(path, now)


def _refuse_unusable(copy: Path) -> None:
    try:
        with contextlib.closing(sqlite3.connect(f"{copy.absolute().as_uri()}?mode=ro", uri=True)) as look:
            (found,) = look.execute("PRAGMA quick_check(1)").fetchone()
            look.execute("SELECT 1 FROM alembic_version")
    except sqlite3.Error as error:
        found = str(error)
    if found != "ok":
        raise OpsError(f"{copy} is no whole copy of the database ({found}), and nothing was changed")


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


@contextlib.contextmanager
def _written(target: Path) -> Iterator[Path]:
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


def _copy_sqlite(source: Path, target: Path) -> None:
    with (
        contextlib.closing(sqlite3.connect(source)) as old,
        contextlib.closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)


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
