"""Everything that the diagnosis looks at, gathered at once, none of which can hold up the rest."""

from __future__ import annotations

import json
import shutil
import sqlite3
import urllib.request
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from keepa_deals import health
from keepa_deals.diagnosis.processes import ProcessTable, read_processes
from keepa_deals.health.database import BUSY_TIMEOUT, sqlite_path
from keepa_deals.health.probe import Reading, look
from keepa_deals.health.report import HealthReport
from keepa_deals.keepa.client import KeepaClient
from keepa_deals.keepa.types import TokenEnvelope
from keepa_deals.settings import Settings

PATIENCE = 2.5
BEAT_PID_FILE = "celerybeat"


@dataclass(frozen=True, slots=True)
class PidFile:
    """One pid file: the pid it names (``None``: not a number) and whether that process is alive."""

    name: str
    pid: int | None
    alive: bool

    @property
    def program(self) -> str:
        """The program that the file belongs to."""
        return "beat" if self.name == BEAT_PID_FILE else self.name


@dataclass(frozen=True, slots=True)
class Host:
    """The machine: bytes."""

    disk_free: int
    disk_total: int
    memory_available: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found; ``token_status`` only when Keepa was asked, ``dashboard`` is its own status."""

    settings: Settings
    report: HealthReport
    processes: Reading[ProcessTable]
    pid_files: Reading[tuple[PidFile, ...]]
    host: Reading[Host]
    writable: Reading[None]
    """Whether the database lets somebody write: nothing of ours holds its lock for a whole second."""
    dashboard: Reading[dict[str, Any]]
    token_status: Reading[TokenEnvelope] | None

    @property
    def embedded_redis(self) -> bool:
        """Whether the deployment runs a Redis of its own."""
        url = self.settings.redis_url
        return url is not None and str(self.settings.keepa_deals_home) in url.get_secret_value()


def gather(settings: Settings, *, live: bool = False) -> Evidence:
    """One look at everything, within a few seconds whatever is broken. ``live`` asks Keepa, too."""
    home = settings.keepa_deals_home
    probes: dict[str, Callable[[], Any]] = {
        "report": lambda: health.collect(settings),
        "processes": lambda: read_processes(home, _recorded(home)),
        "pid_files": lambda: _read_pid_files(home),
        "host": lambda: _read_host(home),
        "writable": lambda: _try_to_write(settings),
        "dashboard": lambda: _ask_dashboard(settings),
    }
    if live:
        probes["token_status"] = lambda: _ask_keepa(settings)
    found = look(probes, timeout=PATIENCE)
    report = found.take("report", health.collect)
    return Evidence(
        settings=settings,
        report=report.value or health.collect(settings, timeout=0.1),
        processes=found.take("processes", read_processes),
        pid_files=found.take("pid_files", _read_pid_files),
        host=found.take("host", _read_host),
        writable=found.take("writable", _try_to_write),
        dashboard=found.take("dashboard", _ask_dashboard),
        token_status=found.take("token_status", _ask_keepa) if live else None,
    )


def _read_pid_files(home: Path) -> tuple[PidFile, ...]:
    return tuple(_pid_file(path) for path in sorted((home / "run").glob("*.pid")))


def _pid_file(path: Path) -> PidFile:
    try:
        pid = int(path.read_text(encoding="ascii", errors="replace").split()[0])
    except (ValueError, IndexError):
        return PidFile(path.stem, None, alive=False)
    return PidFile(path.stem, pid, alive=psutil.pid_exists(pid))


def _recorded(home: Path) -> dict[str, int]:
    return {file.program: file.pid for file in _read_pid_files(home) if file.pid is not None}


def _read_host(home: Path) -> Host:
    existing = next(path for path in (home, *home.parents) if path.exists())
    disk = shutil.disk_usage(existing)
    return Host(disk.free, disk.total, psutil.virtual_memory().available)


def _try_to_write(settings: Settings) -> None:
    """Take SQLite's write lock and give it back; PostgreSQL has no such lock. Writes nothing."""
    path = sqlite_path(settings.database_dsn)
    if path is None or not path.exists():
        return
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")


def _ask_dashboard(settings: Settings) -> dict[str, Any]:
    address = f"http://{settings.dashboard_host}:{settings.dashboard_port}/api/status"
    with urllib.request.urlopen(address, timeout=2) as answer:
        return dict(json.load(answer))


def _ask_keepa(settings: Settings) -> TokenEnvelope:
    client = KeepaClient(settings.api_key, base_url=settings.keepa_api_url, timeout=(1, 2), max_attempts=1)
    try:
        return client.token_status()
    finally:
        client.close()
