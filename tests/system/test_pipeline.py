"""The whole pipeline with real processes: sandbox, Redis, Celery's workers and beat, SQLite."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from keepa_deals import health
from keepa_deals.db import migrate
from keepa_deals.db.session import Database
from keepa_deals.settings import Settings
from tests.support.deployment import Service
from tests.support.servers.redis import RedisServer
from tests.support.servers.sandbox import KEY, SandboxProcess, ask

pytestmark = pytest.mark.slow
PATIENCE = 150
UPSERT = "update_recent_deals"


class Pipeline:
    """Two workers and beat in a home of their own, whose clock runs 60 times as fast as Keepa's."""

    def __init__(self, home: Path, redis: RedisServer, sandbox: SandboxProcess) -> None:
        self.sandbox = sandbox
        self.environment = {
            **os.environ,
            "KEEPA_DEALS_HOME": str(home),
            "KEEPA_API_KEY": KEY,
            "KEEPA_API_URL": sandbox.url,
            "REDIS_URL": redis.url,
            "KEEPA_TICK_SECONDS": "1",
            "UPSERT_INTERVAL_SECONDS": "1",
        }
        self.settings = Settings(
            _env_file=None,  # type: ignore[call-arg]
            keepa_deals_home=home,
            keepa_api_key=KEY,  # type: ignore[arg-type]
            keepa_api_url=sandbox.url,
            redis_url=redis.url,  # type: ignore[arg-type]
            keepa_tick_seconds=1,
            upsert_interval_seconds=1,
        )
        (home / "run").mkdir(parents=True)
        database = Database.from_settings(self.settings)
        migrate.upgrade(database)
        database.close()
        self.log = (home / "celery.log").open("ab")
        self.processes = {
            "upsert": self._celery("worker", "-Q", "upsert", "-n", "upsert@%h", "-c", "2"),
            "backfill": self._celery("worker", "-Q", "backfill", "-n", "backfill@%h", "-c", "1"),
            "beat": self._celery("beat"),
        }

    def _celery(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "celery", "-A", "keepa_deals.celery_app", *arguments, "-l", "INFO"]
        return subprocess.Popen(command, env=self.environment, stdout=self.log, stderr=self.log)

    def status(self) -> dict[str, Any]:
        return health.collect(self.settings).to_status()

    def wait_for(self, holds: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """The first status for which ``holds`` is true, of those that know the deals and the jobs."""
        deadline = time.monotonic() + PATIENCE
        while True:
            status = self.status()
            known = status["deals"]["live"] is not None and status["jobs"][UPSERT]["last_success_at"]
            if known and holds(status):
                return status
            text = Path(self.log.name).read_text(errors="replace")[-4000:]
            assert time.monotonic() < deadline, f"{status}\n{text}"
            time.sleep(0.1)

    def successes(self) -> str:
        return str(self.wait_for(lambda s: True)["jobs"][UPSERT]["last_success_at"])

    def stop(self) -> dict[str, int]:
        """SIGTERM to all; their exit codes."""
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        codes = {name: process.wait(timeout=60) for name, process in self.processes.items()}
        self.log.close()
        return codes


@pytest.fixture
def pipeline(tmp_path: Path, own_redis: RedisServer) -> Iterator[Pipeline]:
    # 20 tokens a tick of one second, and an upserter each second: as tight as 20 a minute each minute
    sandbox = SandboxProcess(
        "--deals", "400", "--tick-seconds", "1", "--refill-rate", "20", "--tokens", "300"
    )
    pipeline = Pipeline(tmp_path / "home", own_redis, sandbox)
    yield pipeline
    for process in pipeline.processes.values():
        if process.poll() is None:
            process.kill()
            process.wait()
    pipeline.log.close()
    if sandbox.process.poll() is None:
        sandbox.stop()


def test_both_jobs_share_the_tokens_and_keepa_refuses_nothing(deployment: Service) -> None:
    deployment.wait_for(lambda s: s["deals"]["live"] > 200)
    for _ in range(3):
        deployment.wait_for_success()
    status = deployment.status()
    assert status["deals"]["live"] > 200
    assert status["deals"]["stale"] == 0, "each was seen in time"
    assert status["jobs"][UPSERT]["rows"] >= 3 * 150
    assert status["beat"]["last_tick_at"] is not None
    assert status["tokens"]["rejected_429"] == 0
    address = f"{deployment.sandbox}/_sandbox/stats"
    deployment.wait_for(lambda _: {"/deal", "/product"} <= ask(address)["by_path"].keys())
    assert ask(address)["rejected_429"] == 0


@pytest.mark.nightly
def test_deals_arrive_and_stay_while_both_jobs_share_the_tokens(pipeline: Pipeline) -> None:
    status = pipeline.wait_for(lambda s: s["deals"]["live"] > 300)
    live, successes = status["deals"]["live"], set()
    while len(successes) < 6:
        status = pipeline.wait_for(lambda s: s["jobs"][UPSERT]["last_success_at"] not in successes)
        successes.add(status["jobs"][UPSERT]["last_success_at"])
        assert status["deals"]["live"] >= live
        live = status["deals"]["live"]
    status = pipeline.wait_for(lambda s: s["jobs"]["backfill_deals"]["tokens_spent"] >= 300)
    assert pipeline.sandbox.stats()["rejected_429"] == 0
    assert status["jobs"][UPSERT]["rows"] >= 6 * 150
    assert status["beat"]["last_tick_at"] is not None
    assert status["tokens"]["rejected_429"] == 0
    assert pipeline.stop() == {"upsert": 0, "backfill": 0, "beat": 0}
    assert pipeline.sandbox.stop() == 0
    assert KEY not in Path(pipeline.log.name).read_text(errors="replace")


@pytest.mark.nightly
def test_a_killed_worker_and_a_restarted_redis_are_survived(
    pipeline: Pipeline, own_redis: RedisServer
) -> None:
    pipeline.wait_for(lambda s: s["deals"]["live"] > 300)
    own_redis.kill()  # without persistence: as after FLUSHALL, everything in it is gone
    own_redis.start()
    before = pipeline.successes()
    pipeline.wait_for(lambda s: s["jobs"][UPSERT]["last_success_at"] > before)
    assert pipeline.sandbox.stats()["rejected_429"] == 0
    pipeline.stop()


@pytest.mark.nightly
def test_trouble_at_keepa_is_told_and_then_forgotten(pipeline: Pipeline) -> None:
    pipeline.wait_for(lambda s: s["deals"]["live"] > 300)
    ask(f"{pipeline.sandbox.url}/_sandbox/faults", {"502": 1}, method="PUT")
    status = pipeline.wait_for(lambda s: s["jobs"][UPSERT]["last_outcome"] == "failed")
    assert "502" in status["jobs"][UPSERT]["last_error"]
    ask(f"{pipeline.sandbox.url}/_sandbox/faults", {}, method="PUT")
    before = pipeline.successes()
    pipeline.wait_for(lambda s: s["jobs"][UPSERT]["last_success_at"] > before)
    pipeline.stop()
