"""Waits until a deployment is seen to work, or says what is missing."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from keepa_deals import health
from keepa_deals.deployment import dashboard_probe
from keepa_deals.deployment import supervisor as supervisor_client
from keepa_deals.deployment.console import Say
from keepa_deals.deployment.deployment import Deployment
from keepa_deals.deployment.errors import OpsError, UnhealthyError
from keepa_deals.deployment.home import Home
from keepa_deals.deployment.log_files import log_of
from keepa_deals.health.report import HealthReport
from keepa_deals.health.troubles import KEY_REFUSED
from keepa_deals.jobs import UPSERT_JOB

HEALTHY_WITHIN = 120.0
"""Seconds that a start has."""
LOOK_EVERY = 0.5
LOG_LINES = 15
RESTART = "./kill_everything_force.sh && ./start_celery.sh"
"""How the error of a run says so (``keepa.errors.KeyRefusedError``): waiting would not help."""
PROBE_TIMEOUT = 2.0
MAX_STARTS = 3
"""A program that had to be started more often than this, while we wait, does not work."""


@dataclass(frozen=True, slots=True)
class Started:
    """A deployment that works."""

    address: str
    live_deals: int


def wait_until_healthy(
    deployment: Deployment,
    say: Say,
    *,
    within: float,
    launched: datetime | None = None,
    any_success: bool = False,
) -> Started:
    """Return when the upserter has succeeded, beat has ticked and the dashboard answers.

    Only what happened after ``launched`` counts. Without it, the service ran before: then the upserter's last
    run must have succeeded, and of late; with ``any_success`` it is enough that one ever did. An
    ``UnhealthyError`` after ``within`` seconds, an ``OpsError`` as soon as a program fails again and again.
    """
    home, settings = deployment.home, deployment.settings
    address = settings.dashboard_url
    since, told, attempts = time.monotonic(), "", _Attempts(home)
    while True:
        attempts.refuse_failing()
        report = health.collect(settings)
        missing = _missing(report, address, launched, any_success=any_success)
        if missing is None:
            _tell_failed_jobs(report, say)
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


def _missing(
    report: HealthReport, address: str, launched: datetime | None, *, any_success: bool
) -> str | None:
    """What is still to come before the deployment works; ``None`` when it does."""
    if report.redis.error:
        return f"Redis: {report.redis.error}"
    if not _has_succeeded(report, launched, any_success=any_success):
        return _first_run(report, launched)
    if not dashboard_probe.answers(address, PROBE_TIMEOUT):
        return "the dashboard does not answer yet"
    if report.beat.value is None or (launched and report.beat.value < launched):
        return "beat has not ticked yet"
    return None


def _has_succeeded(report: HealthReport, launched: datetime | None, *, any_success: bool) -> bool:
    """Whether the upserter works, by the outcome of its last run where it was not launched just now."""
    job = report.job(UPSERT_JOB.name)
    if job is None or job.last_success_at is None:
        return False
    if launched is not None:
        return job.last_success_at >= launched
    return any_success or (not job.failed and report.taken_at - job.last_success_at <= report.behind_after)


def _tell_failed_jobs(report: HealthReport, say: Say) -> None:
    """Name the other jobs whose last run failed: the service works, and something is left to do."""
    for job in report.jobs.value or ():
        if job.failed and job.name != UPSERT_JOB.name:
            say(f"  note  the last run of {job.name} failed: {job.last_error or job.last_outcome}")


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
    return "the first deals" if job is None or job.last_success_at is None else f"a run of {UPSERT_JOB.name}"


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
            if program.state == "FATAL" or len(starts) > MAX_STARTS:
                lines = "\n".join(_tail(self._home, log_of(program.name)))
                raise OpsError(f"{program.name} does not stay alive: {program.detail}\n{lines}")


def _tail(home: Home, name: str) -> Iterator[str]:
    with contextlib.suppress(OSError):
        text = (home.log / name).read_text(encoding="utf-8", errors="replace")
        for line in text.splitlines()[-LOG_LINES:]:
            yield f"    {name}: {line}"
