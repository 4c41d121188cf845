"""Workers on two hosts: two network namespaces with one Redis and one PostgreSQL between them."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from sqlalchemy import func, select

from keepa_deals.db import migrate
from keepa_deals.db.models import Deal, DealEvent, JobRun
from keepa_deals.db.session import Database
from keepa_deals.deals.kinds import DealEventKind
from tests.support.hosts import Hosts, why_not
from tests.support.nightly import amount
from tests.support.servers.postgres import PostgresServer, find_programs
from tests.support.servers.redis import RedisServer
from tests.support.servers.sandbox import KEY, SandboxProcess

pytestmark = pytest.mark.slow
PATIENCE = 240.0


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    reason = why_not()
    if reason is not None:
        assert os.environ.get("CI") != "true", reason
        pytest.skip(reason)
    hosts = Hosts()
    try:
        yield hosts
    finally:
        hosts.remove()


@pytest.fixture
def shared(hosts: Hosts, tmp_path: Path) -> Iterator[dict[str, str]]:
    """What both hosts reach: Redis, PostgreSQL and the sandbox, on the bridge between them."""
    programs = find_programs()
    assert programs is not None, "PostgreSQL is not installed"
    folder = tmp_path / "redis"
    folder.mkdir()
    server = RedisServer(folder, host=hosts.middle)
    database = PostgresServer(programs, host=hosts.middle)
    options = ("--host", hosts.middle, "--deals", "400", "--tick-seconds", "1", "--refill-rate", "20")
    sandbox = SandboxProcess(*options, "--tokens", "300")
    server.start()
    database.start()
    migrated = Database(database.dsn)
    migrate.upgrade(migrated)
    migrated.close()
    yield {
        "KEEPA_API_KEY": KEY,
        "KEEPA_API_URL": sandbox.url,
        "REDIS_URL": server.url,
        "DATABASE_URL": database.dsn,
        "KEEPA_TICK_SECONDS": "1",
        "UPSERT_INTERVAL_SECONDS": "1",
    }
    sandbox.stop()
    database.stop()
    server.stop()


class Workers:
    """Celery's workers for both queues on one host, and beat on one of them."""

    def __init__(self, hosts: Hosts, number: int, home: Path, settings: dict[str, str]) -> None:
        (home / "run").mkdir(parents=True)
        self.log = (home / "celery.log").open("ab")
        environment = {**os.environ, **settings, "KEEPA_DEALS_HOME": str(home)}

        def celery(*arguments: str) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", "celery", "-A", "keepa_deals.celery_app", *arguments]
            inside = hosts.inside(number, [*command, "-l", "INFO"])
            return subprocess.Popen(inside, env=environment, stdout=self.log, stderr=self.log)

        self.processes = [
            celery("worker", "-Q", "upsert", "-n", f"upsert@host{number}", "-c", "2"),
            celery("worker", "-Q", "backfill", "-n", f"backfill@host{number}", "-c", "1"),
        ]
        if number == 0:
            self.processes.append(celery("beat"))

    def kill(self) -> None:
        """The host loses its power: every process of it is gone at once."""
        for process in self.processes:
            for child in (*psutil.Process(process.pid).children(recursive=True), process):
                child.send_signal(signal.SIGKILL)
        for process in self.processes:
            process.wait(timeout=20)
        self.log.close()

    def text(self) -> str:
        return Path(self.log.name).read_text(errors="replace")


def wait_for(holds: Callable[[], Any], *workers: Workers) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "\n".join(w.text()[-2000:] for w in workers)
        time.sleep(0.2)


def count(database: Database, query: Any) -> int:
    with database.session() as session:
        return session.scalar(query) or 0


@pytest.mark.nightly
def test_workers_on_two_hosts_share_the_work_and_do_none_twice(
    hosts: Hosts, shared: dict[str, str], tmp_path: Path
) -> None:
    database = Database(shared["DATABASE_URL"])
    both = [Workers(hosts, number, tmp_path / f"host{number}", shared) for number in (0, 1)]
    runs = select(func.count()).select_from(JobRun).where(JobRun.outcome == "succeeded")
    deals_there = select(func.count()).select_from(Deal)
    try:
        wait_for(lambda: count(database, runs) >= amount(4, at_night=10), *both)
        wait_for(lambda: all("update_recent_deals: succeeded" in w.text() for w in both), *both)
        wait_for(lambda: count(database, deals_there) > 150, *both)
        found = select(DealEvent.asin).where(DealEvent.kind == DealEventKind.FOUND)
        twice = found.group_by(DealEvent.asin).having(func.count() > 1)
        assert count(database, twice) == 0, "announced by both"
        _no_two_at_once(database)
        both[1].kill()  # one host goes; the other one goes on by itself
        before = count(database, runs)
        wait_for(lambda: count(database, runs) >= before + 3, both[0])
        _no_two_at_once(database)
        with redis.Redis.from_url(shared["REDIS_URL"], decode_responses=True) as client:
            assert int(client.hget("keepa_deals:metrics", "rejected_429") or 0) == 0
    finally:
        for workers in both:
            if not workers.log.closed:
                workers.kill()
        database.close()


def _no_two_at_once(database: Database) -> None:
    """No two runs of a job that wrote something overlap."""
    query = select(JobRun.name, JobRun.started_at, JobRun.finished_at).where(JobRun.rows > 0)
    with database.session() as session:
        rows = session.execute(query.order_by(JobRun.name, JobRun.started_at)).all()
    for before, after in itertools.pairwise(rows):
        if before.name == after.name:
            assert before.finished_at <= after.started_at, (before, after)


def test_the_namespaces_are_two_hosts(hosts: Hosts) -> None:
    """Each has an address of its own, reaches the middle, and not the other's loopback."""
    addresses = [
        subprocess.run(
            hosts.inside(n, ["ip", "-4", "addr"]), capture_output=True, text=True, check=True
        ).stdout
        for n in (0, 1)
    ]
    assert hosts.address(0) in addresses[0]
    assert hosts.address(1) in addresses[1]
    assert hosts.address(0) not in addresses[1]
    assert shutil.which("ip")
