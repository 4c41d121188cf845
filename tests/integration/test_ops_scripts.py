"""The operators' scripts on real processes: start, start again, kill, and what they leave alone."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.redis_server import RedisServer
from tests.support.service import Service

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("service") / "home")
    service.start()
    yield service
    service.kill()


def test_a_start_ends_with_live_deals_and_the_address(service: Service) -> None:
    assert service.status()["deals"]["live"] > 100
    said = service.run("start_celery.sh", "--sandbox").stdout
    assert "already running" in said
    assert service.address in said


def test_a_second_start_starts_nothing_twice(service: Service) -> None:
    before = {process.pid for process in service.processes()}
    service.start()
    assert {process.pid for process in service.processes()} == before


def test_of_two_starts_at_once_one_wins_and_the_other_says_so(tmp_path: Path) -> None:
    service = Service(tmp_path / "home")
    command = [str(Path(__file__).resolve().parents[2] / "start_celery.sh"), "--sandbox"]
    both = [
        subprocess.Popen(
            command, env=service.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(2)
    ]
    try:
        said = [process.communicate(timeout=180)[0] for process in both]
        assert sorted(process.returncode for process in both) in ([0, 3], [0, 0]), said
        if 3 in [process.returncode for process in both]:
            assert any("another operation is at work here" in text for text in said)
        commands = [" ".join(p.cmdline()) for p in service.processes()]
        assert sum("beat" in command for command in commands) == 1
    finally:
        service.kill()


@pytest.mark.parametrize(
    "name", ["worker-upsert", "worker-backfill", "beat", "dashboard", "redis", "sandbox"]
)
def test_a_killed_process_is_back_and_deals_go_on(service: Service, name: str) -> None:
    file = "celerybeat" if name == "beat" else name
    victim = service.pid(file)
    live = service.status()["deals"]["live"]
    os.kill(victim, signal.SIGKILL)
    service.wait_for_success()
    deadline = time.monotonic() + 20
    while service.pid(file) == victim:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    status = service.wait_for(lambda s: not s["problems"])
    assert status["deals"]["live"] >= live - 5  # the sandbox's deals end, too
    assert status["tokens"]["rejected_429"] <= 2  # a restarted sandbox has another balance


def test_after_the_supervisors_death_a_start_clears_up(service: Service) -> None:
    os.kill(service.pid("supervisord"), signal.SIGKILL)
    orphans = {process.pid for process in service.processes()}
    assert orphans
    said = service.start()
    assert "the supervisor is gone, but its children live" in said
    assert not orphans & {process.pid for process in service.processes()}


def test_a_stale_pid_file_does_not_keep_beat_down(tmp_path: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "input()", "celery", "beat"], stdin=subprocess.PIPE)
    service = Service(tmp_path / "home")
    run = tmp_path / "home" / "run"
    run.mkdir(parents=True)
    (run / "celerybeat.pid").write_text(f"{stranger.pid}\n")
    try:
        assert "removed a stale celerybeat.pid" in service.start()
        assert service.pid("celerybeat") != stranger.pid
        service.kill()
        assert stranger.poll() is None
    finally:
        service.run("kill_everything_force.sh")
        stranger.communicate(b"\n")


def test_kill_ends_what_hangs_and_frees_the_locks_but_harms_no_stranger(
    tmp_path: Path, own_redis: RedisServer
) -> None:
    (tmp_path / "stranger.py").write_text(
        f"from celery import Celery\napp = Celery('stranger', broker={own_redis.url!r})\n"
    )
    stranger = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "stranger", "worker", "-c", "1", "-l", "ERROR"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
    )
    service = Service(tmp_path / "home", REDIS_URL=own_redis.url)
    service.start()
    with own_redis.client() as client:
        client.set("somebody:else", "1")
        client.set("update_recent_deals_lock", "host:1:1:zombie", ex=1800)
        os.kill(service.pid("worker-upsert"), signal.SIGSTOP)
        os.kill(service.pid("supervisord"), signal.SIGKILL)
        for file in (tmp_path / "home" / "run").glob("*.pid"):
            file.unlink()
        said = service.kill()
        assert "deleted update_recent_deals_lock of host:1:1:zombie" in said
        assert client.exists("update_recent_deals_lock", "backfill_deals_lock") == 0
        assert client.get("somebody:else") == "1"
    assert stranger.poll() is None
    assert psutil.Process(own_redis.process.pid).is_running()  # type: ignore[union-attr]
    stranger.terminate()
    stranger.wait(timeout=30)


def test_kill_works_with_redis_down(tmp_path: Path) -> None:
    service = Service(tmp_path / "home")
    service.start()
    os.kill(service.pid("supervisord"), signal.SIGKILL)
    os.kill(service.pid("redis"), signal.SIGKILL)
    assert "Redis does not answer" in service.kill()


def test_a_kill_of_nothing_says_so(tmp_path: Path) -> None:
    assert "nothing was ever started" in Service(tmp_path / "home").kill()


@pytest.mark.parametrize(
    ("settings", "arguments", "expected"),
    [
        ({}, (), "KEEPA_API_KEY is not set"),
        ({"KEEPA_API_KEY": "short"}, (), "KEEPA_API_KEY=(hidden): must have 64 characters"),
        ({"UPSERT_INTERVAL_SECONDS": "soon"}, ("--sandbox",), "UPSERT_INTERVAL_SECONDS='soon'"),
        (
            {"REDIS_URL": "redis://127.0.0.1:1/0"},
            ("--sandbox",),
            "the one that REDIS_URL names cannot be used",
        ),
        ({"DATABASE_URL": "sqlite:////dev/null/deals.db"}, ("--sandbox",), "database"),
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
