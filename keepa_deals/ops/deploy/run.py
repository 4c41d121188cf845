"""Brings the version that is checked out into service; when it does not work, the previous one comes back."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import traceback
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NoReturn

from keepa_deals import settings as settings_module
from keepa_deals.clock import SystemClock
from keepa_deals.db import migrate
from keepa_deals.db.errors import StoreError
from keepa_deals.db.session import Database
from keepa_deals.deployment import backups, git_version, runtime_env, supervisor, supervisor_config
from keepa_deals.deployment.console import Say
from keepa_deals.deployment.errors import HalfWayError, OpsError, UnhealthyError
from keepa_deals.deployment.home import Home, keep_key_private
from keepa_deals.deployment.log_files import DEPLOY_LOG
from keepa_deals.diagnosis.diagnose import diagnose
from keepa_deals.diagnosis.evidence.gather import gather
from keepa_deals.diagnosis.render_text import to_text
from keepa_deals.errors import KeepaDealsError
from keepa_deals.health.error_text import redact
from keepa_deals.jobs import BACKFILL_JOB, UPSERT_JOB, WORKERS
from keepa_deals.ops import preflight, stop
from keepa_deals.ops import start as starting
from keepa_deals.settings import PROJECT_ROOT, Settings
from keepa_deals.worker.dispatch import send

PIPELINE = ("beat", *WORKERS)
"""What stops for a deploy; the dashboard stays, and Redis."""
SCRIPTS = ("start_celery.sh", "kill_everything_force.sh", "deploy_update.sh")
PACKAGE_LISTS = ("pyproject.toml", "requirements.txt", "constraints.txt")
GATE = 90.0
"""Seconds that the new version has to show that it works."""


@dataclass(frozen=True)
class Plan:
    """What a deploy goes from and to. Versions are commits, ``None`` outside of a git checkout."""

    previous: str | None
    target: str | None
    revision: str | None
    """The migration that the database is at."""

    @property
    def migrates(self) -> bool:
        return self.revision != migrate.head()

    @property
    def goes_back(self) -> bool:
        """Whether there is another version to go back to."""
        return None not in (self.previous, self.target) and self.previous != self.target

    def __str__(self) -> str:
        return f"{_short(self.previous)} → {_short(self.target)}"


class PreviousVersionError(OpsError):
    """The new version did not start and is gone; the previous one is checked out, and nothing runs."""


def _short(commit: str | None) -> str:
    return commit[:10] if commit else "an unknown version"


def deploy(home: Home, say: Say, *, dry_run: bool = False) -> None:
    """The five steps; an ``OpsError`` when the new version did not work (the previous one is back then)."""
    settings = settings_module.load(keepa_deals_home=home.path)
    database = Database.from_settings(settings)
    try:
        git_version.refuse_unreadable()
        plan = Plan(git_version.deployed(), git_version.current(), migrate.current(database))
        _refuse(plan)
        _refuse_selection(home, settings, plan, say, dry_run=dry_run)
        if dry_run:
            _tell(plan, home, say)
            return
        _log(home, "begins", plan)
        began = time.monotonic()
        running = supervisor.live_supervisor(home) is not None
        _carry_out(_Deploy(home, settings, database, plan, say, _configuration(home), running))
        _log(home, f"succeeded after {time.monotonic() - began:.0f} s", plan)
    except StoreError as error:
        raise OpsError(f"database: {error}{'' if dry_run else _taken_back(say)}") from None
    finally:
        database.close()


def _taken_back(say: Say) -> str:
    """What was done about the checkout of a version whose deploy could not even begin: what dies must come
    back as the version that it was."""
    plan = Plan(git_version.deployed(), git_version.current(), None)
    if not plan.goes_back or git_version.local_changes():
        return ""
    _check_out_previous(plan, say)
    return f". {_short(plan.previous)} is checked out again, nothing was stopped"


def _refuse(plan: Plan) -> None:
    if plan.target is not None and git_version.local_changes():
        raise OpsError(
            "files under version control were changed here, so the previous version could not be brought "
            "back: commit them or undo them (git status says which)"
        )


def _refuse_selection(home: Home, settings: Settings, plan: Plan, say: Say, *, dry_run: bool) -> None:
    """An ``OpsError`` of one line when this version cannot use the deal query; before anything stops."""
    try:
        preflight.selection(settings, say)
    except OpsError as error:
        if dry_run:
            raise
        _log(home, f"refused: {error}", plan)
        raise OpsError(f"{error}{_taken_back(say) or '; nothing was stopped'}") from None


def _tell(plan: Plan, home: Home, say: Say) -> None:
    running = supervisor.live_supervisor(home) is not None
    say(f"would deploy {plan}")
    if running:
        starting.tell_changes(home, say)
    say("1/5 Permissions: would set them on the scripts, .env and the home")
    say(
        f"2/5 Stop: would {'stop workers and beat' if running else 'find nothing running'}, copy the database"
    )
    migration = f"migrate {plan.revision} → {migrate.head()}, " if plan.migrates else ""
    say(f"3/5 Start: would {migration}start, and wait for a success of {UPSERT_JOB.name}")
    say("4/5 Reload: would reload the dashboard without dropping a request")
    say("5/5 Backfill: would send a backfill slice")


@dataclass(frozen=True)
class _Deploy:
    """The means of a deploy."""

    home: Home
    settings: Settings
    database: Database
    plan: Plan
    say: Say
    programs: str
    """The supervisor's configuration before the deploy."""
    running: bool
    """Whether a supervisor ran when the deploy began."""


