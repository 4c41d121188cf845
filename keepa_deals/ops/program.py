"""One program of the service in the foreground, for whoever supervises it instead of us: a container, say."""

from __future__ import annotations

import time
from pathlib import Path

import redis

from keepa_deals.clock import SystemClock
from keepa_deals.db import revisions
from keepa_deals.db.errors import StoreError
from keepa_deals.db.session import Database
from keepa_deals.deployment import dashboard_probe, supervisor, supervisor_config
from keepa_deals.deployment.console import Say
from keepa_deals.deployment.deployment import Deployment
from keepa_deals.deployment.errors import OpsError
from keepa_deals.jobs import BACKFILL_JOB, NOTIFIER, UPSERT_JOB
from keepa_deals.keepa.selection_files import selection_of
from keepa_deals.ops import database_origin, preflight
from keepa_deals.people.access_file import AccessFile
from keepa_deals.people.takeover import take_over
from keepa_deals.redis_store import Keys, connect_probe

NAMES = {
    "upsert-worker": UPSERT_JOB.worker,
    "backfill-worker": BACKFILL_JOB.worker,
    "beat": "beat",
    NOTIFIER: NOTIFIER,
    "dashboard": "dashboard",
}
"""As the command line calls it → as the supervisor does."""
MIGRATE = "migrate"
"""No program, but what must be done before any of them: bring the tables up to date, and end."""
LATE_TICK = 30.0
"""Seconds after which beat is not at work: it ticks every five."""
TIMEOUT = 3.0


def command_of(name: str, deployment: Deployment) -> tuple[str, ...]:
    """The command that the supervisor would run for a program."""
    known = {program.name: program.command for program in supervisor_config.programs(deployment)}
    return known[NAMES[name]]


def prepare(deployment: Deployment) -> dict[str, str]:
    """Make the home; what the program must know that no setting says. An ``OpsError`` or a ``SettingsError``
    when it could not work."""
    home = deployment.home
    home.make()
    if supervisor.live_supervisor(home) is not None:
        raise OpsError(f"{home.path} is in use by a supervisor, which runs this program: name another home")
    _ = deployment.settings.api_key
    _ = deployment.settings.redis_dsn
    domain = selection_of(deployment.settings).domain_id
    return {"KEEPA_DOMAIN_ID": str(domain), **supervisor.SMALL}


def know_people(deployment: Deployment) -> None:
    """Let the dashboard's home have a copy of its people, before it decides where it may listen. A database
    that does not answer is no reason not to start: the copy of before decides."""
    database = Database.from_settings(deployment.settings)
    try:
        take_over(database, AccessFile(deployment.home.path), SystemClock().now())
    except StoreError:
        return
    finally:
        database.close()


def migrate(deployment: Deployment, say: Say) -> None:
    """Bring the tables up to date, and mark whose deals they will hold."""
    prepare(deployment)
    say(f"database: {preflight.migrated(deployment.settings)}")
    database_origin.note(deployment)


def complaint(name: str, deployment: Deployment) -> str | None:
    """Why a program is not at work, as far as one can see from beside it; ``None`` when it is."""
    settings = deployment.settings
    if name == "dashboard":
        deaf = not dashboard_probe.answers(settings.dashboard_url, TIMEOUT)
        return f"no answer at {settings.dashboard_url}" if deaf else None
    try:
        with connect_probe(settings, timeout=TIMEOUT) as client:
            if name == "beat":
                return _late(client.get(Keys(settings.redis_key_prefix).beat_last_tick))
            client.ping()
    except redis.RedisError as error:
        return f"Redis does not answer: {error}"
    return _unlike_the_code(settings.database_dsn)


def _late(ticked: object) -> str | None:
    if ticked is None:
        return "it has not ticked yet"
    ago = time.time() - int(str(ticked)) / 1000
    return f"its last tick was {ago:.0f} s ago" if ago > LATE_TICK else None


def _unlike_the_code(dsn: str) -> str | None:
    database = Database(dsn)
    path = database.path
    if path is not None and not Path(path).exists():
        return f"there is no database {path}"
    try:
        with database.session() as session:
            revision = revisions.current(session.connection())
    finally:
        database.close()
    if revision == revisions.head():
        return None
    return (
        f"the database is at {revision or 'no migration'}, not {revisions.head()}: keepa-deals run {MIGRATE}"
    )
