"""What is looked at before anything starts: one line a check, and what to do about each failure."""

from __future__ import annotations

import shutil
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import redis

from keepa_deals.clock import SystemClock
from keepa_deals.db import migrate
from keepa_deals.db.errors import StoreError
from keepa_deals.db.session import Database
from keepa_deals.deals.economics import fees
from keepa_deals.deployment.console import Say
from keepa_deals.deployment.deployment import Deployment
from keepa_deals.deployment.embedded_redis import OLDEST
from keepa_deals.deployment.errors import OpsError
from keepa_deals.deployment.home import Home
from keepa_deals.errors import SettingsError
from keepa_deals.health.error_text import describe
from keepa_deals.keepa.selection import Selection
from keepa_deals.keepa.selection_files import read_selection_files
from keepa_deals.ops import redis_rights
from keepa_deals.people.access_file import AccessFile
from keepa_deals.people.errors import AccessError
from keepa_deals.people.exposure import may_start
from keepa_deals.people.takeover import take_over
from keepa_deals.redis_store import connect_probe, who_may_write
from keepa_deals.searches.registry import conflicts_among
from keepa_deals.settings import Settings, ca_bundle

MIN_DISK_MB = 200
OPEN = "none, so it is open and answers on loopback only"


def check(deployment: Deployment, say: Say) -> None:
    """Report each check in a line; an ``OpsError`` with the way out for the first one that fails."""
    home, settings, own_redis = deployment.home, deployment.settings, deployment.own_redis
    checks: list[tuple[str, Callable[[], str]]] = [
        ("disk", lambda: room(home)),
        ("dashboard's port", lambda: _port(settings)),
        ("database", lambda: migrated(settings)),
        ("dashboard's people", lambda: _people(home, settings)),
        ("Amazon's fees", lambda: _fees(settings)),
    ]
    if settings.keepa_api_url.startswith("https://") and ca_bundle() is not None:
        checks.insert(0, ("certificates", certificates))
    if not own_redis:
        checks.insert(0, ("Redis", lambda: redis_answers(settings)))
    for name, run in checks:
        say(f"  ok    {name}: {run()}")
    for note in () if own_redis else _notes_on_redis(settings):
        say(f"  note  Redis: {note}")
    if settings.database_address.left_out:
        left_out = ", ".join(settings.database_address.left_out)
        say(f"  note  database: left out, for nothing here needs them: {left_out}")


def room(home: Home) -> str:
    """How much is free on the home's disk; an ``OpsError`` when that is too little to start anything."""
    free = shutil.disk_usage(home.path).free // (1 << 20)
    if free < MIN_DISK_MB:
        raise OpsError(f"disk: {free} MB free at {home.path}, {MIN_DISK_MB} are needed: make room")
    return f"{free} MB free"


def selection(settings: Settings, say: Say) -> Selection:
    """The deal queries, reported with what is done otherwise than their files may suggest; the first of them.

    An ``OpsError`` of one line names what in it cannot be used, where nothing else can be.
    """
    try:
        files = read_selection_files(settings)
    except SettingsError as error:
        raise OpsError(str(error)) from None
    for file in files.found:
        query = f"deal query {file.name}" if files.is_folder else "deal query"
        say(f"  ok    {query}: {file.selection}")
        for note in file.selection.notes:
            say(f"  note  {query}: {note}")
    for problem in (*(broken.problem for broken in files.broken), *conflicts_among(files)):
        say(f"  note  {problem}")
    return files.found[0].selection


def _fees(settings: Settings) -> str:
    if settings.amazon_fees is None:
        return "those that come with the program"
    try:
        own = fees.check(settings.amazon_fees)
    except fees.FeeFileError as error:
        raise OpsError(str(error)) from None
    return f"of {settings.amazon_fees} for {len(own.markets)} marketplaces"


def certificates() -> str:
    """Which certificates are trusted for HTTPS; an ``OpsError`` for a file that has none."""
    named = ca_bundle()
    if named is None:
        return "the usual ones"
    name, path = named
    try:
        ssl.create_default_context(
            cafile=None if path.is_dir() else str(path), capath=str(path) if path.is_dir() else None
        )
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror if not isinstance(error, ssl.SSLError) else "no certificate in it"
        raise OpsError(f"certificates: {name}={path} cannot be used ({reason})") from None
    return f"those of {name}={path}"


