"""The dashboard alone under its real server, over a database that a test filled."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from keepa_deals.deployment.ports import free_port


def environment(home: Path, port: int, **settings: str) -> dict[str, str]:
    """What the server and the commands of this deployment are started with."""
    inherited = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR")}
    return {
        **inherited,
        "KEEPA_DEALS_HOME": str(home),
        "KEEPA_API_KEY": "k" * 64,
        "REDIS_URL": f"unix://{home}/none.sock",
        "DASHBOARD_PORT": str(port),
        **settings,
    }


class Dashboard(str):
    """The address of gunicorn with the dashboard of a home, and its processes."""

    __slots__ = ("port", "process")
    port: int
    process: subprocess.Popen[bytes]

    def workers(self) -> list[psutil.Process]:
        """Those that answer; the master only watches."""
        return psutil.Process(self.process.pid).children()


@contextmanager
def dashboard(home: Path, **settings: str) -> Iterator[Dashboard]:
    """gunicorn with the dashboard of ``home``."""
    port = free_port()
    address = Dashboard(f"http://127.0.0.1:{port}")
    address.port = port
    flags = ("-c", "python:keepa_deals.web.gunicorn_conf", "keepa_deals.web.app:create_app()")
    with (home / "dashboard.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *flags],
            env=environment(home, port, **settings),
            stdout=log,
            stderr=log,
        )
        address.process = process
        try:
            deadline = time.monotonic() + 60
            while not _answers(address):
                assert process.poll() is None, (home / "dashboard.log").read_text()
                assert time.monotonic() < deadline, "the dashboard does not answer"
                time.sleep(0.05)
            yield address
        finally:
            process.terminate()
            process.wait(timeout=60)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/healthz", timeout=5):
            return True
    except OSError:
        return False
