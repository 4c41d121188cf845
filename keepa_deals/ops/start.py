"""Brings a deployment up, and returns when it is seen to work."""

from __future__ import annotations

import contextlib
import secrets
import socket
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from keepa_deals import health
from keepa_deals import settings as settings_module
from keepa_deals.clock import SystemClock
from keepa_deals.health.report import UPSERT_JOB, HealthReport
from keepa_deals.ops import beat, embedded_redis, preflight, programs, runtime, stop, supervise, version
from keepa_deals.ops.console import Say
from keepa_deals.ops.errors import OpsError, UnhealthyError
from keepa_deals.ops.identity import describe, ours
from keepa_deals.ops.layout import Home
from keepa_deals.settings import KEY_LENGTH, Settings

HEALTHY_WITHIN = 120.0
LOOK_EVERY = 0.5
LOG_LINES = 15
FAILURES = 3
"""So many failed starts of one program end the start."""


@dataclass(frozen=True, slots=True)
class Started:
    """A deployment that works."""

    address: str
    live_deals: int


def start(home: Home, say: Say, *, sandbox: bool, within: float = HEALTHY_WITHIN) -> Started:
    """Start everything that does not run yet; an ``OpsError`` that says what is wrong otherwise."""
    supervisor = supervise.live_supervisor(home)
    if supervisor is not None:
        say(f"already running: {describe(supervisor)}")
        settings = settings_module.load(keepa_deals_home=home.path)
        return wait_until_healthy(home, settings, say, within=within)
    _clear_away(home, say)
    settings = _choose(home, sandbox=sandbox)
    own_redis = programs.uses_embedded_redis(home, settings)
    preflight.check(home, settings, say, own_redis=own_redis)
    if own_redis:
        embedded_redis.write_config(home)
        say(f"  ok    Redis: our own, {embedded_redis.find_server()}")
    runtime.write(home, settings, sandbox=sandbox)
    chosen = programs.programs(home, settings, sandbox=sandbox)
    home.supervisor_conf.write_text(programs.render(home, chosen), encoding="utf-8")
    say("starting " + ", ".join(program.name for program in chosen))
    launched = SystemClock().now()
    supervise.launch(home)
    started = wait_until_healthy(home, settings, say, within=within, launched=launched)
    version.remember()
    return started


def _clear_away(home: Home, say: Say) -> None:
    """What a crash has left: orphans of a dead supervisor, and pid files that name nobody of ours."""
    orphans = ours(home.path)
    if orphans:
        say("the supervisor is gone, but its children live: stopping them first")
        stop.stop_everything(home, say)
    removed = beat.remove_stale_pid_file(home)
    if removed:
        say(removed)


def _choose(home: Home, *, sandbox: bool) -> Settings:
    """The settings in force, with what the start itself decides."""
    settings = settings_module.load(runtime=False, keepa_deals_home=home.path)
    chosen: dict[str, Any] = {}
    if sandbox:
        chosen["keepa_api_url"] = f"http://127.0.0.1:{_free_port()}"
        chosen["keepa_api_key"] = secrets.token_hex(KEY_LENGTH // 2)
    else:
        _ = settings.api_key  # names both ways on when there is none
    if settings.redis_url is None:
        chosen["redis_url"] = embedded_redis.url(home)
    return settings_module.load(runtime=False, keepa_deals_home=home.path, **chosen)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_healthy(
    home: Home, settings: Settings, say: Say, *, within: float, launched: datetime | None = None
) -> Started:
    """Return when the upserter has succeeded, beat has ticked and the dashboard answers.

    Only what happened after ``launched`` counts, if it is given. An ``UnhealthyError`` after ``within``
    seconds, an ``OpsError`` as soon as a program fails again and again.
    """
    address = f"http://{settings.dashboard_host}:{settings.dashboard_port}/"
    since, told = time.monotonic(), ""
    while True:
        _refuse_failing(home)
        report = health.collect(settings)
        missing = _missing(report, address, launched)
        if missing is None:
            return Started(address, report.deals.value.live if report.deals.value else 0)
        if missing != told:
            told = missing
            say(f"  wait  {missing}")
        if time.monotonic() - since > within:
            lines = "\n".join(_tail(home, "celery_worker.log"))
            raise UnhealthyError(
                f"not healthy after {within:.0f} s: {missing}. It goes on trying; "
                f"see {home.log} and 'keepa-deals status'.\n{lines}"
            )
        time.sleep(LOOK_EVERY)


def _missing(report: HealthReport, address: str, launched: datetime | None) -> str | None:
    """What is still to come before the deployment works; ``None`` when it does."""
    if report.redis.error:
        return f"Redis: {report.redis.error}"
    job = report.job(UPSERT_JOB)
    if job is None or job.last_success_at is None or (launched and job.last_success_at < launched):
        return _first_run(report)
    if not _answers(address):
        return "the dashboard does not answer yet"
    if report.beat.value is None or (launched and report.beat.value < launched):
        return "beat has not ticked yet"
    return None


def _first_run(report: HealthReport) -> str:
    job = report.job(UPSERT_JOB)
    if job is not None and job.last_error:
        return f"a success of update_recent_deals, whose last error was: {job.last_error}"
    tokens = report.tokens.value
    if tokens is not None and tokens.available is not None and tokens.small.waiting:
        return f"update_recent_deals waits for tokens ({tokens.available} of the 5 that it needs)"
    return "the first deals"


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}healthz", timeout=2) as answer:  # noqa: S310  # our own address
            return bool(answer.status == 200)
    except OSError:
        return False


_failures: dict[str, set[int]] = {}


def _refuse_failing(home: Home) -> None:
    """An ``OpsError`` with the end of its log when a program fails again and again."""
    for program in supervise.states(home):
        if program.state in ("FATAL", "BACKOFF"):
            seen = _failures.setdefault(program.name, set())
            seen.add(program.since)
            if len(seen) >= FAILURES or program.state == "FATAL":
                lines = "\n".join(_tail(home, _log_of(program.name)))
                raise OpsError(f"{program.name} does not start: {program.detail}\n{lines}")


def _log_of(name: str) -> str:
    logs = {
        "worker-upsert": "celery_worker.log",
        "worker-backfill": "celery_worker_backfill.log",
        "beat": "celery_beat.log",
    }
    return logs.get(name, f"{name}.log")


def _tail(home: Home, name: str) -> Iterator[str]:
    with contextlib.suppress(OSError):
        text = (home.log / name).read_text(encoding="utf-8", errors="replace")
        for line in text.splitlines()[-LOG_LINES:]:
            yield f"    {name}: {line}"
