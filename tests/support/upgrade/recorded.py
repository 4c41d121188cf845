"""What an older version left behind, to be put before the code of today. How it was made: ``make.py``."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import redis
from sqlalchemy import DateTime, MetaData, Table, create_engine, func, inspect, select

from keepa_deals.db import migrate
from keepa_deals.db.session import Database

HERE = Path(__file__).parent
HOST = "this-host"
"""The name of the machine that made the records: it stands for ours."""


@dataclass(frozen=True)
class OldVersion:
    """One of the folders beside this file."""

    folder: Path

    def __str__(self) -> str:
        return self.folder.name

    # -- the database ----------------------------------------------------------------------------
    def restore(self, dsn: str) -> None:
        """The database as that version left it, with its schema, at an empty address of either kind."""
        if dsn.startswith("sqlite:///"):
            self._restore_file(Path(dsn.removeprefix("sqlite:///")))
        else:
            self._restore_copy(Database(dsn))

    def _restore_file(self, path: Path) -> None:
        connection = sqlite3.connect(path)
        connection.executescript((self.folder / "deals.sql").read_text(encoding="utf-8"))
        connection.close()

    def _restore_copy(self, database: Database) -> None:
        """The same rows in PostgreSQL, in the schema of that revision."""
        with sqlite3.connect(":memory:") as source:
            source.executescript((self.folder / "deals.sql").read_text(encoding="utf-8"))
            engine = create_engine("sqlite://", creator=lambda: source)
            (revision,) = source.execute("SELECT version_num FROM alembic_version").fetchone()
            migrate.upgrade(database, revision)
            there, here = MetaData(), MetaData()
            there.reflect(engine)
            here.reflect(database.engine)
            with engine.connect() as read, database.engine.begin() as write:
                for table in here.sorted_tables:
                    rows = read.execute(select(there.tables[table.name])).mappings().all()
                    if rows and table.name != "alembic_version":
                        write.execute(table.insert(), [_aware(table, dict(row)) for row in rows])
                        if "id" in table.columns:
                            counter = func.pg_get_serial_sequence(table.name, "id")
                            write.execute(select(func.setval(counter, max(row["id"] for row in rows))))
        database.close()

    @cached_property
    def cursors(self) -> Sequence[Mapping[str, Any]]:
        """Jobs' cursors: ``job``, ``step`` (what had just happened) and ``cursor``."""
        found: list[dict[str, Any]] = json.loads((self.folder / "cursors.json").read_text(encoding="utf-8"))
        return found

    @cached_property
    def statements(self) -> Mapping[str, list[Any]]:
        """What that version's jobs send to SQLite, with the values of each statement's first use."""
        found: dict[str, list[Any]] = json.loads(
            (self.folder / "statements.json").read_text(encoding="utf-8")
        )
        return found

    # -- Redis -----------------------------------------------------------------------------------
    def restore_redis(self, client: redis.Redis) -> None:
        """All keys, with the time that they had left; what names the recording machine names ours."""
        found = json.loads((self.folder / "redis.json").read_text(encoding="utf-8"))
        seconds, _ = client.time()
        for name, entry in found["keys"].items():
            value: Any = _packed(entry["value"])
            match entry["type"]:
                case "string":
                    client.set(name, self._here(value))
                case "hash":
                    client.hset(name, mapping=value)
                case "list":
                    client.rpush(name, *value)
                case "set":
                    client.sadd(name, *value)
                case "zset":  # scored by the time at which each came
                    client.zadd(name, {item: score + seconds - found["taken_at"] for item, score in value})
            if entry["ttl_ms"] is not None:
                client.pexpire(name, entry["ttl_ms"])

    def _here(self, value: bytes) -> bytes:
        """A lock's holder, with a process of this machine that is gone."""
        if not value.startswith(f"{HOST}:".encode()):
            return value
        _, _, start, rest = value.decode().split(":")
        namespace = os.stat("/proc/self/ns/pid").st_ino
        return f"{socket.gethostname()}:{_dead_pid()}:{start}:{namespace}-{rest.partition('-')[2]}".encode()


VERSIONS = tuple(OldVersion(path.parent) for path in sorted(HERE.glob("*/scene.py")))


def columns(database: Database) -> dict[str, dict[str, Any]]:
    """The columns of each table as the database has them, by name."""
    look = inspect(database.engine)
    return {table: {c["name"]: c for c in look.get_columns(table)} for table in look.get_table_names()}


def rows(database: Database, names: Mapping[str, Sequence[str]]) -> dict[str, list[tuple[Any, ...]]]:
    """What stands in these columns of each table, in no order that matters."""
    metadata = MetaData()
    with database.engine.connect() as connection:
        found = {}
        for name, wanted in names.items():
            table = Table(name, metadata, autoload_with=connection)
            query = select(*(table.c[column] for column in wanted))
            found[name] = sorted((tuple(row) for row in connection.execute(query)), key=repr)
    return found


def _aware(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """The row as PostgreSQL takes it."""
    moments = {column.name for column in table.columns if isinstance(column.type, DateTime)}
    return {
        name: value.replace(tzinfo=UTC) if name in moments and isinstance(value, datetime) else value
        for name, value in row.items()
    }


def _packed(value: Any) -> Any:
    """The bytes that the letters of a record stand for."""
    if isinstance(value, str):
        return value.encode("latin-1")
    if isinstance(value, dict):
        return {_packed(name): _packed(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_packed(item) for item in value]
    return value


def _dead_pid() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid
