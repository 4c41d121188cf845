"""Whose deals a database holds: Keepa's, or those that a sandbox invents. The two never mix.

The mark is in the database itself: copies carry it, and so does a PostgreSQL that several homes share.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from sqlalchemy import delete, inspect, select

from keepa_deals.db.errors import StoreError
from keepa_deals.db.models import Deal, Origin, OriginKind
from keepa_deals.db.session import Database
from keepa_deals.deployment import runtime_env
from keepa_deals.deployment.console import Say
from keepa_deals.deployment.deployment import Deployment
from keepa_deals.deployment.errors import OpsError
from keepa_deals.deployment.home import Home
from keepa_deals.settings import Settings

_DATABASE_FILES = ("deals.db-wal", "deals.db-shm", "deals.db")
"""The database itself last: it has the mark, so a move that was interrupted goes on at the next start."""


def set_aside_sandbox(deployment: Deployment, now: datetime, say: Say) -> None:
    """Return when the database has no deals of the other kind; nothing of the deployment may run.

    A sandbox's files in the home are set aside for the live service. Otherwise an ``OpsError`` says what
    to do: real deals are never moved, and another database than the home's is not ours to move.
    """
    home, settings = deployment.home, deployment.settings
    origin = _told_by(home, settings)
    if origin in (None, _kind(sandbox=deployment.with_sandbox)):
        return
    if origin is OriginKind.KEEPA:
        raise OpsError(
            f"the deals here are Keepa's, and a sandbox would mix its own in: {sandbox_hint(home)}"
        )
    if settings.database_url is not None:
        raise OpsError(
            "the deals in DATABASE_URL are a sandbox's, and real ones would mix with them: "
            "name another, empty database"
        )
    folder = _set_aside(home, now)
    say(f"  ok    the sandbox's deals are set aside in {folder}: delete it when you like")


def note(deployment: Deployment) -> None:
    """Mark the database, whose tables are there, with who tells its deals from now on.

    Only a mark that changes is written: a start must not wait for whoever holds the database.
    """
    database = Database.from_settings(deployment.settings)
    kind = _kind(sandbox=deployment.with_sandbox)
    try:
        with database.session() as session:
            if session.scalar(select(Origin.told_by)) == kind:
                return
        with database.begin() as session:
            session.execute(delete(Origin))
            session.add(Origin(told_by=kind))
    except StoreError as error:
        raise OpsError(f"database: {error}") from None
    finally:
        database.close()


def sandbox_hint(home: Home) -> str:
    """How to run a sandbox beside the live service, in words."""
    return (
        "give it a home and a port of its own: "
        f"KEEPA_DEALS_HOME={home.path}/sandbox DASHBOARD_PORT=8001 ./start_celery.sh --sandbox"
    )


def _kind(*, sandbox: bool) -> OriginKind:
    return OriginKind.SANDBOX if sandbox else OriginKind.KEEPA


def _told_by(home: Home, settings: Settings) -> OriginKind | None:
    """Whose deals the database has; ``None`` when it has none."""
    database = Database.from_settings(settings)
    if database.path is not None and not database.path.exists():
        return None
    try:
        with database.session() as session:
            tables = inspect(session.connection()).get_table_names()
            if Deal.__tablename__ not in tables or session.scalar(select(Deal.asin).limit(1)) is None:
                return None
            marked = session.scalar(select(Origin.told_by)) if Origin.__tablename__ in tables else None
    except StoreError as error:
        raise OpsError(f"database: {error}") from None
    finally:
        database.close()
    # a version that did not mark its databases has only left what it ran with
    return marked or _kind(sandbox=bool(runtime_env.with_sandbox(home)))


def _set_aside(home: Home, now: datetime) -> Path:
    """Move the database, its copies and our own Redis's data into a folder of the home."""
    folder = home.path / f"sandbox-{now:%Y%m%dT%H%M%SZ}"
    try:
        folder.mkdir(mode=0o700)
        for path in (home.redis, home.backups, *(home.path / name for name in _DATABASE_FILES)):
            if path.exists():
                path.rename(folder / path.name)
    except OSError as error:
        raise OpsError(f"{folder}: the sandbox's files cannot be moved there ({error.strerror})") from None
    home.make()
    return folder
