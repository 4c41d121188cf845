"""Fixtures that any suite may use."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from flask import Flask
from jinja2 import FileSystemBytecodeCache
from sqlalchemy import Connection, Engine, event
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache

from keepa_deals import redaction
from tests.support import nightly
from tests.support.deployment import Service
from tests.support.nightly import pytest_addoption, pytest_terminal_summary, pytest_testnodedown
from tests.support.processor_time import ProcessorTime
from tests.support.schedule import Schedule, part_of
from tests.support.servers.postgres import PostgresServer, find_programs
from tests.support.servers.redis import RedisServer

__all__ = ["pytest_addoption", "pytest_terminal_summary", "pytest_testnodedown"]


def pytest_configure(config: pytest.Config) -> None:
    """Let Ctrl-C reach what the tests start, under ``nohup`` or in a shell's background, too."""
    nightly.configure(config)
    config.pluginmanager.register(ProcessorTime())
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    nightly.leave_for_the_night(config, items)
    items.sort(key=part_of)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Schedule:
    return Schedule(config, log)


@pytest.fixture(scope="session", autouse=True)
def templates_are_compiled_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A page's first rendering in each new app costs a third of a second of processor otherwise."""
    kept = FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))
    Flask.jinja_options = {**Flask.jinja_options, "bytecode_cache": kept}


@pytest.fixture(scope="session", autouse=True)
def statements_are_compiled_once() -> None:
    """All databases of one kind are spoken to alike: each new engine would compile each statement anew."""
    kept = LRUCache[Any, Any](2_000)
    for dialect in (SQLiteDialect_pysqlite, PGDialect_psycopg):
        dialect.__eq__ = lambda ours, other: type(ours) is type(other)
        dialect.__hash__ = lambda ours: hash(type(ours))

    @event.listens_for(Engine, "engine_connect")
    def share(connection: Connection) -> None:
        connection.execution_options(compiled_cache=kept)


@pytest.fixture(autouse=True)
def no_secret_is_known() -> None:
    """What one test's settings had as a key must not be hidden in the next test's texts."""
    redaction.forget()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis for the whole session; tests that kill one make their own ``RedisServer``."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def real_redis(redis_server: RedisServer) -> Iterator[redis.Redis]:
    """A client of the session's Redis, which is empty."""
    with redis_server.client() as client:
        client.flushdb()
        yield client


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A running Redis of this test's own, to kill and start again."""
    folder = tmp_path / "redis"
    folder.mkdir()
    server = RedisServer(folder)
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL for the whole session; skipped where none is installed, but never in CI."""
    programs = find_programs()
    if programs is None:
        assert os.environ.get("CI") != "true", "PostgreSQL is missing"
        pytest.skip("PostgreSQL is not installed (tests/run installs it as root on Debian and Ubuntu)")
    server = PostgresServer(programs)
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_dsn(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'deals.db'}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.empty_dsn()


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A running deployment for all tests that need no more of it, and leave it running (see ``schedule``)."""
    service = Service(tmp_path_factory.mktemp("deployment") / "home")
    try:
        service.start()
        yield service
    finally:
        service.kill()
