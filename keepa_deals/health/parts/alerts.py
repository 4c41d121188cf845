"""Alerts: what waits to be looked at and to be sent, which channels fail, and how long messages take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from redis import Redis
from sqlalchemy import Connection, func, select

from keepa_deals.alerts.latency import EDGES_MS, TOOK_LE, TOOK_MS
from keepa_deals.db.models import Alert, AlertChange, AlertState, Channel, Delivery, DeliveryState
from keepa_deals.health.metric import AnyMetric, Histogram, gauge, gauges
from keepa_deals.health.part import Json, Part, Snapshot, Sources
from keepa_deals.health.parts import tokens
from keepa_deals.humanize import iso
from keepa_deals.keepa.time import from_unix_ms
from keepa_deals.redis_store import Keys
from keepa_deals.tokens.counters import Counters

FAILING_AFTER = 5
"""Failures in a row after which a channel fails."""


@dataclass(frozen=True, slots=True)
class AlertsHealth:
    """What there is to tell, and how well it goes."""

    active: int
    changes: int
    """Deals that changed and were not looked at yet."""
    oldest_change_at: datetime | None
    waiting: int
    """Messages that wait, those for later among them."""
    oldest_due_at: datetime | None
    """When the first message was to leave that is late without its channel having failed."""
    failing: tuple[tuple[int, int], ...]
    """(a channel's number, its failures in a row)."""
    given_up: int
    """Messages that were given up, as long as they are kept."""
    looked_at: datetime | None
    """When the notifier looked last."""


def read(connection: Connection, client: Redis, keys: Keys, now: datetime) -> AlertsHealth:
    """The state of the outbox and of the channels."""
    active = select(func.count()).select_from(Alert).where(Alert.state == AlertState.ACTIVE)
    changes = select(func.count(), func.min(AlertChange.at)).select_from(AlertChange)
    open_ones = select(func.count()).select_from(Delivery).where(Delivery.finished_at.is_(None))
    late = select(func.min(Delivery.due_at)).where(
        Delivery.finished_at.is_(None), Delivery.attempts == 0, Delivery.due_at <= now
    )
    late = late.join(Channel, Channel.id == Delivery.channel_id).where(
        (Channel.resting_until.is_(None)) | (Channel.resting_until <= now)
    )
    failing = select(Channel.id, Channel.failures).where(Channel.failures >= FAILING_AFTER)
    given_up = select(func.count()).select_from(Delivery).where(Delivery.state == DeliveryState.FAILED)
    number, oldest = connection.execute(changes).one()
    looked = client.get(keys.notifier_looked)
    return AlertsHealth(
        active=connection.scalar(active) or 0,
        changes=number,
        oldest_change_at=oldest,
        waiting=connection.scalar(open_ones) or 0,
        oldest_due_at=connection.scalar(late),
        failing=tuple((row.id, row.failures) for row in connection.execute(failing.order_by(Channel.id))),
        given_up=connection.scalar(given_up) or 0,
        looked_at=from_unix_ms(int(looked)) if looked is not None else None,
    )


def _read(sources: Sources) -> AlertsHealth:
    with sources.engine().connect() as connection:
        return read(connection, sources.redis(), sources.keys, sources.now)


def _to_json(snapshot: Snapshot) -> Json:
    state = snapshot.value(PART)
    if state is None:
        return {"alerts": None}
    return {
        "alerts": {
            "active": state.active,
            "changes_waiting": state.changes,
            "oldest_change_at": iso(state.oldest_change_at),
            "messages_waiting": state.waiting,
            "oldest_due_at": iso(state.oldest_due_at),
            "channels_failing": len(state.failing),
            "given_up": state.given_up,
            "notifier_looked_at": iso(state.looked_at),
        }
    }


def _metrics(snapshot: Snapshot) -> Iterator[AnyMetric]:
    state, account = snapshot.value(PART), snapshot.value(tokens.PART)
    if state is not None:
        yield from gauge("alerts_active", "Alerts that look", state.active)
        yield from gauge("alert_changes_waiting", "Changed deals that alerts have yet to see", state.changes)
        yield from gauge("alert_messages_waiting", "Messages that wait to be sent", state.waiting)
        yield from gauge("alert_channels_failing", "Channels that fail again and again", len(state.failing))
        failures = [(str(number), count) for number, count in state.failing]
        yield from gauges(
            "alert_channel_failures", "Failures in a row of each channel that fails", "channel", failures
        )
        yield from gauge("alert_messages_given_up", "Messages that were given up", state.given_up)
        if state.looked_at is not None:
            age = (snapshot.taken_at - state.looked_at).total_seconds()
            yield from gauge("notifier_last_look_age_seconds", "Seconds since the notifier looked", age)
    if account is not None:
        yield _histogram(account.counters)


def _histogram(counters: Counters) -> Histogram:
    """The buckets of each kind of channel, cumulated as Prometheus wants them."""
    series = []
    for (kind,), total in counters.labelled(TOOK_MS):
        count, buckets = 0, []
        for edge in (*map(str, EDGES_MS), "inf"):
            count += counters.of(TOOK_LE, kind, edge)
            buckets.append((float(edge) / 1000, float(count)))
        series.append((kind, tuple(buckets), total / 1000))
    return Histogram(
        "alert_delivery_seconds", "From what caused a message to its channel's word", "kind", tuple(series)
    )


PART: Part[AlertsHealth] = Part("alerts", _read, _to_json, _metrics)
