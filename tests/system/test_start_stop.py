"""The operators' scripts on real processes: start, start again, kill, and what they leave alone."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.support.checkout import Checkout
from tests.support.deployment import Service
from tests.support.servers.redis import RedisServer
from tests.support.servers.sandbox import SandboxProcess

pytestmark = pytest.mark.slow
by_night = partial(pytest.param, marks=pytest.mark.nightly)


def test_a_start_ends_with_live_deals_and_the_address(deployment: Service) -> None:
    assert deployment.status()["deals"]["live"] > 100
    said = deployment.run("start_celery.sh", "--sandbox").stdout
    assert "already running" in said
    assert deployment.address in said


def test_a_second_start_starts_nothing_twice(deployment: Service) -> None:
    before = {process.pid for process in deployment.processes()}
    deployment.start()
    assert {process.pid for process in deployment.processes()} == before


@pytest.fixture
def stranger(tmp_path: Path, own_redis: RedisServer) -> Iterator[subprocess.Popen[bytes]]:
    """Somebody else's Celery worker on the same Redis."""
    (tmp_path / "stranger.py").write_text(
        f"from celery import Celery\napp = Celery('stranger', broker={own_redis.url!r})\n"
    )
    with subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "stranger", "worker", "-c", "1", "-l", "ERROR"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
    ) as worker:
        yield worker
        worker.terminate()


def test_kill_ends_what_hangs_and_frees_the_locks_but_harms_no_stranger(
    tmp_path: Path, own_redis: RedisServer, stranger: subprocess.Popen[bytes]
) -> None:
    service = Service(tmp_path / "home", REDIS_URL=own_redis.url)
    service.start()
    worker, supervisor = service.pid("worker-upsert"), service.pid("supervisord")
    with own_redis.client() as client:
        client.set("somebody:else", "1")
        os.kill(worker, signal.SIGSTOP)  # before the lock is there: a worker that finds it cuts its time
        client.set("update_recent_deals_lock", "host:1:1:zombie", ex=1800)
        os.kill(supervisor, signal.SIGKILL)
        for file in (tmp_path / "home" / "run").glob("*.pid"):
            file.unlink()
        said = (
            service.kill() + (service.layout.log / "guard.log").read_text()
        )  # the watchdog may have been first
        assert "deleted update_recent_deals_lock of host:1:1:zombie" in said, said
        assert client.exists("update_recent_deals_lock", "backfill_deals_lock") == 0
        assert client.get("somebody:else") == "1"
    assert stranger.poll() is None
    assert psutil.Process(own_redis.process.pid).is_running()  # type: ignore[union-attr]


@pytest.mark.nightly
def test_kill_works_with_redis_down(tmp_path: Path) -> None:
    service = Service(tmp_path / "home")
    service.start()
    os.kill(service.pid("supervisord"), signal.SIGKILL)
    os.kill(service.pid("redis"), signal.SIGKILL)
    assert "Redis does not answer" in service.kill()


@pytest.mark.nightly
def test_the_dashboard_listens_on_loopback_of_ipv6(tmp_path: Path) -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 on this machine")
    service = Service(tmp_path / "home", DASHBOARD_HOST="::1")
    try:
        assert f"on http://[::1]:{service.port}/" in service.start()
    finally:
        service.kill()


def test_a_kill_of_nothing_says_so(tmp_path: Path) -> None:
    assert "nothing was ever started" in Service(tmp_path / "home").kill()


@pytest.mark.parametrize(
    ("settings", "arguments", "expected"),
    [
        ({}, (), "KEEPA_API_KEY is not set"),
        by_night({"KEEPA_API_KEY": "short"}, (), "KEEPA_API_KEY=(hidden): must have 64 characters"),
        by_night({"UPSERT_INTERVAL_SECONDS": "soon"}, ("--sandbox",), "UPSERT_INTERVAL_SECONDS='soon'"),
        (
            {"REDIS_URL": "redis://127.0.0.1:1/0"},
            ("--sandbox",),
            "the one that REDIS_URL names cannot be used",
        ),
        by_night({"DATABASE_URL": "sqlite:////dev/null/deals.db"}, ("--sandbox",), "database"),
    ],
)
def test_a_start_that_cannot_work_says_why_and_starts_nothing(
    tmp_path: Path, settings: dict[str, str], arguments: tuple[str, ...], expected: str
) -> None:
    service = Service(tmp_path / "home", **settings)
    done = service.run("start_celery.sh", *arguments)
    assert done.returncode == 1
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert service.processes() == []


