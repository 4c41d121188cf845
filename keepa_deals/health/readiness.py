"""What is wrong by the look alone, and whether the service is ready (``/readyz``)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from keepa_deals.deals.lifecycle import CLOCK_TOLERANCE
from keepa_deals.health.report import HealthReport, JobHealth, Problem
from keepa_deals.jobs import UPSERT_JOB
from keepa_deals.settings import Settings

BEAT_SILENT_AFTER = timedelta(seconds=30)
"""Beat ticks at least every 5 seconds (``beat_max_loop_interval``), also when nothing is due."""
BEHIND_RUNS = 3
BEHIND_FLOOR = timedelta(seconds=15)
QUEUE_DEEP = 20
"""Messages expire after one interval, and a worker drops those at once: so many mean that none listens."""


def behind_after(settings: Settings) -> timedelta:
    """How old the upserter's last success may be: some intervals, plus as many ticks to wait for tokens."""
    run = timedelta(seconds=settings.upsert_interval_seconds + settings.keepa_tick_seconds)
    return max(BEHIND_FLOOR, BEHIND_RUNS * run)


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the service does its work: database, Redis, and an upserter that is not behind."""

    problems: tuple[Problem, ...]

    @property
    def ready(self) -> bool:
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        return {"ready": self.ready, "problems": [{"name": p.name, "text": p.text} for p in self.problems]}


def readiness(report: HealthReport) -> Readiness:
    """The answer of ``/readyz``: what beat or a queue does shows in the upserter's last success."""
    decisive = ("redis_down", "database_unavailable", "database_not_migrated", "upserter_behind")
    return Readiness(tuple(p for p in report.problems if p.name in decisive))


def find_problems(report: HealthReport) -> tuple[Problem, ...]:
    """Everything that the look shows to be wrong, the cause before the consequence."""
    return tuple(_problems(report))


def _problems(report: HealthReport) -> Iterator[Problem]:
    if report.redis.error:
        yield Problem("redis_down", report.redis.error)
    if report.database.error:
        yield Problem("database_unavailable", report.database.error)
    elif report.database.value and not report.database.value.migrated:
        yield Problem("database_not_migrated", _migration_text(report))
    if report.beat.known and _older(report.beat.value, report.taken_at, BEAT_SILENT_AFTER):
        since = age_text(report.beat.value, report.taken_at)
        yield Problem("beat_down", f"beat's last tick was {since}")
    for queue in report.queues.value or ():
        if queue.depth >= QUEUE_DEEP:
            yield Problem("worker_deaf", f"{queue.depth} messages wait in the queue {queue.name!r}")
    if report.jobs.known and upserter_is_behind(report):
        yield Problem("upserter_behind", _behind_text(report.job(UPSERT_JOB.name), report.taken_at))


def upserter_is_behind(report: HealthReport) -> bool:
    """Whether the last success is too long ago, or nobody knows; a job that never succeeded is behind."""
    job = report.job(UPSERT_JOB.name)
    return _older(job.last_success_at if job else None, report.taken_at, report.behind_after)


def _older(moment: datetime | None, now: datetime, limit: timedelta) -> bool:
    """Whether ``moment`` is longer ago than ``limit``, or may be: the future tells of a wrong clock."""
    return moment is None or now - moment > limit or is_ahead(moment, now)


def is_ahead(moment: datetime, now: datetime) -> bool:
    """Whether what is past is dated later than now, by more than clocks differ."""
    return moment - now > CLOCK_TOLERANCE


def _migration_text(report: HealthReport) -> str:
    schema = report.database.value
    assert schema is not None
    if schema.revision is None:
        return "the tables were never made"
    return f"the tables are at migration {schema.revision}, this version needs {schema.expected_revision}"


def _behind_text(job: JobHealth | None, now: datetime) -> str:
    if job is None or job.last_success_at is None:
        return f"{UPSERT_JOB.name} has never succeeded"
    text = f"{UPSERT_JOB.name} last succeeded {age_text(job.last_success_at, now)}"
    if is_ahead(job.last_success_at, now):
        text += (
            " by this clock, which was set back: how old the deals are is not known until it succeeds again"
        )
    return f"{text}; its last outcome is {job.last_outcome}" if job.last_outcome else text


def age_text(moment: datetime | None, now: datetime) -> str:
    """``12 s ago``, ``5 min ago``, ``3 h ago``, ``2 d ago``, ``never``, ``in 12 s`` for the future."""
    if moment is None:
        return "never"
    seconds = (now - moment).total_seconds()
    text = duration_text(abs(seconds))
    return f"{text} ago" if seconds >= 0 else f"in {text}"


def duration_text(seconds: float) -> str:
    """A length of time in its largest fitting unit, rounded down."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"