def _port(settings: Settings) -> str:
    host, port = settings.dashboard_host, settings.dashboard_port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        raise OpsError(
            f"dashboard's port: {settings.dashboard_bind} cannot be used ({error.strerror}): "
            "stop what listens there, or set DASHBOARD_PORT"
        ) from None
    return f"{settings.dashboard_bind} is free"


def _people(home: Home, settings: Settings) -> str:
    try:
        known = AccessFile(home.path).read()
    except AccessError as error:
        raise OpsError(f"dashboard's people: {error}") from None
    refusal = may_start(settings, known)
    if refusal is not None:
        raise OpsError(f"dashboard's people: {refusal}")
    names = [one.person.name for one in known.register.accounts]
    return f"{len(names)}, the first {names[0]!r}" if names else OPEN


def redis_answers(settings: Settings) -> str:
    """Which Redis the address leads to; an ``OpsError`` with the way out where it cannot be used."""
    try:
        settings.redis_address.check_files()
    except SettingsError as error:
        raise OpsError(f"Redis: {error}: correct REDIS_URL") from None
    client = connect_probe(settings, timeout=3)
    try:
        info = _info(client)
        if info.get("cluster_enabled") or info.get("redis_mode") == "cluster":
            raise OpsError(
                "Redis: the one that REDIS_URL names is a node of a Redis Cluster, which keeps apart the "
                "keys that the token bucket and the queue change in one step: "
                "name a single Redis, or Sentinels"
            )
        _refuse_lacking_rights(client, settings.redis_key_prefix)
        client.set(f"{settings.redis_key_prefix}:start:probe", "1", px=1000)
    except (redis.RedisError, OSError) as error:
        raise OpsError(
            f"Redis: the one that REDIS_URL names cannot be used ({describe(error)}): "
            "start it, correct REDIS_URL, or leave it unset to have one of your own"
        ) from None
    finally:
        client.close()
    version = str(info["redis_version"])
    if tuple(map(int, version.split(".")[:2])) < OLDEST:
        raise OpsError(f"Redis: version {version} is too old, {OLDEST[0]}.{OLDEST[1]} is needed")
    policy = str(info.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction":
        raise OpsError(
            f"Redis: maxmemory-policy is {policy}, which may throw away locks and the balance: "
            "set it to noeviction (CONFIG SET maxmemory-policy noeviction, and in redis.conf)"
        )
    return f"version {version}, {policy}, writable"


def _info(client: redis.Redis) -> dict[str, Any]:
    """What Redis says of itself; nothing to a user who may not ask, which is said with the other rights."""
    try:
        return dict(client.info())
    except redis.exceptions.NoPermissionError:
        return {}


def _refuse_lacking_rights(client: redis.Redis, prefix: str) -> None:
    wanted = redis_rights.missing(client, prefix)
    if wanted:
        raise OpsError(
            f"Redis: the user in REDIS_URL lacks rights: ACL SETUSER <user> {' '.join(wanted)} "
            f"(all that it needs: {redis_rights.pattern(prefix)})"
        )


def _notes_on_redis(settings: Settings) -> Iterator[str]:
    """What an operator should know of an address that works."""
    address = settings.redis_address
    who = who_may_write(settings)
    if who is not None:
        yield f"REDIS_URL has no password, so {who} can send tasks and spend tokens: set one"
    if address.left_out:
        yield f"left out, for this program sets them itself: {', '.join(address.left_out)}"
    if address.tls and not address.verifies:
        yield "ssl_cert_reqs=none: whoever is on the way can read and change everything; name a CA instead"


def migrated(settings: Settings) -> str:
    """Bring the database's tables up to date, and the home's people into one that has none; in words what was
    done. An ``OpsError`` when it can't be."""
    database = Database.from_settings(settings)
    try:
        before = migrate.current(database)
        if before != migrate.head():
            migrate.upgrade(database)
        take_over(database, AccessFile(settings.keepa_deals_home), SystemClock().now())
    except (StoreError, AccessError) as error:
        raise OpsError(f"database: {error}") from None
    finally:
        database.close()
    if before == migrate.head():
        return f"at migration {before}"
    return f"migrated from {before or 'nothing'} to {migrate.head()}"
