"""Celery's queues: how many messages wait, since when, and how many were none of ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from redis import Redis

from keepa_deals.health.metric import AnyMetric, counters, gauges
from keepa_deals.health.part import Json, Part, Snapshot
from keepa_deals.health.parts import tokens
from keepa_deals.humanize import iso
from keepa_deals.jobs import QUEUES
from keepa_deals.keepa.time import from_unix_ms
from keepa_deals.redis_store import Keys


@dataclass(frozen=True, slots=True)
class QueueHealth:
    """One queue; ``oldest_sent_at`` is ``None`` when nothing waits, or the message does not tell."""

    name: str
    depth: int
    oldest_sent_at: datetime | None


def read(client: Redis, keys: Keys) -> tuple[QueueHealth, ...]:
    """How many messages wait in each of Celery's queues, and since when the oldest one."""
    pipe = client.pipeline(transaction=False)
    for name in QUEUES:
        pipe.llen(keys.queue(name))
        pipe.lindex(keys.queue(name), -1)
    answers = pipe.execute()
    return tuple(
        QueueHealth(name, int(depth), _sent_at(oldest))
        for name, depth, oldest in zip(QUEUES, answers[::2], answers[1::2], strict=True)
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


def _to_json(snapshot: Snapshot) -> Json:
    queues = snapshot.value(PART) or ()
    return {"queues": {q.name: {"depth": q.depth, "oldest_sent_at": iso(q.oldest_sent_at)} for q in queues}}


def _metrics(snapshot: Snapshot) -> Iterator[AnyMetric]:
    queues, account = snapshot.value(PART) or (), snapshot.value(tokens.PART)
    ages = [
        (q.name, (snapshot.taken_at - q.oldest_sent_at).total_seconds() if q.oldest_sent_at else 0)
        for q in queues
    ]
    dropped = account.counters.dropped if account else {}
    yield from gauges("queue_messages", "Messages that wait", "queue", [(q.name, q.depth) for q in queues])
    yield from gauges("queue_oldest_age_seconds", "How long the oldest message has waited", "queue", ages)
    yield from counters(
        "messages_dropped",
        "Messages in a queue that were none of ours",
        "queue",
        [(q.name, dropped.get(q.name, 0)) for q in queues],
    )


PART: Part[tuple[QueueHealth, ...]] = Part(
    "queues", lambda sources: read(sources.redis(), sources.keys), _to_json, _metrics
)
