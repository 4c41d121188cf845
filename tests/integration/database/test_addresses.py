"""PostgreSQL behind what stands between: a PgBouncer that pools by transaction, and a fail-over."""

from __future__ import annotations

import os
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from random import Random

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from keepa_deals.clock import SystemClock
from keepa_deals.db import migrate, revisions
from keepa_deals.db.errors import DatabaseUnavailableError
from keepa_deals.db.session import Database
from keepa_deals.db.upsert import lock_writers, upsert_deals
from keepa_deals.deployment.ports import free_port
from keepa_deals.health.parts.database import probe_engine
from keepa_deals.query.cache.cache import ColumnCache
from tests.support.deal_rows import make_row
from tests.support.servers.pgbouncer import bouncing, find_bouncer
from tests.support.servers.postgres import PostgresServer

NOW = datetime(2026, 1, 1, tzinfo=UTC)

TRACKED = {"user", "database", "application_name", "client_encoding", "datestyle", "timezone"}
"""What PgBouncer takes at the start of a connection (its documentation: ignore_startup_parameters)."""
TLS_OR_GSS = (80877103, 80877104)


class Bouncer(socketserver.ThreadingTCPServer):
    """Passes everything on, and refuses what a PgBouncer does: options at the start, prepared statements."""

    daemon_threads = allow_reuse_address = True

    def __init__(self, behind: tuple[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), Session)
        self.behind = behind
        self.refused: list[str] = []


class Session(socketserver.BaseRequestHandler):
    server: Bouncer

    def handle(self) -> None:
        while True:
            (length,) = struct.unpack("!i", self._exactly(4))
            body = self._exactly(length - 4)
            if struct.unpack("!i", body[:4])[0] not in TLS_OR_GSS:
                break
            self.request.sendall(b"N")
        names = set(body[4:].decode().split("\0")[:-2:2])
        self.server.refused += sorted(names - TRACKED)
        with socket.create_connection(self.server.behind) as upstream:
            upstream.sendall(struct.pack("!i", length) + body)
            threading.Thread(target=self._copy, args=(upstream, self.request), daemon=True).start()
            self._copy(self.request, upstream, watch=True)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.request.recv(size - len(data))
            if not more:
                raise ConnectionError
            data += more
        return data

    def _copy(self, source: socket.socket, target: socket.socket, *, watch: bool = False) -> None:
        try:
            while data := source.recv(65536):
                if watch and data[:1] == b"P" and data[5:6] != b"\0":
                    self.server.refused.append("a prepared statement with a name")
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return


@pytest.fixture
def bouncer(postgres_server: PostgresServer) -> Iterator[Bouncer]:
    with Bouncer((postgres_server.host, postgres_server.port)) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


def test_nothing_of_a_session_outlives_its_transaction(bouncer: Bouncer) -> None:
    dsn = f"postgres://deals@127.0.0.1:{bouncer.server_address[1]}/deals?pgbouncer=true"
    database = Database(dsn)
    for number in range(12):  # psycopg prepares a statement that it sees for the sixth time
        with database.session() as session:
            assert session.scalar(text("SELECT CAST(:number AS int)"), {"number": number}) == number
    with database.session() as session:
        assert session.scalar(text("SELECT count(*) FROM pg_prepared_statements")) == 0
    database.close()
    engine = probe_engine(dsn)
    with engine.connect() as connection:
        assert connection.scalar(text("SHOW statement_timeout")) == "1s"
    engine.dispose()
    assert bouncer.refused == []


@pytest.mark.nightly
def test_a_real_bouncer_that_pools_by_transaction_is_enough_for_everything(
    postgres_server: PostgresServer,
) -> None:
    """Six at a time over two connections: migrations, writes that queue, the cache's look, the health's."""
    program = find_bouncer()
    if program is None:
        assert os.environ.get("CI") != "true", "PgBouncer is missing"
        pytest.skip(
            "pgbouncer is not installed (tests/run --nightly installs it as root on Debian and Ubuntu)"
        )
    postgres_server.empty_dsn()
    with bouncing(program, postgres_server) as dsn:
        database = Database(dsn)
        migrate.upgrade(database)
        assert migrate.current(database) == revisions.head()

        def write(number: int) -> None:
            for step in range(8):  # psycopg prepares a statement that it sees for the sixth time
                row = make_row(Random(number), number * 8 + step, NOW, ended=0)
                with database.begin() as session:
                    lock_writers(session)
                    upsert_deals(session, [row])

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(write, range(6)))
        with database.session() as session:
            assert session.scalar(text("SELECT count(*) FROM deals")) == 48
        cache = ColumnCache(database.engine, SystemClock())
        cache.step()
        assert cache.state().deals == 48
        engine = probe_engine(dsn)
        with engine.connect() as connection:
            assert connection.scalar(text("SHOW statement_timeout")) == "1s"
        engine.dispose()
        database.close()


def test_of_several_hosts_the_one_that_takes_writes_is_used(postgres_server: PostgresServer) -> None:
    port = postgres_server.port
    database = Database(f"postgresql://deals@127.0.0.1:{free_port()},127.0.0.1:{port}/deals")
    with database.begin() as session:
        assert session.scalar(text("SELECT inet_server_port()")) == port
    database.close()


def test_after_a_fail_over_the_next_attempt_connects_anew(postgres_server: PostgresServer) -> None:
    database = Database(postgres_server.dsn, pool_size=1)
    with database.engine.connect() as connection:  # this connection is the old primary's: it takes no writes
        connection.exec_driver_sql("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
        connection.commit()
    with pytest.raises(DatabaseUnavailableError, match="it is a standby"), database.begin() as session:
        session.execute(text("CREATE TABLE after_a_fail_over (x int)"))
    with database.begin() as session:
        session.execute(text("CREATE TABLE after_a_fail_over (x int)"))
        session.execute(text("DROP TABLE after_a_fail_over"))
    database.close()


def test_a_password_that_is_refused_is_no_part_of_the_error(postgres_server: PostgresServer) -> None:
    secret = "Zr8Kw2/Pq@5Xn7"
    url = f"postgres://nobody:{secret}@127.0.0.1:{postgres_server.port}/deals"
    database = Database(url)
    assert make_url(str(database.engine.url.render_as_string(hide_password=False))).password == secret
    with pytest.raises(DatabaseUnavailableError) as refused, database.session() as session:
        session.execute(text("SELECT 1"))
    database.close()
    assert not any(secret[at : at + 4] in str(refused.value) for at in range(len(secret) - 3))
