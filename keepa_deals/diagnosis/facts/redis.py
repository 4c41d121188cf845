"""Redis: reachable, persistence, memory, eviction."""

from __future__ import annotations

from collections.abc import Iterator

from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.diagnosis.facts.base import Level, Line, warn_if
from keepa_deals.health.parts.redis import RedisHealth
from keepa_deals.humanize import duration_text


def lines(evidence: Evidence) -> Iterator[Line]:
    """Reachable, persistence, memory, eviction."""
    redis = evidence.report.redis.value
    if redis is None:
        yield Line("redis", Level.FAIL, str(evidence.report.redis.error))
        return
    up = duration_text(redis.uptime_seconds)
    text = f"{redis.version}, {redis.role}, up {up}, {redis.clients} clients"
    yield Line("redis", warn_if(redis.role != "master"), text)
    limit = f" of {redis.max_memory >> 20}" if redis.max_memory else ""
    full = redis.max_memory and redis.used_memory > 0.9 * redis.max_memory
    memory = f"memory: {redis.used_memory >> 20}{limit} MB, {redis.policy}, {redis.evicted_keys} keys evicted"
    yield Line("redis", warn_if(redis.evicts or full), memory)
    yield Line(
        "redis",
        warn_if(not redis.saves),
        f"persistence: {_saving(evidence, redis)}",
    )


def _saving(evidence: Evidence, redis: RedisHealth) -> str:
    if redis.aof_enabled:
        return f"append-only file, last write {'ok' if redis.aof_ok else 'failed'}"
    saved = evidence.age(redis.last_save_at)
    return f"snapshots only, last {saved}{'' if redis.last_save_ok else ' failed'}"
