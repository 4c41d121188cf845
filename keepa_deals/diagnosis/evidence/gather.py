"""Everything that the diagnosis looks at, gathered at once, none of which can hold up the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from keepa_deals import health
from keepa_deals.clock import SystemClock
from keepa_deals.db import soundness
from keepa_deals.db.soundness import Unreadable
from keepa_deals.deployment import runtime_env
from keepa_deals.deployment.deployment import Deployment
from keepa_deals.deployment.home import Home
from keepa_deals.deployment.processes import Process, ProcessTable, read_processes
from keepa_deals.deployment.supervisor_log import Supervision, read_supervision
from keepa_deals.diagnosis.evidence.account import LiveAccount, ask_account
from keepa_deals.diagnosis.evidence.dashboard import ask_dashboard
from keepa_deals.diagnosis.evidence.home import HomeState, read_home
from keepa_deals.diagnosis.evidence.logs import Trouble, read_troubles
from keepa_deals.diagnosis.evidence.pid_files import PidFile, read_pid_files, recorded_pids
from keepa_deals.diagnosis.evidence.sqlite import LockHolder, check_integrity, lock_holders, try_to_write
from keepa_deals.health.parts.database import probe_engine, sqlite_path
from keepa_deals.health.probing import Reading, run_probes
from keepa_deals.health.report import HealthReport
from keepa_deals.humanize import age_text
from keepa_deals.keepa.selection_files import selection_of
from keepa_deals.kept_answers import KeptAnswer, kept_answers
from keepa_deals.settings import Settings

TIMEOUT = 2.0
PAST = timedelta(hours=1)
"""How far back a fault that has healed is reported."""


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
    token_status: Reading[LiveAccount] | None
    with_sandbox: bool

    @property
    def embedded_redis(self) -> bool:
        """Whether the deployment runs a Redis of its own."""
        home = Home(self.settings.keepa_deals_home)
        return Deployment(home, self.settings, self.with_sandbox).own_redis

    @property
    def blind(self) -> bool:
        """Whether the home is somebody else's and closed to us: then the settings in force are unknown."""
        return self.home.value is not None and not self.home.value.readable

    @property
    def complete(self) -> bool:
        """Whether everything could be looked at: only then "healthy" means something."""
        own = (self.processes, self.pid_files, self.supervision, self.home, self.integrity, self.selection)
        asked = (self.token_status,) if self.token_status is not None else ()
        readings = (*self.report.readings.values(), *own, self.dashboard, *asked)
        tokens = self.report.tokens.value
        if self.blind or self.settings_error or tokens is None or tokens.available is None:
            return False
        return all(reading.known for reading in readings)

    def age(self, moment: datetime | None) -> str:
        """How long ago that was when the evidence was taken, in words."""
        return age_text(moment, self.report.taken_at)

    def failed_jobs(self) -> list[tuple[str, str]]:
        """(job, words) of each job whose last run failed: it has not succeeded since."""
        return [
            (job.name, job.last_error)
            for job in self.report.jobs.value or ()
            if job.failed and job.last_error
        ]

    def ours(self) -> dict[str, Process]:
        """Our processes by program."""
        table = self.processes.value
        return {process.program: process for process in table.ours if process.program} if table else {}


def gather(settings: Settings, *, live: bool = False, settings_error: str | None = None) -> Evidence:
    """One look at everything, within a few seconds whatever is broken. ``live`` asks Keepa, too."""
    home = settings.keepa_deals_home
    database = sqlite_path(settings.database_dsn)
    probes: dict[str, Callable[[], Any]] = {
        "report": lambda: health.collect(settings),
        "processes": lambda: read_processes(home, recorded_pids(home)),
        "pid_files": lambda: read_pid_files(home),
        "supervision": lambda: read_supervision(settings.log_dir),
        "home": lambda: read_home(home),
        "writable": lambda: try_to_write(database),
        "lock_holders": lambda: lock_holders(database),
        "integrity": lambda: check_integrity(database),
        "selection": lambda: _read_selection(settings),
        "dashboard": lambda: ask_dashboard(settings),
        "troubles": lambda: read_troubles(settings, SystemClock().now() - PAST),
        "unreadable": lambda: _read_unreadable(settings),
        "kept_answers": lambda: kept_answers(settings.log_dir),
    }
    if live:
        probes["token_status"] = lambda: ask_account(settings)
    answers = run_probes(probes, timeout=TIMEOUT)
    report = answers.take("report", health.collect)
    return Evidence(
        settings=settings,
        settings_error=settings_error,
        report=replace(
            report.value or health.collect(settings, timeout=0.1),
            unreadable=answers.take("unreadable", _read_unreadable).value,
        ),
        processes=answers.take("processes", read_processes),
        pid_files=answers.take("pid_files", read_pid_files),
        supervision=answers.take("supervision", read_supervision),
        home=answers.take("home", read_home),
        writable=answers.take("writable", try_to_write),
        lock_holders=answers.take("lock_holders", lock_holders),
        integrity=answers.take("integrity", check_integrity),
        selection=answers.take("selection", _read_selection),
        dashboard=answers.take("dashboard", ask_dashboard),
        troubles=answers.take("troubles", read_troubles),
        kept_answers=answers.take("kept_answers", kept_answers),
        token_status=answers.take("token_status", ask_account) if live else None,
        with_sandbox=bool(runtime_env.with_sandbox(Home(home))),
    )


def _read_selection(settings: Settings) -> None:
    selection_of(settings)


def _read_unreadable(settings: Settings) -> Unreadable:
    with probe_engine(settings.database_dsn).connect() as connection:
        return soundness.find(connection)
