"""The jobs: last start, success and outcome, watermark and cursor."""

from __future__ import annotations

from collections.abc import Iterator

from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.diagnosis.facts.base import Level, Line
from keepa_deals.health.parts.jobs import JobHealth
from keepa_deals.humanize import age_text
from keepa_deals.ingest.backfill.state import crawl_of
from keepa_deals.ingest.upsert.state import plan_of, sweep_of
from keepa_deals.jobs import FEEDING_JOBS, UPSERT_JOB


def lines(evidence: Evidence) -> Iterator[Line]:
    """Last start, success and outcome; watermark and cursor."""
    if evidence.report.jobs.value is None:
        yield Line("jobs", Level.UNKNOWN, str(evidence.report.jobs.error))
        return
    behind = any(problem.name == "upserter_behind" for problem in evidence.report.problems)
    for name in (job.name for job in FEEDING_JOBS):
        job = evidence.report.job(name)
        if job is None:
            yield Line("jobs", Level.FAIL, f"{name}: never ran")
            continue
        late = behind and name == UPSERT_JOB.name
        bad = job.failed or job.paused or late
        yield Line("jobs", Level.FAIL if bad else Level.OK, f"{name}: {_job(evidence, job)}")
    history = evidence.report.history.value
    if history and history.last_sample_at:
        sampled = evidence.age(history.last_sample_at)
        yield Line("jobs", Level.OK, f"maintenance: last sample {sampled}")


def _job(evidence: Evidence, job: JobHealth) -> str:
    now = evidence.report.taken_at
    parts = [
        f"started {age_text(job.last_started_at, now)}",
        f"succeeded {age_text(job.last_success_at, now)}",
    ]
    parts.append("runs" if job.running else f"last outcome {job.last_outcome}")
    parts += [f"error: {job.last_error}"] if job.last_error else []
    parts += ["paused"] if job.paused else []
    parts += [f"watermark {job.watermark:%Y-%m-%d %H:%M}Z"] if job.watermark else []
    parts += _place(job.cursor)
    return ", ".join(parts)


def _place(cursor: object) -> Iterator[str]:
    """Where a job is by its cursor, the parts that say something to people."""
    if sweep := sweep_of(cursor):
        at_once = " in a hurry" if sweep.immediate else ""
        yield f"sweep at page {sweep.next_page} of {sweep.pages}{at_once}"
    if plan := plan_of(cursor):
        yield f"keeps {plan.kept} of {plan.matching} matching deals fresh"
        yield f"{plan.needed} of {plan.supply or '?'} tokens a window needed"
    if crawl := crawl_of(cursor):
        yield "has walked the feed" if crawl.is_complete else f"walks the feed, page {crawl.next_page}"
