"""What the jobs say went wrong, by rule: the words of their last failed run."""

from __future__ import annotations

from keepa_deals.diagnosis.causes import classify
from keepa_deals.diagnosis.evidence.gather import Evidence

_FAILED = ("failed", "lost_lock")


def failing(e: Evidence) -> list[tuple[str, str]]:
    """(job, words) of each job whose last run failed: it has not succeeded since."""
    return [
        (job.name, job.last_error)
        for job in e.report.jobs.value or ()
        if job.last_outcome in _FAILED and job.last_error
    ]


def last_error(e: Evidence, rule: str) -> str:
    """The words of a failed job that speak of ``rule``; empty when none does."""
    return next((f"{job}: {text}" for job, text in failing(e) if classify(text) == rule), "")
