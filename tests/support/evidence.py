"""Builds evidence for tests: a deployment in order, each part of which can be replaced."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from keepa_deals import settings as settings_module
from keepa_deals.deployment.processes import ALWAYS_THERE, Process, ProcessTable
from keepa_deals.deployment.supervisor_log import Down, Supervision
from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.diagnosis.evidence.home import HomeState
from keepa_deals.diagnosis.evidence.pid_files import PidFile
from keepa_deals.health.probing import Reading
from keepa_deals.health.problems import find_problems
from keepa_deals.health.report import HealthReport
from tests.support.health_reports import NOW, ago, healthy

PROGRAMS = ALWAYS_THERE
HOME = Path("/srv/keepa/var")


def process(program: str | None, pid: int = 100, **changes: Any) -> Process:
    command = f"/srv/keepa/.venv/bin/{program}"
    return Process(program, pid, command, "keepa", ago(hours=2), "sleeping", 50 << 20, **changes)


def table(
    *, without: tuple[str, ...] = (), strangers: tuple[Process, ...] = (), unknown: tuple[Process, ...] = ()
) -> ProcessTable:
    ours = tuple(process(name, 100 + i) for i, name in enumerate(PROGRAMS) if name not in without)
    return ProcessTable(ours, strangers, unknown)


def home(**changes: Any) -> HomeState:
    base: dict[str, Any] = {"owner": "keepa", "user": "keepa", "readable": True, "mode": 0o700}
    return HomeState(**{"path": HOME, "exists": True, **base, **changes})


def down(
    minutes: float, seconds: float | None = 1, how: str = "terminated by SIGKILL", *, died: bool = True
) -> Down:
    start = ago(minutes=minutes)
    return Down(start, None if seconds is None else start + timedelta(seconds=seconds), how, died)


def evidence(report: HealthReport | None = None, **parts: Any) -> Evidence:
    """Evidence of a service in order; keywords replace its parts (values, or ``Reading`` s of them)."""
    report = report or healthy()
    report = replace(report, problems=find_problems(report))
    live = report.deals.value.live if report.deals.value else 0
    base: dict[str, Any] = {
        "processes": table(),
        "pid_files": (PidFile("celerybeat", 103, alive=True),),
        "supervision": Supervision({}),
        "home": home(),
        "writable": None,
        "lock_holders": (),
        "integrity": "ok",
        "selection": None,
        "dashboard": {"deals": {"live": live}},
        "troubles": (),
        "kept_answers": (),
    }
    plain: dict[str, Any] = {"settings_error": None, "with_sandbox": False, "token_status": None}
    plain |= {name: parts.pop(name) for name in list(parts) if name in plain}
    readings: dict[str, Any] = {
        name: value if isinstance(value, Reading) else Reading(value=value)
        for name, value in {**base, **parts}.items()
    }
    settings = settings_module.load(
        env_file=None,
        runtime=False,
        keepa_deals_home=HOME,
        keepa_api_key="k" * 64,
        redis_url="redis://:secret@r:1",
    )
    return Evidence(settings=settings, report=report, **plain, **readings)


__all__ = ["HOME", "NOW", "ago", "down", "evidence", "healthy", "home", "process", "table"]
