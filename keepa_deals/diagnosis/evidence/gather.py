"""Everything that the diagnosis looks at, gathered at once, none of which can hold up the rest."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psutil

from keepa_deals import health
from keepa_deals.clock import SystemClock
from keepa_deals.db import soundness
from keepa_deals.db.soundness import Unreadable
from keepa_deals.deployment import runtime_env
from keepa_deals.deployment.home import Home
from keepa_deals.deployment.log_tail import read_end, troubles
from keepa_deals.deployment.process_table import ProcessTable, read_processes
from keepa_deals.deployment.supervisor_config import uses_embedded_redis
from keepa_deals.deployment.supervisor_log import Supervision, read_supervision
from keepa_deals.diagnosis.evidence import machine
from keepa_deals.diagnosis.evidence.machine import HomeState, LockHolder
from keepa_deals.health.parts.database import probe_engine, sqlite_path
from keepa_deals.health.probing import Reading, look
from keepa_deals.health.report import HealthReport
from keepa_deals.keepa.selection import selection_of
from keepa_deals.keepa.types import TokenEnvelope
from keepa_deals.kept_answers import KeptAnswer, kept_answers
from keepa_deals.settings import Settings

PATIENCE = 2.0
BEAT_PID_FILE = "celerybeat"
PAST = timedelta(hours=1)
"""How far back a fault that has healed is reported."""
LOGS_OF_JOBS = ("celery_worker.log", "celery_worker_backfill.log", "celery_beat.log")


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
class Trouble:
    """A warning or an error in one of the logs."""

    log: str
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found; ``token_status`` only when Keepa was asked, ``dashboard`` is its own status."""

    settings: Settings
    settings_error: str | None
    """Why the settings that the next start would take are wrong; ``settings`` are then those in force."""
    report: HealthReport
    processes: Reading[ProcessTable]
    pid_files: Reading[tuple[PidFile, ...]]
    supervision: Reading[Supervision]
    home: Reading[HomeState]
    writable: Reading[None]
    """Whether the database lets somebody write: nothing of ours holds its lock for a whole second."""
    lock_holders: Reading[tuple[LockHolder, ...]]
    integrity: Reading[str]
    selection: Reading[None]
    dashboard: Reading[dict[str, Any]]
    troubles: Reading[tuple[Trouble, ...]]
    kept_answers: Reading[tuple[KeptAnswer, ...]]
    """Answers of Keepa that nobody understood, the newest first."""
    token_status: Reading[TokenEnvelope] | None
    with_sandbox: bool

    @property
    def embedded_redis(self) -> bool:
        """Whether the deployment runs a Redis of its own."""
        return uses_embedded_redis(Home(self.settings.keepa_deals_home), self.settings)

    @property
    def blind(self) -> bool:
        """Whether the home is somebody else's and closed to us: then the settings in force are unknown."""
        return self.home.value is not None and not self.home.value.readable

    def ours(self) -> dict[str, Any]:
        """Our processes by program."""
        table = self.processes.value
        return {process.program: process for process in table.ours if process.program} if table else {}


def gather(settings: Settings, *, live: bool = False, settings_error: str | None = None) -> Evidence:
    """One look at everything, within a few seconds whatever is broken. ``live`` asks Keepa, too."""
    home = settings.keepa_deals_home
    database = sqlite_path(settings.database_dsn)
    probes: dict[str, Callable[[], Any]] = {
        "report": lambda: health.collect(settings),
        "processes": lambda: read_processes(home, _recorded(home)),
        "pid_files": lambda: _read_pid_files(home),
        "supervision": lambda: read_supervision(settings.log_dir),
        "home": lambda: machine.read_home(home),
        "writable": lambda: machine.try_to_write(database),
        "lock_holders": lambda: machine.lock_holders(database),
        "integrity": lambda: machine.check_integrity(database),
        "selection": lambda: _read_selection(settings),
        "dashboard": lambda: _ask_dashboard(settings),
        "troubles": lambda: _read_troubles(settings),
        "unreadable": lambda: _read_unreadable(settings),
        "kept_answers": lambda: kept_answers(settings.log_dir),
    }
    if live:
        probes["token_status"] = lambda: _ask_keepa(settings)
    found = look(probes, timeout=PATIENCE)
    report = found.take("report", health.collect)
    return Evidence(
        settings=settings,
        settings_error=settings_error,
        report=replace(
            report.value or health.collect(settings, timeout=0.1),
            unreadable=found.take("unreadable", _read_unreadable).value,
        ),
        processes=found.take("processes", read_processes),
        pid_files=found.take("pid_files", _read_pid_files),
        supervision=found.take("supervision", read_supervision),
        home=found.take("home", machine.read_home),
        writable=found.take("writable", machine.try_to_write),
        lock_holders=found.take("lock_holders", machine.lock_holders),
        integrity=found.take("integrity", machine.check_integrity),
        selection=found.take("selection", _read_selection),
        dashboard=found.take("dashboard", _ask_dashboard),
        troubles=found.take("troubles", _read_troubles),
        kept_answers=found.take("kept_answers", kept_answers),
        token_status=found.take("token_status", _ask_keepa) if live else None,
        with_sandbox=bool(runtime_env.with_sandbox(Home(home))),
    )


def _read_pid_files(home: Path) -> tuple[PidFile, ...]:
    return tuple(_pid_file(path) for path in sorted((home / "run").glob("*.pid")))


def _pid_file(path: Path) -> PidFile:
    try:
        pid = int(path.read_text(encoding="ascii", errors="replace").split()[0])
        return PidFile(path.stem, pid, alive=psutil.pid_exists(pid))
    except (ValueError, IndexError, OverflowError):
        return PidFile(path.stem, None, alive=False)


def _recorded(home: Path) -> dict[str, int]:
    try:
        return {file.program: file.pid for file in _read_pid_files(home) if file.pid is not None}
    except OSError:
        return {}


def _read_selection(settings: Settings) -> None:
    selection_of(settings)


def _read_unreadable(settings: Settings) -> Unreadable:
    with probe_engine(settings.database_dsn).connect() as connection:
        return soundness.find(connection)


def _read_troubles(settings: Settings) -> tuple[Trouble, ...]:
    since = SystemClock().now() - PAST
    found = []
    for name in LOGS_OF_JOBS:
        path = settings.log_dir / name
        if path.exists():
            found += [Trouble(name, at, text) for at, text in troubles(read_end(path).splitlines(), since)]
    return tuple(found)


def _ask_dashboard(settings: Settings) -> dict[str, Any]:
    """The dashboard's own status; empty when it answers and wants a password."""
    try:
        with urllib.request.urlopen(f"{settings.dashboard_url}api/status", timeout=1.5) as answer:  # noqa: S310  # ours
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            return {}
        raise


def _ask_keepa(settings: Settings) -> TokenEnvelope:
    from keepa_deals.keepa.client import KeepaClient  # here: its HTTP library costs every look a tenth

    client = KeepaClient(settings.api_key, base_url=settings.keepa_api_url, timeout=(1, 1), max_attempts=1)
    try:
        return client.token_status()
    finally:
        client.close()