def _carry_out(d: _Deploy) -> None:
    d.say(f"deploying {d.plan}")
    if d.running:
        starting.tell_changes(d.home, d.say)
    copy = None
    try:
        d.say("1/5 Permissions")
        _set_permissions(d.home)
        d.say(f"2/5 Stop: {'workers and beat; the dashboard goes on' if d.running else 'nothing runs'}")
        if d.running:
            _stop_pipeline(d.home)
        copy = _save(d)
        if d.running:
            _switch(d)
        else:
            d.say("3/5 Start")
            starting.start(d.home, d.say, sandbox=bool(runtime_env.with_sandbox(d.home)))
            d.say("4/5 Reload: the dashboard is new")
        d.say("5/5 Backfill")
        send(BACKFILL_JOB)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # whatever a new version does: it goes back
        _go_back(d, copy, error)
    git_version.remember()
    d.say(f"in service: {_short(d.plan.target)}")


def _save(d: _Deploy) -> Path | None:
    """The copy of the database that the way back needs; ``None`` when there is nothing to save."""
    if d.plan.revision is None:
        return None
    copy = backups.make(d.home, d.database, SystemClock().now())
    d.say(f"    the database is saved in {copy.relative_to(d.home.path)}")
    return copy


def _switch(d: _Deploy) -> None:
    d.say("3/5 Start" + (f", migrating to {migrate.head()}" if d.plan.migrates else ""))
    migrate.upgrade(d.database)
    chosen = supervisor_config.programs(d.home, d.settings, sandbox=bool(runtime_env.with_sandbox(d.home)))
    _configure(d.home, supervisor_config.render(d.home, chosen))
    launched = _start_pipeline(d.home)
    starting.wait_until_healthy(d.home, d.settings, d.say, within=GATE, launched=launched)
    d.say("4/5 Reload")
    _reload_dashboard(d.home)
    starting.wait_until_healthy(d.home, d.settings, d.say, within=GATE)
    _renew_guard(d.home)


def _set_permissions(home: Home) -> None:
    home.make()
    for name in SCRIPTS:
        path = PROJECT_ROOT / name
        path.chmod(path.stat().st_mode | 0o111)
    keep_key_private()


def _configuration(home: Home) -> str:
    """The supervisor's configuration as it stands; empty when nothing was ever started."""
    path = home.supervisor_conf
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _configure(home: Home, text: str) -> None:
    """Let the supervisor run other programs, or with other flags, if they differ from what it runs."""
    if text != _configuration(home):
        home.supervisor_conf.write_text(text, encoding="utf-8")
        supervisor.apply_configuration(home)


def _renew_guard(home: Home) -> None:
    supervisor.stop_program(home, "guard")
    supervisor.start_program(home, "guard")


def _stop_pipeline(home: Home) -> None:
    running = {program.name for program in supervisor.states(home)}
    for name in PIPELINE:
        if name in running:
            supervisor.stop_program(home, name)


def _start_pipeline(home: Home) -> datetime:
    launched = SystemClock().now()
    for name in reversed(PIPELINE):
        supervisor.start_program(home, name)
    return launched


def _reload_dashboard(home: Home) -> None:
    """HUP: gunicorn starts workers of the new version, then lets the old ones finish."""
    found = next((p for p in supervisor.states(home) if p.name == "dashboard"), None)
    if found is None or not found.pid:
        return  # it is down, and comes back as the version that is checked out
    os.kill(found.pid, signal.SIGHUP)


def _go_back(d: _Deploy, copy: Path | None, error: BaseException) -> NoReturn:
    """The previous version and database; ends with an ``OpsError`` in any case.

    Without a ``copy`` of the database nothing was done to it.
    """
    reason = _words(error)
    d.say(f"    that did not work: {reason}")
    _log(d.home, f"failed: {reason.splitlines()[0]}", d.plan, error)
    _tell_diagnosis(d, reason)
    if not d.running and not d.plan.goes_back:
        raise error if isinstance(error, OpsError) else OpsError(f"the service did not start: {reason}")
    try:
        if d.running and supervisor.live_supervisor(d.home) is not None:
            _return_in_place(d, copy)
        else:
            _clear_the_ground(d, copy)
    except UnhealthyError as second:
        _log(d.home, "the previous version is back, and not healthy yet", d.plan)
        raise UnhealthyError(
            f"the new version did not work; {_short(d.plan.previous)} is back, but {second}"
        ) from None
    except Exception as second:  # noqa: BLE001  # told in words and in the log
        words = _words(second)
        _log(d.home, f"the way back failed: {words.splitlines()[0]}", d.plan, second)
        raise HalfWayError(
            f"the new version did not work, and the way back failed: {words}. ./start_celery.sh starts "
            f"what is stopped, as {_short(git_version.current())}; see {d.home.log / DEPLOY_LOG}"
        ) from None
    if supervisor.live_supervisor(d.home) is None:
        raise PreviousVersionError(f"nothing runs; {_short(d.plan.previous)} is checked out again")
    _log(d.home, "the previous version is back", d.plan)
    raise OpsError(f"the new version did not work; {_short(d.plan.previous)} is back in service")


