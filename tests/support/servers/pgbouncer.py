"""A PgBouncer that pools by transaction, as hosters of databases put it before theirs."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg

from keepa_deals.deployment.ports import free_port
from tests.support.servers.postgres import PostgresServer

SETTINGS = """\
[databases]
* = host={host} port={server} user=deals
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {connections}
"""


def find_bouncer() -> str | None:
    """The program; Debian keeps it off an ordinary user's PATH."""
    return shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")


@contextmanager
def bouncing(program: str, behind: PostgresServer, *, connections: int = 2) -> Iterator[str]:
    """The address of the database ``deals`` behind a PgBouncer with so few connections of its own."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="keepa-deals-bouncer-") as name:
        settings = Path(name) / "pgbouncer.ini"
        settings.write_text(
            SETTINGS.format(host=behind.host, server=behind.port, port=port, connections=connections)
        )
        user = "nobody" if os.geteuid() == 0 else None
        Path(name).chmod(0o755)
        with (Path(name) / "log").open("wb") as log:
            process = subprocess.Popen([program, str(settings)], user=user, stdout=log, stderr=log)
        try:
            _wait_for(f"postgresql://deals@127.0.0.1:{port}/deals", process, Path(name) / "log")
            yield f"postgresql://deals@127.0.0.1:{port}/deals"
        finally:
            process.terminate()
            process.wait(timeout=20)


def _wait_for(dsn: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            with closing(psycopg.connect(dsn, prepare_threshold=None)):
                return
        except psycopg.OperationalError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
