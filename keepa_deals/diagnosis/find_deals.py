"""Causes and consequences in the deals and the jobs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from keepa_deals.diagnosis.causes import Finding, classify
from keepa_deals.diagnosis.errors_of_jobs import failing
from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.health.readiness import age_text, upserter_is_behind
from keepa_deals.health.report import UPSERT_JOB, DealsHealth, Point

FALL = 0.2
"""A loss of this part of the live deals within the hour is no normal change."""
FEW = 20
MERGED = "merged"
"""A deal that goes on under another variation of its product has left the list, but nothing is lost."""
_OF_THE_MOMENT = ("redis_down", "redis_not_saving", "database_unavailable")
"""Trouble that the look itself sees while it lasts: a run that met it failed, and the next one will not."""


def job_failing(e: Evidence) -> Iterator[Finding]:
    for job, text in failing(e):
        rule = classify(text)
        if rule is None or (rule in _OF_THE_MOMENT and _again_and_again(e, job)):
            yield Finding(f"{job}: {text}")


def _again_and_again(e: Evidence, name: str) -> bool:
    """Whether more than the one run failed that met the trouble."""
    if e.report.redis.error or e.report.database.error:
        return False
    job = e.report.job(name)
    if job is None or job.last_finished_at is None or job.last_success_at is None:
        return True
    interval = e.settings.upsert_interval_seconds + e.settings.keepa_tick_seconds
    return job.last_finished_at - job.last_success_at > timedelta(seconds=2 * interval)


def job_paused(e: Evidence) -> Iterator[Finding]:
    for job in e.report.jobs.value or ():
        if job.paused:
            yield Finding(f"{job.name} is paused")


def upserter_behind(e: Evidence) -> Iterator[Finding]:
    if not e.report.jobs.known or not upserter_is_behind(e.report):
        return
    job, worker = e.report.job(UPSERT_JOB), e.ours().get("worker-upsert")
    outcome = f", its last outcome is {job.last_outcome}" if job and job.last_outcome else ""
    if job is not None and job.last_success_at is not None:
        yield Finding(f"its last success was {age_text(job.last_success_at, e.report.taken_at)}{outcome}")
    elif worker is None or e.report.taken_at - worker.started_at > e.report.behind_after:
        yield Finding(f"it has never succeeded{outcome}")


def deals_stale(e: Evidence) -> Iterator[Finding]:
    deals = e.report.deals.value
    if deals and deals.stale > max(5, (deals.live + deals.stale) // 50):
        yield Finding(f"{deals.stale} of {deals.live + deals.stale} open deals were not verified in time")


def deals_unreadable(e: Evidence) -> Iterator[Finding]:
    found = e.report.unreadable
    if found is not None and found.count:
        told = "; ".join(found.examples[:3])
        yield Finding(f"{found.count} {'row' if found.count == 1 else 'rows'} of deals: {told}")


def janitor_at_work(e: Evidence) -> Iterator[Finding]:
    """Deals leave in numbers because they are ended, or rows vanish from the table."""
    deals, flow, most = e.report.deals.value, e.report.flow.value, fullest(e)
    if deals is None or flow is None or most is None:
        return
    ended = {reason: n for (kind, reason), n in flow.last_hour.items() if kind == "ended"}
    total = sum(n for reason, n in ended.items() if reason != MERGED)
    vanished = rows(most) - _rows(deals)
    if fell(most.live, deals.live) and total > max(FEW, FALL * most.live):
        reasons = ", ".join(f"{reason} {n}" for reason, n in sorted(ended.items(), key=str))
        yield Finding(f"{total} deals ended within the last hour ({reasons}), {flow.arrivals} came")
    elif vanished > max(FEW, FALL * rows(most)):
        yield Finding(f"the table has {_rows(deals)} deals, {vanished} less than {_when(e, most)}")


def deals_dwindling(e: Evidence) -> Iterator[Finding]:
    deals, most = e.report.deals.value, fullest(e)
    if deals is None or most is None or not fell(most.live, deals.live):
        return
    stale, ended = deals.stale - most.stale, deals.ended - most.ended
    yield Finding(
        f"{deals.live} deals are live, {most.live} were {_when(e, most)}: "
        f"{max(0, stale)} went stale, {max(0, ended)} ended since"
    )


def fullest(e: Evidence) -> Point | None:
    """The minute of the last hour with the most live deals."""
    history = e.report.history.value
    return max(history.curve, key=lambda point: point.live, default=None) if history else None


def fell(before: int, now: int) -> bool:
    """Whether so many are gone that it wants a reason."""
    return before - now > max(FEW, FALL * before)


def rows(point: Point) -> int:
    """The deals of a sample, whatever their state."""
    return point.live + point.stale + point.ended


def _rows(deals: DealsHealth) -> int:
    return deals.live + deals.stale + deals.ended


def _when(e: Evidence, point: Point) -> str:
    return age_text(point.at, e.report.taken_at)
