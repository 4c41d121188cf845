"""The steps of a deploy: save, stop, switch, reload."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from keepa_deals.clock import SystemClock
from keepa_deals.db import migrate
from keepa_deals.db.session import Database
from keepa_deals.deployment import backups, supervisor, supervisor_config
from keepa_deals.deployment.console import Say
from keepa_deals.deployment.deployment import Deployment
from keepa_deals.deployment.home import Home, keep_key_private
from keepa_deals.jobs import NOTIFIER, WORKERS
from keepa_deals.ops import wait_healthy
from keepa_deals.ops.deploy.plan import Plan
from keepa_deals.settings import PROJECT_ROOT

PIPELINE = ("beat", NOTIFIER, *WORKERS)
"""What stops for a deploy; the dashboard stays, and Redis."""
SCRIPTS = ("start_celery.sh", "kill_everything_force.sh", "deploy_update.sh")
GATE = 90.0
"""Seconds that the new version has to show that it works."""


@dataclass(frozen=True)
class Deploy:
    """The means of a deploy."""

    deployment: Deployment
    database: Database
    plan: Plan
    say: Say
    programs: str
    """The supervisor's configuration before the deploy."""
    running: bool
    """Whether a supervisor ran when the deploy began."""

    @property
    def home(self) -> Home:
        return self.deployment.home


def save(deploy: Deploy) -> Path | None:
    """The copy of the database that the way back needs; ``None`` when there is nothing to save."""
    if deploy.plan.revision is None:
        return None
    copy = backups.make(deploy.home, deploy.database, SystemClock().now())
    deploy.say(f"    the database is saved in {copy.relative_to(deploy.home.path)}")
    return copy


def switch(deploy: Deploy) -> None:
    """Put the new version under the supervisor that runs, and wait until it works."""
    deploy.say("3/5 Start" + (f", migrating to {migrate.head()}" if deploy.plan.migrates else ""))
    migrate.upgrade(deploy.database)
    home = deploy.home
    programs = supervisor_config.programs(deploy.deployment)
    configure(home, supervisor_config.render(home, programs))
    launched = start_pipeline(home)
    wait_healthy.wait_until_healthy(deploy.deployment, deploy.say, within=GATE, launched=launched)
    deploy.say("4/5 Reload")
    reload_dashboard(home)
    wait_healthy.wait_until_healthy(deploy.deployment, deploy.say, within=GATE)
    renew_watchdog(home)


def set_permissions(home: Home) -> None:
    """Make the scripts executable, and the home and the key private."""
    home.make()
    for name in SCRIPTS:
        path = PROJECT_ROOT / name
        path.chmod(path.stat().st_mode | 0o111)
    keep_key_private()


def configuration(home: Home) -> str:
    """The supervisor's configuration as it stands; empty when nothing was ever started."""
    path = home.supervisor_conf
    return path.read_text(encoding="utf-8") if path.exists() else ""


def configure(home: Home, text: str) -> None:
    """Let the supervisor run other programs, or with other flags, if they differ from what it runs."""
    if text != configuration(home):
        home.supervisor_conf.write_text(text, encoding="utf-8")
        supervisor.apply_configuration(home)


def renew_watchdog(home: Home) -> None:
    """Let the watchdog be the new version's."""
    supervisor.stop_program(home, "guard")
    supervisor.start_program(home, "guard")


def stop_pipeline(home: Home) -> None:
    """Stop what works on the deals; the dashboard goes on."""
    running = {program.name for program in supervisor.states(home)}
    for name in PIPELINE:
        if name in running:
            supervisor.stop_program(home, name)


def start_pipeline(home: Home) -> datetime:
    """Start what works on the deals; when that was."""
    launched = SystemClock().now()
    for name in reversed(PIPELINE):
        supervisor.start_program(home, name)
    return launched


def reload_dashboard(home: Home) -> None:
    """HUP: gunicorn starts workers of the new version, then lets the old ones finish."""
    dashboard = next((p for p in supervisor.states(home) if p.name == "dashboard"), None)
    if dashboard is None or not dashboard.pid:
        return  # it is down, and comes back as the version that is checked out
    os.kill(dashboard.pid, signal.SIGHUP)
