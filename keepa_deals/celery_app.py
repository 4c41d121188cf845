"""The Celery application: configuration, logging, and what every task of a worker process shares."""

from __future__ import annotations

import functools
import logging
import multiprocessing
import time
from collections.abc import Callable
from typing import Any

from celery import Celery
from celery.signals import before_task_publish, setup_logging, worker_shutting_down

from keepa_deals import logs, settings
from keepa_deals.dead_man_switch import DeadManSwitches
from keepa_deals.ingest.context import IngestContext, build_context
from keepa_deals.ingest.run import Outcome, RunResult
from keepa_deals.jobs import Job

app = Celery(
    "keepa_deals",
    amqp="keepa_deals.worker.broker:Amqp",
    include=["keepa_deals.simple_task", "keepa_deals.backfiller"],
)
app.config_from_object("celeryconfig")

_stopping = multiprocessing.get_context("fork").Event()
"""Set in a worker's parent at its warm shutdown and seen by its pool: a wait for tokens then ends at once."""


@functools.cache
def context() -> IngestContext:
    """The connections of this pool process, made at its first task (never before the fork)."""
    return build_context(settings.load(), stop=_stopping.is_set)


@functools.cache
def _switches() -> DeadManSwitches:
    return DeadManSwitches(context().settings.ping_urls)


def run_watched(job: Job, work: Callable[[IngestContext], object]) -> None:
    """Run a job, and tell its dead-man's switch how that ended; nothing of a run that only waited."""
    run_context = context()
    try:
        result = work(run_context)
    except Exception:
        _switches().tell(job.name, succeeded=False)
        raise
    outcome = result.outcome if isinstance(result, RunResult) else Outcome.SUCCEEDED
    if outcome.is_success or outcome.is_failure:
        _switches().tell(job.name, succeeded=outcome.is_success)


@worker_shutting_down.connect
def _tell_the_pool(**_: Any) -> None:
    _stopping.set()


@before_task_publish.connect
def _stamp(headers: dict[str, Any] | None = None, **_: Any) -> None:
    """Notes when a message was sent, in Unix milliseconds: the age of a queue's oldest message."""
    if headers is not None:
        headers["sent_at"] = int(time.time() * 1000)


@setup_logging.connect
def _log_without_secrets(loglevel: int | str | None = None, **_: Any) -> None:
    settings.load()  # from then on their secrets are known and hidden
    logs.configure(level=loglevel if isinstance(loglevel, int) else logging.INFO)
