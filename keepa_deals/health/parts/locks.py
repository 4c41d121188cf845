"""The single-flight locks: who holds them, and for how long they still last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from redis import Redis

from keepa_deals import locks
from keepa_deals.health.metric import AnyMetric, gauges
from keepa_deals.health.part import Part, Snapshot
from keepa_deals.jobs import LOCKED_JOBS, lock_of
from keepa_deals.redis_store import Keys


@dataclass(frozen=True, slots=True)
class LockHealth:
    """A single-flight lock: ``owner`` is ``None`` when it is free."""

    name: str
    owner: str | None = None
    host: str | None = None
    pid: int | None = None
    ttl_seconds: float | None = None
    """Seconds until it would expire; ``None`` with an owner means: never."""
    dead: bool = False
    """Whether the holder was a process that would be seen from here, and is gone for sure."""


def read(client: Redis, keys: Keys) -> tuple[LockHealth, ...]:
    """Who holds each single-flight lock."""
    return tuple(_lock(client, job.lock, keys) for job in LOCKED_JOBS)


def _lock(client: Redis, name: str, keys: Keys) -> LockHealth:
    holder = locks.read_holder(client, keys.lock(name))
    if holder is None:
        return LockHealth(name)
    return LockHealth(name, holder.owner, holder.host, holder.pid, holder.ttl, dead=holder.is_dead)


def lock_in(snapshot: Snapshot, job: str) -> LockHealth | None:
    """The lock of the job called ``job``; ``None`` when it could not be read."""
    return next((lock for lock in snapshot.value(PART) or () if lock.name == lock_of(job)), None)


def _metrics(snapshot: Snapshot) -> Iterator[AnyMetric]:
    held = [lock for lock in snapshot.value(PART) or () if lock.owner is not None]
    left = [(lock.name, lock.ttl_seconds if lock.ttl_seconds is not None else float("inf")) for lock in held]
    yield from gauges("lock_ttl_seconds", "How long a lock that is held still lasts", "lock", left)


PART: Part[tuple[LockHealth, ...]] = Part(
    "locks", lambda sources: read(sources.redis(), sources.keys), metrics=_metrics
)