def _return_in_place(d: _Deploy, copy: Path | None) -> None:
    """The previous version under the supervisor that runs; the dashboard goes on meanwhile."""
    _stop_pipeline(d.home)
    _restore_database(d, copy)
    _check_out_previous(d.plan, d.say)
    _configure(d.home, d.programs)
    launched = _start_pipeline(d.home)
    _reload_dashboard(d.home)
    starting.wait_until_healthy(d.home, d.settings, d.say, within=GATE, launched=launched)


def _clear_the_ground(d: _Deploy, copy: Path | None) -> None:
    """Leave nothing of a version that did not start, so that the previous one can be started.

    That is up to its own script, once our lock is free: what this process has loaded is the new version.
    """
    stop.stop_everything(d.home, d.say)
    _restore_database(d, copy)
    _check_out_previous(d.plan, d.say)


def start_previous(home: Home, say: Say) -> NoReturn:
    """Start the version that is checked out by its own script; ends with an ``OpsError`` in any case."""
    here = _short(git_version.current())
    command = [
        str(PROJECT_ROOT / "start_celery.sh"),
        *(["--sandbox"] if runtime_env.with_sandbox(home) else []),
    ]
    with subprocess.Popen(  # noqa: S603  # our own script
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as start:
        assert start.stdout is not None
        for line in start.stdout:
            say(f"    {line.rstrip()}")
    if start.returncode == 0:
        _log(home, "the previous version is back", here)
        raise OpsError(f"the new version did not work; {here} is back in service")
    _log(home, "the previous version does not start", here)
    raise OpsError(
        f"the new version did not work, and {here}, which is checked out again, did not start either: "
        "see above; ./start_celery.sh tries again"
    )


def _check_out_previous(plan: Plan, say: Say) -> None:
    if not plan.goes_back:
        return
    say(f"    going back to {_short(plan.previous)}")
    assert plan.previous is not None
    assert plan.target is not None
    git_version.go_to(plan.previous)
    if git_version.changed_between(plan.previous, plan.target, *PACKAGE_LISTS):
        _install()


def _tell_diagnosis(d: _Deploy, reason: str) -> None:
    """Print what the diagnosis finds; it may be as broken as the version, and must not stop the way back."""
    try:
        for line in to_text(diagnose(gather(d.settings), log_lines=10, trouble=reason), width=100):
            d.say(f"    {line}")
    except Exception as error:  # noqa: BLE001
        d.say(f"    the diagnosis could not look: {_words(error)}")


def _words(error: BaseException) -> str:
    """What went wrong, never empty and never with a secret."""
    if isinstance(error, KeyboardInterrupt):
        return "it was interrupted"
    text = redact(str(error)).strip()
    if isinstance(error, KeepaDealsError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _restore_database(d: _Deploy, copy: Path | None) -> None:
    if copy is None or d.plan.revision is None or not d.plan.migrates:
        return
    if d.database.is_sqlite:
        backups.restore(copy, d.database)
    else:
        migrate.downgrade(d.database, d.plan.revision)
    d.say(f"    the database is back at {d.plan.revision}")


def _install() -> None:
    """The packages of the version that is checked out, as its own start would install them."""
    script = "source keepa_deals/ops/environment.sh && make_environment"
    subprocess.run(["bash", "-c", script], cwd=PROJECT_ROOT, check=False)  # noqa: S603, S607  # our own script


def _log(home: Home, outcome: str, plan: Plan | str, error: BaseException | None = None) -> None:
    """One line in ``deploy.log``; before it the place of an ``error`` that nobody foresaw."""
    lines = [f"{SystemClock().now():%Y-%m-%dT%H:%M:%SZ} {plan}: {outcome}"]
    if error is not None and not isinstance(error, (KeepaDealsError, KeyboardInterrupt)):
        where = redact("".join(traceback.format_exception(error))).splitlines()
        lines = [*(f"    {line}" for line in where), *lines]
    with contextlib.suppress(OSError), (home.log / DEPLOY_LOG).open("a", encoding="utf-8") as log:
        log.writelines(f"{line}\n" for line in lines)