UNUSABLE_SELECTIONS = [
    (b'{"priceTypes": [3]}', "priceTypes is [3]: must be a list of exactly one of 0, 1, 2, 5"),
    ('{"priceTypes": [1], "titleSearch": "café"}'.encode("latin-1"), "not UTF-8 text (byte 0xe9 in line 1)"),
    (None, "cannot be read (No such file or directory)"),
]


@pytest.mark.parametrize(
    ("content", "expected"),
    [UNUSABLE_SELECTIONS[0], *(by_night(*case) for case in UNUSABLE_SELECTIONS[1:])],
    ids=["rank", "latin-1", "missing"],
)
def test_a_deal_query_that_cannot_be_used_is_named_before_anything_starts_or_is_set_aside(
    tmp_path: Path, content: bytes | None, expected: str
) -> None:
    path = tmp_path / "selection.json"
    if content is not None:
        path.write_bytes(content)
    service = Service(tmp_path / "home", KEEPA_DEAL_SELECTION=str(path))
    done = service.run("start_celery.sh", "--sandbox")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"keepa-deals: KEEPA_DEAL_SELECTION={path}: {expected}")
    assert "Traceback" not in done.stderr
    assert service.processes() == []
    service.kill()
    diagnosis = subprocess.run(
        [sys.executable, str(service.root / "Diagnostics" / "diagnose_dwindling_deals.py"), "--json"],
        env=service.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert diagnosis.returncode == 1
    assert f"KEEPA_DEAL_SELECTION={path}: {expected}" in diagnosis.stdout
    assert "selection_rejected" in diagnosis.stdout
    assert "Traceback" not in diagnosis.stdout + diagnosis.stderr


@pytest.mark.nightly
def test_a_selection_as_keepas_page_exports_it_works_and_its_domain_is_the_dashboards(tmp_path: Path) -> None:
    exported = {"domainId": "9", "priceTypes": ["0"], "dateRange": "0", "salesRankRange": [-1, -1]}
    exported |= {"deltaPercentRange": [10, 2147483647], "isRangeEnabled": True, "hasAmazonOffer": True}
    path = tmp_path / "selection.json"
    path.write_text(json.dumps(exported))
    service = Service(tmp_path / "home", KEEPA_DEAL_SELECTION=str(path))
    try:
        said = service.start()
        assert "deal query: amazon.es, price type 0 (AMAZON)" in said
        assert "left out: hasAmazonOffer" in said
        service.wait_for(lambda status: service.ask("/api/deals")["deals"])  # the copy follows within seconds
        assert {deal["domain_id"] for deal in service.ask("/api/deals")["deals"]} == {9}
        assert "changed since it was started" not in service.run("start_celery.sh", "--sandbox").stdout
    finally:
        service.kill()


def test_a_start_lets_nobody_else_read_the_key(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "checkout", DASHBOARD_PORT="no number")
    file = checkout.root / ".env"
    file.write_text(f"KEEPA_API_KEY={'a' * 64}\n")
    file.chmod(0o644)
    done = checkout.run("start_celery.sh")
    assert done.returncode == 1
    assert ".env was readable by others (mode 0644)" in done.stdout
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.nightly
def test_a_refused_key_is_said_at_once_and_a_new_one_needs_a_restart(tmp_path: Path) -> None:
    sandbox = SandboxProcess("--fault", "402=1")
    service = Service(tmp_path / "home", KEEPA_API_URL=sandbox.url, KEEPA_API_KEY="a" * 64)
    try:
        done = service.run("start_celery.sh")
        assert done.returncode == 4, done.stdout + done.stderr
        assert "402 the key is refused" in done.stderr
        assert "aaaa" not in done.stdout + done.stderr
        service.environment["KEEPA_API_KEY"] = "b" * 64
        done = service.run("start_celery.sh")
        assert "changed since it was started: KEEPA_API_KEY" in done.stdout
    finally:
        service.kill()
        sandbox.stop()


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    service = Service(tmp_path / "home")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", service.port))
        taken.listen()
        done = service.run("start_celery.sh", "--sandbox")
    assert done.returncode == 1
    assert f"127.0.0.1:{service.port} cannot be used" in done.stderr
    assert "DASHBOARD_PORT" in done.stderr
    assert service.processes() == []


def test_a_redis_that_may_evict_is_refused(tmp_path: Path, own_redis: RedisServer) -> None:
    with own_redis.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    done = Service(tmp_path / "home", REDIS_URL=own_redis.url).run("start_celery.sh", "--sandbox")
    assert done.returncode == 1
    assert "set it to noeviction" in done.stderr
