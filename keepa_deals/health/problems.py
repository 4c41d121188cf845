"""What is wrong by the look alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from keepa_deals.clock import is_ahead, is_overdue
from keepa_deals.health.part import Snapshot
from keepa_deals.health.parts import beat, database, jobs, queues, redis
from keepa_deals.health.parts.database import DatabaseHealth
from keepa_deals.health.parts.jobs import JobHealth, job_in
from keepa_deals.humanize import age_text
from keepa_deals.jobs import UPSERT_JOB

BEAT_SILENT_AFTER = timedelta(seconds=30)
"""Beat ticks at least every 5 seconds (``beat_max_loop_interval``), also when nothing is due."""
QUEUE_DEEP = 20
"""Messages expire after one interval, and a worker drops those at once: so many mean that none listens."""

TITLES = {
    "beat_down": "The scheduler is silent",
    "worker_deaf": "The workers do not answer",
    "redis_down": "Redis cannot be reached",
    "database_unavailable": "The database cannot be read",
    "database_not_migrated": "The database is of another version",
    "upserter_behind": "Refreshing is behind",
    "key_refused": "Keepa refuses the key",
    "budget_too_small": "The tokens do not suffice for all deals",
    "notifications_failing": "Messages of alerts do not arrive",
}
"""Problems as headlines, those among them that only operators are told of."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong; ``name`` is also that of the diagnosis rule and of the runbook's entry."""

    name: str
    text: str


def problem_title(name: str) -> str:
    """A problem's name as a headline: ``redis_down`` is “Redis cannot be reached”."""
    return TITLES.get(name, name.replace("_", " ").capitalize())


def find_problems(snapshot: Snapshot) -> tuple[Problem, ...]:
    """Everything that the look shows to be wrong, the cause before the consequence."""
    return tuple(_problems(snapshot))


def _problems(snapshot: Snapshot) -> Iterator[Problem]:
    if error := snapshot.reading(redis.PART).error:
        yield Problem("redis_down", error)
    schema = snapshot.reading(database.PART)
    if schema.error:
        yield Problem("database_unavailable", schema.error)
    elif schema.value and not schema.value.migrated:
        yield Problem("database_not_migrated", _migration_text(schema.value))
    ticked = snapshot.reading(beat.PART)
    if ticked.known and is_overdue(ticked.value, snapshot.taken_at, BEAT_SILENT_AFTER):
        yield Problem("beat_down", f"beat's last tick was {age_text(ticked.value, snapshot.taken_at)}")
    for queue in snapshot.value(queues.PART) or ():
        if queue.depth >= QUEUE_DEEP:
            yield Problem("worker_deaf", f"{queue.depth} messages wait in the queue {queue.name!r}")
    if snapshot.reading(jobs.PART).known and upserter_is_behind(snapshot):
        job = job_in(snapshot, UPSERT_JOB.name)
        yield Problem("upserter_behind", _behind_text(job, snapshot.taken_at))


def upserter_is_behind(snapshot: Snapshot) -> bool:
    """Whether the last success is too long ago, or nobody knows; a job that never succeeded is behind."""
    job = job_in(snapshot, UPSERT_JOB.name)
    return is_overdue(job.last_success_at if job else None, snapshot.taken_at, snapshot.behind_after)


def _migration_text(schema: DatabaseHealth) -> str:
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
