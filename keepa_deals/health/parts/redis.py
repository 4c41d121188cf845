"""What Redis tells: itself, the locks, the queues and beat's heartbeat."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from redis import Redis

from keepa_deals import locks
from keepa_deals.health.report import LockHealth, QueueHealth, RedisHealth
from keepa_deals.jobs import FEEDING_JOBS, QUEUES
from keepa_deals.keepa.time import from_unix_ms
from keepa_deals.redis_store import Keys


def read_redis(client: Redis) -> RedisHealth:
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


def read_locks(client: Redis, prefix: str) -> tuple[LockHealth, ...]:
    """Who holds each single-flight lock."""
    return tuple(_lock(client, job.lock, Keys(prefix)) for job in FEEDING_JOBS)


def _lock(client: Redis, name: str, keys: Keys) -> LockHealth:
    holder = locks.read_holder(client, keys.lock(name))
    if holder is None:
        return LockHealth(name)
    return LockHealth(name, holder.owner, holder.host, holder.pid, holder.ttl, dead=holder.is_dead)


def read_queues(client: Redis, prefix: str) -> tuple[QueueHealth, ...]:
    """How many messages wait in each of Celery's queues, and since when the oldest one."""
    pipe = client.pipeline(transaction=False)
    for name in QUEUES:
        pipe.llen(Keys(prefix).queue(name))
        pipe.lindex(Keys(prefix).queue(name), -1)
    found = pipe.execute()
    return tuple(
        QueueHealth(name, int(depth), _sent_at(oldest))
        for name, depth, oldest in zip(QUEUES, found[::2], found[1::2], strict=True)
    )


def _sent_at(message: str | None) -> datetime | None:
    """When a message of kombu's was sent, by the header that ``celery_app`` puts on it."""
    if message is None:
        return None
    try:
        headers: dict[str, Any] = json.loads(message).get("headers") or {}
        return from_unix_ms(int(headers["sent_at"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def read_beat(client: Redis, prefix: str) -> datetime | None:
    """Beat's last tick; ``None`` when it never ticked on this Redis."""
    value = client.get(Keys(prefix).beat_last_tick)
    return from_unix_ms(int(value)) if value is not None else None
