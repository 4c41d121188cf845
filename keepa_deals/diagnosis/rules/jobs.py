"""Causes and consequences in the jobs: paused, failing, behind."""

from __future__ import annotations

from collections.abc import Iterator

from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.diagnosis.rules.base import Alert, Finding, Rank, Stops, classify, rule
from keepa_deals.health.problems import upserter_is_behind
from keepa_deals.jobs import LISTINGS_JOB, UPSERT_JOB

_OF_THE_MOMENT = ("redis_down", "redis_not_saving", "database_unavailable")
"""Trouble that the look itself sees while it lasts: a run that met it failed, and the next one will not."""


@rule(
    rank=Rank.WORK,
    meaning="Somebody has paused it.",
    seen_by="the job's row says so",
    fix="resume it on the dashboard's health page",
    stops=Stops.UPSERTER,
    alert=Alert("keepa_deals_job_paused == 1", "15m"),
)
def job_paused(evidence: Evidence) -> Iterator[Finding]:
    for job in evidence.report.jobs.value or ():
        if job.paused:
            yield Finding(f"{job.name} is paused")


@rule(
    rank=Rank.WORK,
    meaning="A job fails for a reason that no rule knows.",
    seen_by="its last run failed",
    fix="read the end of its log below; report it with --bundle FILE",
    stops=Stops.UPSERTER,
    follows_what_stops=Stops.ALL,
    follows="memory_short redis_replica redis_not_saving redis_lost_data",
    alert=Alert(f"keepa_deals_job_failed{{job!='{LISTINGS_JOB.name}'}} == 1", "5m"),
)
def job_failing(evidence: Evidence) -> Iterator[Finding]:
    for job, text in evidence.failed_jobs():
        rule = classify(text)
        if rule is None or (rule in _OF_THE_MOMENT and _again_and_again(evidence, job)):
            yield Finding(f"{job}: {text}")


def _again_and_again(evidence: Evidence, name: str) -> bool:
    """Whether more than the one run failed that met the trouble."""
    if evidence.report.redis.error or evidence.report.database.error:
        return False
    job = evidence.report.job(name)
    if job is None or job.last_finished_at is None or job.last_success_at is None:
        return True
    return job.last_finished_at - job.last_success_at > evidence.settings.behind_after(runs=2)


@rule(
    rank=Rank.OUTCOME,
    meaning="Deals are not being refreshed.",
    seen_by="its last success is older than three intervals and three ticks",
    fix="look into log/celery_worker.log",
    follows_what_stops=Stops.UPSERTER,
    alert=Alert("keepa_deals_problem{name='upserter_behind'} == 1"),
)
def upserter_behind(evidence: Evidence) -> Iterator[Finding]:
    if not evidence.report.jobs.known or not upserter_is_behind(evidence.report):
        return
    job, worker = evidence.report.job(UPSERT_JOB.name), evidence.ours().get(UPSERT_JOB.worker)
    outcome = f", its last outcome is {job.last_outcome}" if job and job.last_outcome else ""
    if job is not None and job.last_success_at is not None:
        yield Finding(f"its last success was {evidence.age(job.last_success_at)}{outcome}")
    elif worker is None or evidence.report.taken_at - worker.started_at > evidence.report.behind_after:
        yield Finding(f"it has never succeeded{outcome}")
