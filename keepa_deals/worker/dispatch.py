"""The way of a job to its queue when somebody asks for it by hand."""

from __future__ import annotations

from datetime import timedelta

from keepa_deals.jobs import FEEDING_JOBS, Job

EXPIRES = timedelta(seconds=60)
"""A message that no worker took by then is dropped: it must not run at a moment when nobody expects it."""

RUNNABLE = {job.name: job for job in FEEDING_JOBS}
"""The jobs that may be run by hand, by name."""


def send(job: Job) -> None:
    """Send the job's task to its queue; kombu's ``OperationalError`` when Redis does not take it."""
    from keepa_deals.celery_app import app  # reads the environment's configuration, which tests have none of

    app.send_task(job.task, queue=job.queue, expires=EXPIRES.total_seconds())
