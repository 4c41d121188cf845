"""Celery's configuration, from the project's settings: two queues on Redis, no results, UTC.

Why these values: docs/decisions.md. Nothing here shows a secret: ``broker_url`` has no login.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote

from kombu import Queue

from keepa_deals.addresses import hosts
from keepa_deals.addresses.redis import RedisAddress
from keepa_deals.errors import SettingsError
from keepa_deals.jobs import JOBS, QUEUES, UPSERT_JOB, Job
from keepa_deals.settings import Settings, load

TASK_HARD_LIMIT = timedelta(minutes=30)
"""A task that is still running then is wedged: its process is replaced (``keepa_deals.process_limits``)."""


def _broker(address: RedisAddress) -> str:
    """For Celery's eyes alone: its log names it. The connection itself is made of the ``address`` below."""
    if address.socket is not None:
        return f"redis+socket://{quote(address.socket)}?virtual_host={address.db}"
    place = f"{hosts.with_port(*address.places[0])}/{address.db}"
    return f"rediss://{place}?ssl_cert_reqs=required" if address.tls else f"redis://{place}"


def _entry(job: Job, settings: Settings) -> dict[str, Any]:
    every = float(settings.upsert_interval_seconds) if job.every is None else job.every.total_seconds()
    return {"task": job.task, "schedule": every, "options": {"queue": job.queue, "expires": every}}


try:
    _settings = load()
    broker_url = _broker(_settings.redis_address)
except SettingsError as error:
    raise SystemExit(f"keepa_deals: {error}") from None

broker_transport_options = {
    "address": _settings.redis_address,
    "global_keyprefix": f"{_settings.redis_key_prefix}:",
    "health_check_interval": 10,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "visibility_timeout": 3600,
}
broker_connection_retry_on_startup = True
broker_connection_max_retries = None  # for ever: the supervisor would only start the same wait again
broker_pool_limit = 2

task_queues = tuple(Queue(queue) for queue in QUEUES)
task_default_queue = UPSERT_JOB.queue
task_routes = {job.task: {"queue": job.queue} for job in JOBS.values()}
task_create_missing_queues = False
task_ignore_result = True
task_time_limit = int(TASK_HARD_LIMIT.total_seconds())
task_publish_retry_policy = {"max_retries": 1, "interval_start": 0.2}
task_serializer = "json"
accept_content = ["json"]

worker_pool = "threads"
worker_prefetch_multiplier = 1
worker_disable_prefetch = True
worker_enable_remote_control = False
worker_send_task_events = False
worker_cancel_long_running_tasks_on_connection_loss = False

beat_scheduler = "keepa_deals.worker.scheduler:HeartbeatScheduler"
beat_schedule = {job.function: _entry(job, _settings) for job in JOBS.values()}
beat_max_loop_interval = 5

enable_utc = True
timezone = "UTC"
