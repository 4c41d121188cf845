"""Beat's heartbeat."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from redis import Redis

from keepa_deals.health.metric import AnyMetric, gauge
from keepa_deals.health.part import Json, Part, Snapshot
from keepa_deals.humanize import iso
from keepa_deals.keepa.time import from_unix_ms
from keepa_deals.redis_store import Keys


def read(client: Redis, keys: Keys) -> datetime | None:
    """Beat's last tick; ``None`` when it never ticked on this Redis."""
    value = client.get(keys.beat_last_tick)
    return from_unix_ms(int(value)) if value is not None else None


def _to_json(snapshot: Snapshot) -> Json:
    return {"beat": {"last_tick_at": iso(snapshot.value(PART))}}


def _metrics(snapshot: Snapshot) -> Iterator[AnyMetric]:
    ticked = snapshot.value(PART)
    age = (snapshot.taken_at - ticked).total_seconds() if ticked else None
    yield from gauge("beat_last_tick_age_seconds", "Seconds since beat's last tick", age)


PART: Part[datetime | None] = Part(
    "beat", lambda sources: read(sources.redis(), sources.keys), _to_json, _metrics
)
