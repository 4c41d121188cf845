"""Brings a deployment up, and returns when it is seen to work."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from keepa_deals import health
from keepa_deals import settings as settings_module
from keepa_deals.clock import SystemClock
from keepa_deals.deployment import (
    beat_lock,
    dashboard_probe,
    embedded_redis,
    git_version,
    runtime_env,
    supervisor_config,
)
from keepa_deals.deployment import supervisor as supervisor_client
from keepa_deals.deployment.console import Say
from keepa_deals.deployment.errors import OpsError, UnhealthyError
from keepa_deals.deployment.home import Home
from keepa_deals.deployment.log_files import log_of
from keepa_deals.deployment.ports import free_port
from keepa_deals.deployment.processes import describe, ours
from keepa_deals.health.report import HealthReport
from keepa_deals.jobs import UPSERT_JOB
from keepa_deals.ops import database_origin, preflight, stop
from keepa_deals.settings import KEY_LENGTH, Settings

HEALTHY_WITHIN = 120.0
LOOK_EVERY = 0.5
LOG_LINES = 15
RESTART = "./kill_everything_force.sh && ./start_celery.sh"
KEY_REFUSED = "the key is refused"
"""How the error of a run says so (``keepa.errors.KeyRefusedError``): waiting would not help."""
PROBE_PATIENCE = 2.0
FAILURES = 3
"""A program that had to be started more often than this, while we wait, does not work."""


@dataclass(frozen=True, slots=True)
class Started:
    """A deployment that works."""

    address: str
    live_deals: int


def start(
    home: Home, say: Say, *, sandbox: bool = False, resume: bool = False, within: float = HEALTHY_WITHIN
) -> Started:
    """Start everything that does not run yet; an ``OpsError`` that says what is wrong otherwise.

    ``resume`` takes the settings that it last ran with instead of those in force now.
    """
    supervisor = supervisor_client.live_supervisor(home)
    if supervisor is not None:
        stop.refuse_another_checkout([supervisor], home)
        if supervisor_client.home_at_start(supervisor) != str(home.path):
            raise OpsError(f"what runs here was started before this folder was moved: {RESTART}")
        say(f"already running: {describe(supervisor)}")
        if not resume:
            _refuse_the_other_kind(home, sandbox=sandbox)
            if runtime_env.with_sandbox(home):
                say("  note  this is the sandbox: its deals are invented")
            tell_changes(home, say)
        settings = settings_module.load(keepa_deals_home=home.path)
        launched = _wake(home, settings, say)
        return wait_until_healthy(home, settings, say, within=within, launched=launched)
    preflight.room(home)  # before what still works is stopped
    if resume:  # whatever its files hold by now: what worked comes back as far as it can
        _clear_away(home, say)
        sandbox = bool(runtime_env.with_sandbox(home))
        settings = settings_module.load(keepa_deals_home=home.path)
    else:
        settings = _choose(home, say, sandbox=sandbox)
        _clear_away(home, say)
        database_origin.make_way(home, settings, SystemClock().now(), say, sandbox=sandbox)
    own_redis = supervisor_config.uses_embedded_redis(home, settings)
    preflight.check(home, settings, say, own_redis=own_redis)
    database_origin.note(settings, sandbox=sandbox)
    if own_redis:
        embedded_redis.write_config(home)
        say(f"  ok    Redis: our own, {embedded_redis.find_server()}")
    runtime_env.write(home, settings, sandbox=sandbox)
    chosen = supervisor_config.programs(home, settings, sandbox=sandbox)
    home.supervisor_conf.write_text(supervisor_config.render(home, chosen), encoding="utf-8")
    say("starting " + ", ".join(program.name for program in chosen))
    launched = SystemClock().now()
    supervisor_client.launch(home)
    started = wait_until_healthy(home, settings, say, within=within, launched=launched)
    git_version.remember()
    return started


def _refuse_the_other_kind(home: Home, *, sandbox: bool) -> None:
    """An ``OpsError`` when a sandbox runs and the live service is wanted, or the other way round."""
    runs_sandbox = bool(runtime_env.with_sandbox(home))
    if sandbox and not runs_sandbox:
        raise OpsError(f"what runs is the live service, no sandbox: {database_origin.beside(home)}")
    if sandbox or not runs_sandbox:
        return
    if settings_module.load(runtime=False, keepa_deals_home=home.path).keepa_api_key is not None:
        raise OpsError(f"what runs is the sandbox, not the live service: {RESTART} goes live")


def tell_changes(home: Home, say: Say) -> None:
    """Name the settings that were changed since the start: what runs does not know them yet."""
    changed = runtime_env.changes(home)
    if changed:
        say(f"  note  changed since it was started: {', '.join(changed)}. {RESTART} brings that in")


def _wake(home: Home, settings: Settings, say: Say) -> datetime | None:
    """Start the programs that a deploy had stopped before it died; when that was, if there were any."""
    down = supervisor_client.stopped(home)
    if not down:
        return None
    say(f"  ok    database: {preflight.migrated(settings)}")
    say("starting " + ", ".join(down))
    launched = SystemClock().now()
    for name in down:
        supervisor_client.start_program(home, name)
    return launched


def _clear_away(home: Home, say: Say) -> None:
    """What a crash has left: orphans of a dead supervisor, and pid files that name nobody of ours."""
    orphans = ours(home.path)
    if orphans:
        say("the supervisor is gone, but its children live: stopping them first")
        stop.stop_everything(home, say)
    removed = beat_lock.remove_stale_pid_file(home)
    if removed:
        say(removed)


def _choose(home: Home, say: Say, *, sandbox: bool) -> Settings:
    """The settings in force, with what the start itself decides.

    The deal query's domain becomes a setting: the dashboard shows the deals of that one.
    """
    settings = settings_module.load(runtime=False, keepa_deals_home=home.path)
    chosen: dict[str, Any] = {}
    if sandbox:
        chosen["keepa_api_url"] = f"http://127.0.0.1:{free_port()}"
        chosen["keepa_api_key"] = secrets.token_hex(KEY_LENGTH // 2)
    else:
        _ = settings.api_key  # names both ways on when there is none
    if settings.redis_url is None:
        chosen["redis_url"] = embedded_redis.url(home)
    chosen["keepa_domain_id"] = preflight.selection(settings, say).domain_id
    return settings_module.load(runtime=False, keepa_deals_home=home.path, **chosen)


def wait_until_healthy(
    home: Home, settings: Settings, say: Say, *, within: float, launched: datetime | None = None
) -> Started:
    """Return when the upserter has succeeded, beat has ticked and the dashboard answers.

    Only what happened after ``launched`` counts, if it is given. An ``UnhealthyError`` after ``within``
    seconds, an ``OpsError`` as soon as a program fails again and again.
    """
    address = settings.dashboard_url
    since, told, attempts = time.monotonic(), "", _Attempts(home)
    while True:
        attempts.refuse_failing()
        report = health.collect(settings)
        missing = _missing(report, address, launched)
        if missing is None:
            return Started(address, report.deals.value.live if report.deals.value else 0)
        if missing != told:
            told = missing
            say(f"  wait  {missing}")
        if time.monotonic() - since > within:
            lines = "\n".join(_tail(home, log_of(UPSERT_JOB.worker)))
            raise UnhealthyError(
                f"not healthy after {within:.0f} s: {missing}. It goes on trying; "
                f"see {home.log} and 'keepa-deals status'.\n{lines}"
            )
        time.sleep(LOOK_EVERY)


def _missing(report: HealthReport, address: str, launched: datetime | None) -> str | None:
    """What is still to come before the deployment works; ``None`` when it does."""
    if report.redis.error:
        return f"Redis: {report.redis.error}"
    job = report.job(UPSERT_JOB.name)
    if job is None or job.last_success_at is None or (launched and job.last_success_at < launched):
        return _first_run(report, launched)
    if not dashboard_probe.answers(address, PROBE_PATIENCE):
        return "the dashboard does not answer yet"
    if report.beat.value is None or (launched and report.beat.value < launched):
        return "beat has not ticked yet"
    return None


def _first_run(report: HealthReport, launched: datetime | None) -> str:
    job = report.job(UPSERT_JOB.name)
    if job is not None and job.last_error:
        recent = launched is None or (job.last_finished_at is not None and job.last_finished_at >= launched)
        if recent and KEY_REFUSED in job.last_error:
            raise UnhealthyError(
                f"{job.last_error}. It goes on trying; with another key in .env, {RESTART} brings it in"
            )
        return f"a success of {UPSERT_JOB.name}, whose last error was: {job.last_error}"
    tokens = report.tokens.value
    if tokens is not None and tokens.available is not None and tokens.small.waiting:
        return f"{UPSERT_JOB.name} waits for tokens ({tokens.available} of the 5 that it needs)"
    return "the first deals"


class _Attempts:
    """Counts how often each program was started while somebody waits for it."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._starts: dict[str, set[int]] = {}

    def refuse_failing(self) -> None:
        """An ``OpsError`` with the end of its log when a program dies again and again."""
        for program in supervisor_client.states(self._home):
            starts = self._starts.setdefault(program.name, set())
            starts.add(program.since)
            if program.state == "FATAL" or len(starts) > FAILURES:
                lines = "\n".join(_tail(self._home, log_of(program.name)))
                raise OpsError(f"{program.name} does not stay alive: {program.detail}\n{lines}")


def _tail(home: Home, name: str) -> Iterator[str]:
    with contextlib.suppress(OSError):
        text = (home.log / name).read_text(encoding="utf-8", errors="replace")
        for line in text.splitlines()[-LOG_LINES:]:
            yield f"    {name}: {line}"
