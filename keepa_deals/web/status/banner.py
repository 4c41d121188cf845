"""Whether the deals may be old, in words for a reader: since when, why, and what happens next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from keepa_deals.clock import is_ahead
from keepa_deals.health.parts.jobs import JobHealth
from keepa_deals.health.problems import problem_title, upserter_is_behind
from keepa_deals.health.report import HealthReport
from keepa_deals.humanize import duration_text
from keepa_deals.jobs import UPSERT_JOB


@dataclass(frozen=True, slots=True)
class Banner:
    """``headline`` says what it means for the reader, ``since`` from when on, ``reasons`` why."""

    headline: str
    since: datetime | None
    reasons: tuple[str, ...]


def banner(report: HealthReport) -> Banner | None:
    """``None`` while the service is well."""
    if not report.problems:
        return None
    job = report.job(UPSERT_JOB.name)
    since = job.last_success_at if job else None
    reasons = tuple(_reasons(report, job))
    if report.jobs.known and upserter_is_behind(report):
        return Banner(_behind(since, report.taken_at), since, reasons)
    return Banner("The service is in trouble, but the deals are still being refreshed.", None, reasons)


def _behind(since: datetime | None, now: datetime) -> str:
    if since is None:
        return "No deal has been refreshed yet."
    if is_ahead(since, now):
        return (
            f"Nobody knows how old the deals are: the last refresh is dated {since:%H:%M} UTC, "
            f"{duration_text((since - now).total_seconds())} ahead of this machine's clock."
        )
    age = duration_text((now - since).total_seconds())
    return f"The deals may be old: nothing has been refreshed since {since:%H:%M} UTC, {age} ago."


def _reasons(report: HealthReport, job: JobHealth | None) -> Iterator[str]:
    for problem in report.problems:
        if problem.name != "upserter_behind":
            yield f"{problem_title(problem.name)}: {problem.text}"
    if job is not None and job.last_error:
        yield f"The last run failed: {job.last_error}"
    elif job is not None and job.last_outcome == "waiting_for_tokens":
        yield _tokens_words(report)


def _tokens_words(report: HealthReport) -> str:
    tokens = report.tokens.value
    if tokens is None or tokens.available is None:
        return "It waits for tokens of the Keepa account."
    return (
        f"It waits for tokens: the Keepa account has {tokens.available}, "
        f"{tokens.refill_rate} more come each minute."
    )
