"""Alerts and channels for tests, straight into the table."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from keepa_deals.db.models import Alert, AlertChannel, AlertState, Channel, Delivery
from keepa_deals.db.session import Database


def make_channel(session: Session, now: datetime, **changes: Any) -> int:
    """A channel, by its number."""
    values = {"name": "A channel", "kind": "json", "address": "-", "shown": "json://…", "created_at": now}
    channel = Channel(**{**values, **changes})
    session.add(channel)
    session.flush()
    return channel.id


def make_alert(session: Session, now: datetime, *channels: int, **changes: Any) -> int:
    """An alert that tells at once of every deal that is found, by its number."""
    values = {
        "name": "An alert",
        "query": "",
        "rule": {"trigger": {"kind": "found"}},
        "state": AlertState.ACTIVE,
        "created_at": now,
        "active_since": now,
    }
    alert = Alert(**{**values, **changes})
    session.add(alert)
    session.flush()
    session.add_all(AlertChannel(alert_id=alert.id, channel_id=channel) for channel in channels)
    return alert.id


def deliveries(database: Database) -> list[Delivery]:
    with database.session() as session:
        return list(session.scalars(select(Delivery).order_by(Delivery.id)))
