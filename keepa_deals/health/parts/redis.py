"""Redis's own view of itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from redis import Redis

from keepa_deals.health.metric import AnyMetric, gauge
from keepa_deals.health.part import Part, Snapshot
from keepa_deals.keepa.time import from_unix_ms


@dataclass(frozen=True, slots=True)
class RedisHealth:
    """What ``INFO`` says; memory in bytes, ``max_memory`` 0 for no limit."""

    version: str
    role: str
    uptime_seconds: int
    used_memory: int
    max_memory: int
    policy: str
    loading: bool
    aof_enabled: bool
    aof_ok: bool
    last_save_ok: bool
    last_save_at: datetime | None
    evicted_keys: int
    clients: int
    clock: datetime
    """Redis's own clock: the token bucket runs on it."""

    @property
    def evicts(self) -> bool:
        """Whether it may throw keys away."""
        return self.policy not in ("noeviction", "unknown")

    @property
    def saves(self) -> bool:
        """Whether its last attempts to write its data worked."""
        return self.aof_ok and self.last_save_ok


def read(client: Redis) -> RedisHealth:
    """Redis's own view of itself."""
    pipe = client.pipeline(transaction=False)
    pipe.info()
    pipe.time()
    info, (seconds, microseconds) = pipe.execute()
    saved = info.get("rdb_last_save_time")
    return RedisHealth(
        version=str(info.get("valkey_version") or info["redis_version"]),
        role=info["role"],
        uptime_seconds=info["uptime_in_seconds"],
        used_memory=info["used_memory"],
        max_memory=info.get("maxmemory", 0),
        policy=info.get("maxmemory_policy", "unknown"),
        loading=bool(info.get("loading")),
        aof_enabled=bool(info.get("aof_enabled")),
        aof_ok=info.get("aof_last_write_status", "ok") == "ok",
        last_save_ok=info.get("rdb_last_bgsave_status", "ok") == "ok",
        last_save_at=datetime.fromtimestamp(saved, UTC) if saved else None,
        evicted_keys=info.get("evicted_keys", 0),
        clients=info["connected_clients"],
        clock=from_unix_ms(int(seconds) * 1000 + int(microseconds) // 1000),
    )


def _metrics(snapshot: Snapshot) -> Iterator[AnyMetric]:
    redis = snapshot.value(PART)
    if redis is None:
        return
    yield from gauge("redis_evicts", "1 where Redis may throw keys away", float(redis.evicts))
    yield from gauge("redis_save_failed", "1 while Redis cannot write its data", float(not redis.saves))
    yield from gauge("redis_replica", "1 where Redis takes no writes", float(redis.role != "master"))
    yield from gauge("redis_memory_bytes", "Memory that Redis uses", redis.used_memory)
    yield from gauge("redis_memory_limit_bytes", "Redis's maxmemory, 0 for none", redis.max_memory)
    yield from gauge("redis_uptime_seconds", "Since Redis started", redis.uptime_seconds)


PART: Part[RedisHealth] = Part("redis", lambda sources: read(sources.redis()), metrics=_metrics)
