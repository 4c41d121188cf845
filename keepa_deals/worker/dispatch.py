"""Which jobs may be run by hand, and the way to their queues."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from keepa_deals.health.report import BACKFILL_JOB, UPSERT_JOB

EXPIRES = timedelta(seconds=60)
"""A message that no worker took by then is dropped: it must not run at a moment when nobody expects it."""


@dataclass(frozen=True, slots=True)
class Runnable:
    """A job with its task's name and the queue that the task goes to."""

    job: str
    task: str
    queue: str


RUNNABLE = {
    runnable.job: runnable
    for runnable in (
        Runnable(UPSERT_JOB, "keepa_deals.simple_task.update_recent_deals", "upsert"),
        Runnable(BACKFILL_JOB, "keepa_deals.backfiller.backfill_deals", "backfill"),
    )
}


def send(runnable: Runnable) -> None:
    """Send the job's task to its queue; kombu's ``OperationalError`` when Redis does not take it."""
    from keepa_deals.celery_app import app  # reads the environment's configuration, which tests have none of

    app.send_task(runnable.task, queue=runnable.queue, expires=EXPIRES.total_seconds())
