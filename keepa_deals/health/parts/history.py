"""What the last hour was like, from what the jobs recorded: gaps, failures, the number of live deals."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, func, select

from keepa_deals.db.models import JobRun, Sample
from keepa_deals.health.error_text import redact
from keepa_deals.health.part import Part
from keepa_deals.jobs import UPSERT_JOB

LOOK_BACK = timedelta(hours=1)
MAX_RUNS = 4000
"""More than an hour holds at the shortest interval."""
_GOOD = ("succeeded", "nothing_to_do")


@dataclass(frozen=True, slots=True)
class Point:
    """One minute of the curve of live deals."""

    at: datetime
    live: int
    stale: int
    ended: int

    @property
    def total(self) -> int:
        """The deals of a sample, whatever their state."""
        return self.live + self.stale + self.ended


@dataclass(frozen=True, slots=True)
class Gap:
    """A time without a success of the upserter that was too long, and is over."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class RunFailure:
    """Runs of a job that failed with the same words."""

    job: str
    text: str
    count: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class HistoryHealth:
    """What the jobs recorded of the last hour."""

    first_run_at: datetime | None
    """The oldest run that is still recorded."""
    last_sample_at: datetime | None
    curve: tuple[Point, ...]
    gaps: tuple[Gap, ...]
    failures: tuple[RunFailure, ...]


def read(engine: Engine, now: datetime, behind_after: timedelta) -> HistoryHealth:
    """The last hour: the curve of live deals, runs that failed, gaps between the upserter's successes."""
    since = now - LOOK_BACK - behind_after
    runs = (
        select(JobRun.name, JobRun.started_at, JobRun.finished_at, JobRun.outcome, JobRun.detail)
        .where(JobRun.started_at > since)
        .order_by(JobRun.started_at.desc())
        .limit(MAX_RUNS)
    )
    samples = select(Sample.at, Sample.live, Sample.stale, Sample.ended).where(Sample.at > since)
    with engine.connect() as connection:
        rows = connection.execute(runs).all()[::-1]
        curve = [Point(*row) for row in connection.execute(samples.order_by(Sample.at)).all()]
        first = connection.scalar(select(func.min(JobRun.started_at)))
        sampled = connection.scalar(select(func.max(Sample.at)))
    successes = [f or s for name, s, f, outcome, _ in rows if name == UPSERT_JOB.name and outcome in _GOOD]
    return HistoryHealth(
        first_run_at=first,
        last_sample_at=sampled,
        curve=tuple(curve),
        gaps=tuple(_gaps(successes, behind_after)),
        failures=_failures(rows),
    )


def _gaps(successes: Sequence[datetime], longest: timedelta) -> Iterator[Gap]:
    for before, after in itertools.pairwise(successes):
        if after - before > longest:
            yield Gap(before, after)


def _failures(
    runs: Sequence[tuple[str, datetime, datetime | None, str, str | None]],
) -> tuple[RunFailure, ...]:
    """The failed runs, those with the same words counted."""
    moments: dict[tuple[str, str], list[datetime]] = {}
    for name, started, finished, outcome, detail in runs:
        if outcome in ("failed", "lost_lock"):
            moments.setdefault((name, redact(detail or outcome)), []).append(finished or started)
    return tuple(RunFailure(job, text, len(at), max(at)) for (job, text), at in moments.items())


PART: Part[HistoryHealth] = Part(
    "history", lambda sources: read(sources.engine(), sources.now, sources.behind_after)
)
