"""What the last hours were like, from what the jobs recorded: gaps, failures, the number of live deals."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Engine, case, func, select

from keepa_deals.db.models import DealEvent, JobRun, Sample
from keepa_deals.health.error_text import redact
from keepa_deals.health.report import (
    ARRIVALS,
    DealsHealth,
    FlowHealth,
    Forecast,
    Gap,
    HistoryHealth,
    Point,
    RunFailure,
)
from keepa_deals.jobs import UPSERT_JOB

LOOK_BACK = timedelta(hours=1)
FLOW_HOURS = 6
FORECAST_HOURS = 4
MOST_RUNS = 4000
"""More than an hour holds at the shortest interval."""
_GOOD = ("succeeded", "nothing_to_do")


def read_history(engine: Engine, now: datetime, behind_after: timedelta) -> HistoryHealth:
    """The last hour: the curve of live deals, runs that failed, gaps between the upserter's successes."""
    since = now - LOOK_BACK - behind_after
    runs = (
        select(JobRun.name, JobRun.started_at, JobRun.finished_at, JobRun.outcome, JobRun.detail)
        .where(JobRun.started_at > since)
        .order_by(JobRun.started_at.desc())
        .limit(MOST_RUNS)
    )
    samples = select(Sample.at, Sample.live, Sample.stale, Sample.ended).where(Sample.at > since)
    with engine.connect() as connection:
        found = connection.execute(runs).all()[::-1]
        curve = [Point(*row) for row in connection.execute(samples.order_by(Sample.at)).all()]
        first = connection.scalar(select(func.min(JobRun.started_at)))
        sampled = connection.scalar(select(func.max(Sample.at)))
    successes = [f or s for name, s, f, outcome, _ in found if name == UPSERT_JOB.name and outcome in _GOOD]
    return HistoryHealth(
        first_run_at=first,
        last_sample_at=sampled,
        curve=tuple(curve),
        gaps=tuple(_gaps(successes, behind_after)),
        failures=_failures(found),
    )


def _gaps(successes: Sequence[datetime], longest: timedelta) -> Iterator[Gap]:
    for before, after in itertools.pairwise(successes):
        if after - before > longest:
            yield Gap(before, after)


def _failures(
    runs: Sequence[tuple[str, datetime, datetime | None, str, str | None]],
) -> tuple[RunFailure, ...]:
    """The failed runs, those with the same words counted."""
    found: dict[tuple[str, str], list[datetime]] = {}
    for name, started, finished, outcome, detail in runs:
        if outcome in ("failed", "lost_lock"):
            found.setdefault((name, redact(detail or outcome)), []).append(finished or started)
    return tuple(RunFailure(job, text, len(at), max(at)) for (job, text), at in found.items())


def read_flow(engine: Engine, now: datetime) -> FlowHealth:
    """Which changes of state each of the last hours saw, and how often; the last hour first."""
    ages = [(DealEvent.at > now - timedelta(hours=hour), hour - 1) for hour in range(1, FLOW_HOURS + 1)]
    hour = case(*ages).label("hour")
    query = (
        select(hour, DealEvent.kind, DealEvent.reason, func.count())
        .where(DealEvent.at > now - timedelta(hours=FLOW_HOURS), DealEvent.at <= now)
        .group_by(hour, DealEvent.kind, DealEvent.reason)
    )
    hours: list[dict[tuple[str, str | None], int]] = [{} for _ in range(FLOW_HOURS)]
    with engine.connect() as connection:
        for number, kind, reason, count in connection.execute(query):
            hours[number][kind.value, reason.value if reason else None] = count
    arrivals, departures = balance(hours[0])
    return FlowHealth(hours[0], arrivals, departures, tuple(hours))


def balance(changes: Mapping[tuple[str, str | None], int]) -> tuple[int, int]:
    """How many deals came to the live list, and how many left it."""
    arrivals = sum(n for (kind, _), n in changes.items() if kind in ARRIVALS)
    return arrivals, sum(changes.values()) - arrivals


def forecast(
    deals: DealsHealth | None, flow: FlowHealth | None, history: HistoryHealth | None, now: datetime
) -> Forecast | None:
    """How many deals will be live if nobody looks any more, and if the last hour goes on."""
    if deals is None:
        return None
    unattended, left, newer = [], deals.live, [timedelta(0), *(edge for edge, _ in deals.ages)]
    for (_, count), younger_than in zip(reversed(deals.ages), reversed(newer[:-1]), strict=True):
        left -= count
        unattended.append((newer[-1] - younger_than, left))
    expected: tuple[tuple[int, int], ...] = ()
    whole_hour = history and history.first_run_at and history.first_run_at <= now - LOOK_BACK
    if flow is not None and whole_hour:
        change = flow.arrivals - flow.departures
        expected = tuple((h, max(0, deals.live + h * change)) for h in range(1, FORECAST_HOURS + 1))
    return Forecast(tuple(unattended), expected)
