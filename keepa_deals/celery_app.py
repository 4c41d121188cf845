"""The Celery application: configuration, logging, and what every task of a worker process shares."""

from __future__ import annotations

import functools
import importlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from celery import Celery
from celery.signals import (
    before_task_publish,
    setup_logging,
    task_postrun,
    task_prerun,
    worker_init,
    worker_shutting_down,
)

from keepa_deals import logs, process_limits, settings
from keepa_deals.jobs import Job

if TYPE_CHECKING:
    from keepa_deals.dead_man_switch import DeadManSwitches
    from keepa_deals.ingest.context import IngestContext

log = logging.getLogger(__name__)

app = Celery(
    "keepa_deals",
    amqp="keepa_deals.worker.broker:Amqp",
    include=["keepa_deals.simple_task", "keepa_deals.backfiller"],
)
app.config_from_object("celeryconfig")

_WORK = (
    *("ingest.context", "ingest.upsert.run", "ingest.maintenance.run", "ingest.backfill.run"),
    "dead_man_switch",
    "health.operators",
    "seller.run",
)
"""What the tasks import when they run: all modules of the work itself hang on these."""
_making_context = threading.Lock()
_stopping = threading.Event()
"""Set at a worker's warm shutdown: a wait for tokens then ends at once."""


def context() -> IngestContext:
    """The connections of this process, made at its first task."""
    with _making_context:
        return _context()


@functools.cache
def _context() -> IngestContext:
    from keepa_deals.ingest.context import build_context

    return build_context(settings.load(), stop=_stopping.is_set)


@functools.cache
def _switches() -> DeadManSwitches:
    from keepa_deals.dead_man_switch import DeadManSwitches

    return DeadManSwitches(context().settings.ping_urls)


def run_watched(job: Job, work: Callable[[IngestContext], object]) -> None:
    """Run a job, and tell its dead-man's switch how that ended; nothing of a run that only waited."""
    from keepa_deals.ingest.run import Outcome, RunResult

    run_context = context()
    try:
        result = work(run_context)
    except Exception:
        _switches().tell(job.name, succeeded=False)
        raise
    outcome = result.outcome if isinstance(result, RunResult) else Outcome.SUCCEEDED
    if outcome.is_success or outcome.is_failure:
        _switches().tell(job.name, succeeded=outcome.is_success)


@functools.cache
def _time_limit() -> process_limits.TimeLimit:
    return process_limits.TimeLimit(app.conf.task_time_limit)


_give_back = process_limits.Seldom(process_limits.GIVE_BACK_EVERY, process_limits.give_back)
"""After a task: a slice of the backfill leaves 20 MB of what Keepa told of products."""


@worker_init.connect
def _load_the_jobs(**_: Any) -> None:
    """At the start, so that no ``git pull`` brings other code into a process that runs. Beat, which only
    names the tasks, is spared all of it."""
    _time_limit()
    for name in _WORK:
        importlib.import_module(f"keepa_deals.{name}")
    process_limits.spare_what_stays()


@task_prerun.connect
def _begin(task_id: str, **_: Any) -> None:
    _time_limit().begin(task_id)


@task_postrun.connect
def _end(task_id: str, **_: Any) -> None:
    _time_limit().end(task_id)
    _give_back()
    if process_limits.memory_used() > process_limits.MAX_MEMORY and not _stopping.is_set():
        log.warning("more than %d MB in memory: another process takes over", process_limits.MAX_MEMORY >> 20)
        os.kill(os.getpid(), signal.SIGTERM)


@worker_shutting_down.connect
def _end_waits(**_: Any) -> None:
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
