"""The health report as the health page shows it: jobs with their buttons, lanes, and what goes stale when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from keepa_deals.deals.ended_reasons import ENDED_REASONS
from keepa_deals.health.forecast import Forecast
from keepa_deals.health.parts.deals import DealsHealth
from keepa_deals.health.parts.flow import ARRIVALS, FlowHealth
from keepa_deals.health.parts.jobs import JobHealth
from keepa_deals.health.parts.locks import LockHealth
from keepa_deals.health.parts.queues import QueueHealth
from keepa_deals.health.parts.tokens import TokenHealth
from keepa_deals.health.report import HealthReport
from keepa_deals.humanize import duration_text
from keepa_deals.jobs import BACKFILL_JOB, FEEDING_JOBS, Job


@dataclass(frozen=True, slots=True)
class JobLine:
    """One job: its memory, its lock, its queue, and why it can't be run by hand now (empty: it can)."""

    name: str
    title: str
    job: JobHealth | None
    lock: LockHealth | None
    queue: QueueHealth | None
    blocked: str
    pausable: bool


def job_lines(report: HealthReport) -> list[JobLine]:
    """The jobs that can be run by hand, in the order of their importance."""
    return [_job_line(report, job) for job in FEEDING_JOBS]


def _job_line(report: HealthReport, job: Job) -> JobLine:
    return JobLine(
        name=job.name,
        title=job.title,
        job=report.job(job.name),
        lock=report.lock(job.name),
        queue=_queue(report, job),
        blocked=why_blocked(report, job) or "",
        pausable=job == BACKFILL_JOB,
    )


def _queue(report: HealthReport, job: Job) -> QueueHealth | None:
    return next((queue for queue in report.queues.value or () if queue.name == job.queue), None)


def why_blocked(report: HealthReport, job: Job) -> str | None:
    """Why the job must not be sent to its queue now; ``None`` when nothing speaks against it."""
    if report.redis.error:
        return report.redis.error
    lock, state, queue = report.lock(job.name), report.job(job.name), _queue(report, job)
    if lock is not None and lock.owner is not None:
        return f"it is running already (pid {lock.pid} on {lock.host})"
    if state is not None and state.paused:
        return "it is paused: resume it first"
    if queue is not None and queue.depth:
        return f"{queue.depth} in its queue already"
    return None


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane of the token bucket: who waits now, and what was granted since the counters began."""

    label: str
    waiting: int
    longest: float | None
    grants: int
    waits: int
    mean: float | None
    """Seconds that those who had to wait waited on average."""


def lanes(tokens: TokenHealth | None) -> list[Lane]:
    """Both lanes; none while the account is unknown."""
    if tokens is None:
        return []
    return [_lane(tokens, "small", "Small"), _lane(tokens, "bulk", "Bulk")]


def _lane(tokens: TokenHealth, name: str, label: str) -> Lane:
    now, counted = tokens.lane(name), tokens.counters.lane(name)
    return Lane(
        label=label,
        waiting=now.waiting,
        longest=now.longest_wait_seconds,
        grants=counted.grants,
        waits=counted.waits,
        mean=counted.mean_wait,
    )


@dataclass(frozen=True, slots=True)
class Step:
    """How many live deals turn stale within a time when nobody looks, and their share of all."""

    within: timedelta
    deals: int
    percent: float


def forecast(deals: DealsHealth | None) -> list[Step]:
    """The steps up to the time at which every deal would be stale; none without live deals."""
    if deals is None or not deals.live or not deals.ages:
        return []
    edges = [edge for edge, _ in deals.ages]
    return [
        Step(edge, number, round(100 * number / deals.live, 1))
        for edge in edges
        if (number := deals.stale_within(edge)) is not None
    ]


def expected_words(outlook: Forecast | None) -> str:
    """How many deals will be live when things go on as in the last hour."""
    if outlook is None or not outlook.expected:
        return ""
    steps = [f"{live:,} in {hours} h" for hours, live in outlook.expected]
    return f"If the last hour goes on, {', '.join(steps)} will be live."


@dataclass(frozen=True, slots=True)
class Movement:
    """Why deals came or went within the last hour, in words, and how many."""

    words: str
    deals: int
    arrives: bool


_MOVES = {
    "found": "found",
    "present": "there at the first look",
    "returned": "came back",
    "live_again": "seen again after being stale",
    "stale": "not looked at in time",
    "ended": "ended",
}


def movements(flow: FlowHealth | None) -> list[Movement]:
    """What came and what went in the last hour, the biggest part first."""
    if flow is None:
        return []
    moves = [
        Movement(_move_words(kind, reason), deals, kind in ARRIVALS)
        for (kind, reason), deals in flow.last_hour.items()
    ]
    return sorted(moves, key=lambda move: (not move.arrives, -move.deals))


def _move_words(kind: str, reason: str | None) -> str:
    words = _MOVES.get(kind, kind)
    return f"{words}: {ENDED_REASONS.get(reason, reason)}" if reason else words


def forecast_words(steps: Sequence[Step]) -> str:
    """What the forecast means."""
    due = next((step for step in steps if step.deals), None)
    if due is None:
        return ""
    time = duration_text(due.within.total_seconds())
    return (
        f"The upserter has at most {time} to see the oldest of them again. "
        "As long as it does, none goes stale."
    )
