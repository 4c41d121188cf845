"""The database's errors in clear words: what happened, where, and the way out. Never a password."""

from __future__ import annotations

from urllib.parse import unquote

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from keepa_deals.errors import KeepaDealsError


class StoreError(KeepaDealsError):
    """The database could not do what was asked of it."""


class DatabaseUnavailableError(StoreError):
    """No database answers there, or it lets us not in."""


class DatabaseLockedError(StoreError):
    """Another process held the database for longer than we wait."""


class SchemaError(StoreError):
    """The tables are not the ones that this version of the code expects."""


_LOCKED = ("database is locked", "database table is locked", "lock timeout", "deadlock detected")
_SCHEMA = ("no such table", "no such column", "undefinedtable", "undefinedcolumn", "does not exist")
_FULL = ("disk is full", "no space left")


def translate(error: DBAPIError, engine: Engine) -> StoreError | None:
    """The typed error behind a driver's error; ``None`` for one that is a mistake in the program."""
    text = str(error.orig).strip()
    lowered = f"{type(error.orig).__name__} {text}".lower()
    where = shown(engine)
    first = text.splitlines()[0] if text else type(error.orig).__name__
    if any(sign in lowered for sign in _LOCKED):
        return DatabaseLockedError(f"{where}: {first}: another process holds it; it will be tried again")
    if any(sign in lowered for sign in _FULL):
        return DatabaseUnavailableError(f"{where}: {first}: make room on the disk")
    connecting = _connection_trouble(lowered)
    if connecting:
        return DatabaseUnavailableError(f"{where}: {connecting} ({first})")
    if any(sign in lowered for sign in _SCHEMA):
        return SchemaError(f"{where}: {first}: bring its tables up to date with ./start_celery.sh")
    if error.connection_invalidated:
        return DatabaseUnavailableError(f"{where}: the connection broke ({first})")
    return None


def shown(engine: Engine) -> str:
    """An engine's address without its password, and without the options that a password may be among."""
    places = {name: value for name, value in engine.url.query.items() if name in ("host", "port")}
    return unquote(engine.url.set(query=places).render_as_string(hide_password=True))


def _connection_trouble(lowered: str) -> str | None:
    """What to do when no connection came about; ``None`` when one did."""
    signs = {
        "password authentication failed": "wrong user or password: check DATABASE_URL",
        "no password supplied": "it wants a password: check DATABASE_URL",
        "role ": "no such user there: check DATABASE_URL" if "does not exist" in lowered else None,
        "database ": "no such database there: create it, or check DATABASE_URL"
        if "fatal" in lowered and "does not exist" in lowered
        else None,
        "connection refused": "nothing listens there: is PostgreSQL running? check DATABASE_URL",
        "could not translate host name": "no such host: check DATABASE_URL",
        "failed to resolve host": "no such host: check DATABASE_URL",
        "connection timeout": "it does not answer: check DATABASE_URL and the network",
        "timeout expired": "it does not answer: check DATABASE_URL and the network",
        "too many clients": "it has no connection left: raise max_connections or run fewer workers",
        "unable to open database file": "cannot open the file: does its directory exist, may we write there?",
        "readonly database": "we may not write to the file: check its owner and mode",
        "file is not a database": "the file is no SQLite database: check DATABASE_URL",
        "server closed the connection": "the server ended the connection",
        "terminating connection": "the server ended the connection",
        "connection is closed": "the connection broke",
        "the connection is lost": "the connection broke",
        "the database system is": "it is starting, stopping or recovering",
        "read-only transaction": "it is a standby: check DATABASE_URL",
        "slots are reserved": "it has no connection left: raise max_connections or run fewer workers",
        "no pg_hba.conf entry": "it lets this host or user not in: see its pg_hba.conf",
        "connection failed": "no connection: check DATABASE_URL and the network",
        "could not connect": "no connection: check DATABASE_URL and the network",
        "syscall error": "the connection broke",
    }
    return next((words for sign, words in signs.items() if words and sign in lowered), None)
