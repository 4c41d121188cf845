"""One look at the running service: behind /api/status, /readyz, ``keepa-deals status`` and the diagnosis."""

from __future__ import annotations

import functools
from dataclasses import replace
from datetime import timedelta

import redis
from sqlalchemy import Engine

from keepa_deals.call_log import read_answers
from keepa_deals.clock import Clock, SystemClock
from keepa_deals.health.parts import database, history, tokens
from keepa_deals.health.parts import redis as redis_part
from keepa_deals.health.parts.host import read_host
from keepa_deals.health.probing import PROBE_TIMEOUT, look
from keepa_deals.health.readiness import behind_after, find_problems
from keepa_deals.health.report import HealthReport
from keepa_deals.redis_store import Keys, connect_probe
from keepa_deals.settings import Settings


def collect(
    settings: Settings,
    *,
    clock: Clock | None = None,
    client: redis.Redis | None = None,
    engine: Engine | None = None,
    timeout: float = PROBE_TIMEOUT,
) -> HealthReport:
    """The state of the service within ``timeout`` seconds. Never raises: what fails is an error in words.

    ``client`` and ``engine`` replace the short-lived connections of its own (a server has them at hand).
    """
    now = (clock or SystemClock()).now()
    redis_of = functools.cache(lambda: client or connect_probe(settings))
    engine_of = functools.cache(lambda: engine or database.probe_engine(settings.database_dsn))
    prefix, fresh_for = settings.redis_key_prefix, timedelta(minutes=settings.deal_fresh_minutes)
    found = look(
        {
            "redis": lambda: redis_part.read_redis(redis_of()),
            "tokens": lambda: tokens.read_tokens(redis_of(), settings),
            "locks": lambda: redis_part.read_locks(redis_of(), prefix),
            "queues": lambda: redis_part.read_queues(redis_of(), prefix),
            "beat": lambda: redis_part.read_beat(redis_of(), prefix),
            "database": lambda: database.read_schema(engine_of()),
            "jobs": lambda: database.read_jobs(engine_of()),
            "deals": lambda: database.read_deals(engine_of(), now, fresh_for),
            "flow": lambda: history.read_flow(engine_of(), now),
            "history": lambda: history.read_history(engine_of(), now, behind_after(settings)),
            "host": lambda: read_host(settings.keepa_deals_home),
            "keepa": lambda: read_answers(redis_of(), Keys(prefix), now),
        },
        timeout=timeout,
    )
    report = HealthReport(
        taken_at=now,
        redis=found.take("redis", redis_part.read_redis),
        tokens=found.take("tokens", tokens.read_tokens),
        locks=found.take("locks", redis_part.read_locks),
        queues=found.take("queues", redis_part.read_queues),
        beat=found.take("beat", redis_part.read_beat),
        database=found.take("database", database.read_schema),
        jobs=found.take("jobs", database.read_jobs),
        deals=found.take("deals", database.read_deals),
        flow=found.take("flow", history.read_flow),
        history=found.take("history", history.read_history),
        host=found.take("host", read_host),
        keepa=found.take("keepa", read_answers),
        behind_after=behind_after(settings),
    )
    expected = history.forecast(report.deals.value, report.flow.value, report.history.value, now)
    return replace(report, forecast=expected, problems=find_problems(report))
