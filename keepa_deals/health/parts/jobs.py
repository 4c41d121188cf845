"""What each job remembers of its runs (``job_states``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from keepa_deals.db.models import JobState
from keepa_deals.health.error_text import redact
from keepa_deals.health.metric import AnyMetric, counters, gauges
from keepa_deals.health.part import Json, Part, Snapshot
from keepa_deals.health.parts.locks import lock_in
from keepa_deals.humanize import iso
from keepa_deals.jobs import FEEDING_JOBS

FAILED_OUTCOMES = ("failed", "lost_lock")
_REPORTED = tuple(job.name for job in FEEDING_JOBS)
"""Jobs that are told of also before they ever ran."""


@dataclass(frozen=True, slots=True)
class JobHealth:
    """The memory of one job; ``rows`` and ``tokens_spent`` count from its first run."""

    name: str
    last_started_at: datetime | None
    last_success_at: datetime | None
    last_finished_at: datetime | None
    last_outcome: str | None
    last_error: str | None
    watermark: datetime | None
    cursor: Mapping[str, Any] | None
    paused: bool
    rows: int
    tokens_spent: int

    @property
    def running(self) -> bool:
        """Whether the last start has not finished (a killed run looks the same)."""
        if self.last_started_at is None:
            return False
        return self.last_finished_at is None or self.last_finished_at < self.last_started_at

    @property
    def failed(self) -> bool:
        """Whether its last run failed: it has not succeeded since."""
        return self.last_outcome in FAILED_OUTCOMES


def read(engine: Engine) -> tuple[JobHealth, ...]:
    """The memory of every job that ever ran, by name."""
    with Session(engine) as session:
        return tuple(_job(state) for state in session.scalars(select(JobState).order_by(JobState.name)))


def _job(state: JobState) -> JobHealth:
    return JobHealth(
        name=state.name.rpartition(".")[2],
        last_started_at=state.last_started_at,
        last_success_at=state.last_success_at,
        last_finished_at=state.last_finished_at,
        last_outcome=state.last_outcome,
        last_error=redact(state.last_error) if state.last_error else None,
        watermark=state.watermark,
        cursor=state.cursor if isinstance(state.cursor, dict) else None,
        paused=state.paused,
        rows=state.rows,
        tokens_spent=state.tokens_spent,
    )


def job_in(snapshot: Snapshot, name: str) -> JobHealth | None:
    """The memory of the job called ``name``; ``None`` when it never ran or could not be read."""
    return next((job for job in snapshot.value(PART) or () if job.name == name), None)


def _to_json(snapshot: Snapshot) -> Json:
    others = {job.name for job in snapshot.value(PART) or ()} - set(_REPORTED)
    return {"jobs": {name: _job_json(snapshot, name) for name in (*_REPORTED, *sorted(others))}}


def _job_json(snapshot: Snapshot, name: str) -> Json:
    job, lock = job_in(snapshot, name), lock_in(snapshot, name)
    unknown = snapshot.reading(PART).error is not None
    return {
        "last_started_at": iso(job.last_started_at) if job else None,
        "last_success_at": iso(job.last_success_at) if job else None,
        "last_finished_at": iso(job.last_finished_at) if job else None,
        "last_outcome": job.last_outcome if job else None,
        "last_error": job.last_error if job else None,
        "lock_holder": lock.owner if lock else None,
        "lock_ttl_seconds": lock.ttl_seconds if lock else None,
        "rows": job.rows if job else None if unknown else 0,
        "tokens_spent": job.tokens_spent if job else None if unknown else 0,
        "watermark": iso(job.watermark) if job else None,
        "paused": job.paused if job else None if unknown else False,
    }


def _metrics(snapshot: Snapshot) -> Iterator[AnyMetric]:
    jobs = snapshot.value(PART) or ()
    succeeded = [(j.name, j.last_success_at.timestamp()) for j in jobs if j.last_success_at is not None]
    yield from gauges("job_last_success_timestamp_seconds", "When a job last succeeded", "job", succeeded)
    yield from counters("job_rows", "Rows that a job wrote", "job", [(j.name, j.rows) for j in jobs])
    failed = [(j.name, float(j.failed)) for j in jobs]
    yield from gauges("job_failed", "1 while a job's last run failed", "job", failed)
    paused = [(j.name, float(j.paused)) for j in jobs]
    yield from gauges("job_paused", "1 while a job is paused", "job", paused)


PART: Part[tuple[JobHealth, ...]] = Part("jobs", lambda sources: read(sources.engine()), _to_json, _metrics)
