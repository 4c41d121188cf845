"""One look at the running service: behind /api/status, /readyz, ``keepa-deals status`` and the diagnosis."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import redis
from sqlalchemy import Engine

from keepa_deals.clock import Clock, SystemClock
from keepa_deals.health.forecast import forecast
from keepa_deals.health.part import Part, Sources, T
from keepa_deals.health.parts import READ
from keepa_deals.health.parts.database import probe_engine
from keepa_deals.health.probing import PROBE_TIMEOUT, run_probes
from keepa_deals.health.problems import find_problems
from keepa_deals.health.report import HealthReport
from keepa_deals.redis_store import connect_probe
from keepa_deals.settings import Settings


def collect(
    settings: Settings,
    *,
    clock: Clock | None = None,
    client: redis.Redis | None = None,
    engine: Engine | None = None,
    timeout: float = PROBE_TIMEOUT,
    parts: Sequence[Part[Any]] = READ,
) -> HealthReport:
    """The state of the service within ``timeout`` seconds. Never raises: what fails is an error in words.

    ``client`` and ``engine`` replace the short-lived connections of its own (a server has them at hand).
    ``parts``: those to read; the others are told as not read.
    """
    sources = Sources(
        settings=settings,
        now=(clock or SystemClock()).now(),
        redis=functools.cache(lambda: client or connect_probe(settings)),
        engine=functools.cache(lambda: engine or probe_engine(settings.database_dsn)),
        behind_after=settings.behind_after(),
    )
    probes = {part.name: functools.partial(_read, part, sources) for part in parts}
    report = HealthReport(
        taken_at=sources.now,
        readings=run_probes(probes, timeout=timeout).all,
        behind_after=sources.behind_after,
    )
    expected = forecast(report.deals.value, report.flow.value, report.history.value, report.taken_at)
    return replace(report, forecast=expected, problems=find_problems(report))


def _read(part: Part[T], sources: Sources) -> T:
    assert part.read is not None
    return part.read(sources)
