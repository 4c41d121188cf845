"""A whole deployment, started and stopped by the scripts an operator uses."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import redis

from keepa_deals import settings
from keepa_deals.deployment.home import Home
from keepa_deals.deployment.ports import free_port
from keepa_deals.deployment.processes import ours, recorded
from tests.support.paths import ROOT
from tests.support.servers.sandbox import TOKENS


class Service:
    """The deployment in ``home``; ``settings`` go into the scripts' environment, ``root`` has the scripts."""

    def __init__(self, home: Path, *, root: Path = ROOT, **settings: str) -> None:
        self.home = home
        self.root = root
        self.layout = Home(home.resolve())
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        inherited = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR")}
        self.environment = {
            **inherited,
            "KEEPA_DEALS_HOME": str(home),
            "DASHBOARD_PORT": str(self.port),
            "UPSERT_INTERVAL_SECONDS": "2",
            "KEEPA_TICK_SECONDS": "2",
            "KEEPA_SANDBOX_DEALS": "300",
            "KEEPA_SANDBOX_TOKENS": "150",  # a full bucket keeps the backfiller busy for minutes
            **settings,
        }
        self.said: list[str] = []
        """What the scripts wrote, each call's output in one."""

    def run(self, script: str, *arguments: str, seconds: float = 240) -> subprocess.CompletedProcess[str]:
        """One of the scripts at the project's root, to its end."""
        done = subprocess.run(
            [str(self.root / script), *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        self.said.append(done.stdout + done.stderr)
        return done

    def popen(self, script: str, *arguments: str) -> subprocess.Popen[str]:
        """One of the scripts, under way; it speaks into ``stdout``."""
        return subprocess.Popen(
            [str(self.root / script), *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def start(self) -> str:
        """Start with the sandbox; what the script said. Fails the test with it when it is not healthy."""
        done = self.run("start_celery.sh", "--sandbox")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def kill(self) -> str:
        done = self.run("kill_everything_force.sh")
        assert done.returncode == 0, done.stdout + done.stderr
        assert self.processes() == []
        return done.stdout

    @property
    def settings(self) -> settings.Settings:
        """What the running deployment was started with."""
        return settings.load(env_file=None, keepa_deals_home=self.layout.path)

    @property
    def sandbox(self) -> str:
        """The address of the deployment's Keepa, whose control token ``ask`` then knows."""
        address, token = self.settings.keepa_api_url, self.layout.run / "sandbox.token"
        if token.exists():
            TOKENS[address] = token.read_text().strip()
        return address

    def redis(self) -> redis.Redis:
        """A client of the deployment's Redis."""
        return redis.Redis.from_url(self.settings.redis_dsn, decode_responses=True)

    def processes(self) -> list[psutil.Process]:
        return ours(self.home)

    def pid(self, name: str) -> int:
        """The pid that ``run/<name>.pid`` holds, as soon as it holds that of a live process."""
        deadline = time.monotonic() + 60
        while (process := recorded(self.home / "run" / f"{name}.pid")) is None:
            assert time.monotonic() < deadline, f"no pid of {name}"
            time.sleep(0.05)
        return process.pid

    def ask(self, path: str) -> dict[str, Any]:
        """The JSON that the dashboard answers at ``path``."""
        with urllib.request.urlopen(f"{self.address}{path}", timeout=10) as answer:
            return dict(json.load(answer))

    def status(self) -> dict[str, Any]:
        return self.ask("/api/status")

    def wait_for(self, holds: Callable[[dict[str, Any]], Any], seconds: float = 60) -> dict[str, Any]:
        """The first status for which ``holds`` is true."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                status = self.status()
                if holds(status):
                    return status
            except OSError as error:
                status = {"error": str(error)}
            assert time.monotonic() < deadline, status
            time.sleep(0.3)

    def wait_for_success(self, seconds: float = 60) -> float:
        """Seconds until the upserter has succeeded anew."""
        began = time.monotonic()
        before = self.wait_for(lambda status: True, seconds)["taken_at"]
        self.wait_for(lambda s: (s["jobs"]["update_recent_deals"]["last_success_at"] or "") > before, seconds)
        return time.monotonic() - began
