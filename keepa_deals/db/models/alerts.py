"""Alerts and their channels, what is still to be looked at for them, and every message on its way."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, String, Text, false, text
from sqlalchemy.orm import Mapped, mapped_column

from keepa_deals.db.models.base import Base, Named

_NUMBER = BigInteger().with_variant(Integer, "sqlite")


class AlertState(StrEnum):
    """Whether an alert looks at deals."""

    ACTIVE = "active"
    PAUSED = "paused"


class MessageKind(StrEnum):
    """What a message tells."""

    DEAL = "deal"
    DIGEST = "digest"
    CONFIRMATION = "confirmation"
    """That an alert was made: the first that its channels hear of it."""
    TEST = "test"
    SERVICE = "service"
    """That something is wrong with the service itself, or well again."""


class DeliveryState(StrEnum):
    """How far a message has come."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    """Given up."""
    DROPPED = "dropped"
    """There was nothing left to tell: its deals had ended."""


class Channel(Base):
    """A way to a person. ``person_id`` is null for the unnamed reader of an open dashboard."""

    __tablename__ = "channels"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(60))
    kind: Mapped[str] = mapped_column(String(32))
    """The scheme of its address."""
    address: Mapped[str] = mapped_column(Text)
    """Encrypted: ``alerts.secrets``."""
    shown: Mapped[str] = mapped_column(Text)
    """The address without what is secret in it."""
    created_at: Mapped[datetime]
    tells_of_service: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether it is told what is wrong with the service itself; only an operator's is."""
    failures: Mapped[int] = mapped_column(default=0)
    """In a row."""
    resting_until: Mapped[datetime | None]
    """Nothing is sent before: it failed often, or asked for a pause."""
    last_sent_at: Mapped[datetime | None]
    last_failed_at: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(Text)

    __table_args__ = ({"sqlite_autoincrement": True},)


class Alert(Base):
    """A view whose deals somebody wants to be told of; ``rule`` is ``alerts.rules.Rule`` as JSON."""

    __tablename__ = "alerts"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(60))
    query: Mapped[str] = mapped_column(Text)
    """The view's canonical query string, without ``?``."""
    rule: Mapped[dict[str, Any]]
    state: Mapped[AlertState] = mapped_column(Named(AlertState))
    problem: Mapped[str | None] = mapped_column(Text)
    """Why it was paused, where nobody asked for it."""
    muted_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    active_since: Mapped[datetime]
    """What happened before is no news to it."""
    last_told_at: Mapped[datetime | None]
    told_count: Mapped[int] = mapped_column(default=0)

    __table_args__ = (Index("ix_alerts_state", "state"), {"sqlite_autoincrement": True})


class AlertChannel(Base):
    """That an alert speaks through a channel."""

    __tablename__ = "alert_channels"

    alert_id: Mapped[int] = mapped_column(ForeignKey("alerts.id", ondelete="CASCADE"), primary_key=True)
    channel_id: Mapped[int] = mapped_column(
        ForeignKey("channels.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class AlertChange(Base):
    """A deal that changed, written in the transaction that changed it: alerts have yet to look at it."""

    __tablename__ = "alert_changes"

    id: Mapped[int] = mapped_column(_NUMBER, primary_key=True, autoincrement=True)
    domain_id: Mapped[int]
    asin: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime]


class AlertMemory(Base):
    """What an alert told of a deal last: the reason why it does not tell it twice."""

    __tablename__ = "alert_memories"

    alert_id: Mapped[int] = mapped_column(ForeignKey("alerts.id", ondelete="CASCADE"), primary_key=True)
    domain_id: Mapped[int] = mapped_column(primary_key=True)
    asin: Mapped[str] = mapped_column(String(16), primary_key=True)
    occasion: Mapped[datetime]
    """The moment that stands for what was told: when the deal was found, ended, came back."""
    told_at: Mapped[datetime]
    price: Mapped[int | None]

    __table_args__ = (Index("ix_alert_memories_told_at", "told_at"),)


class ServiceProblem(Base):
    """What is wrong with the service, and what operators were told of it. Gone an hour after it was told."""

    __tablename__ = "service_problems"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    since: Mapped[datetime]
    gone_since: Mapped[datetime | None]
    """``None`` while it lasts."""
    told_at: Mapped[datetime | None]
    """When it was told last."""
    is_told: Mapped[bool]
    """Whether it was told, and its end was not yet."""


class Delivery(Base):
    """One message to one channel: the outbox, and afterwards the log."""

    __tablename__ = "deliveries"

    id: Mapped[int] = mapped_column(_NUMBER, primary_key=True, autoincrement=True)
    key: Mapped[str] = mapped_column(String(32), unique=True)
    """The same at every attempt: a channel that knows such keys takes a message once."""
    alert_id: Mapped[int | None] = mapped_column(ForeignKey("alerts.id", ondelete="CASCADE"), index=True)
    channel_id: Mapped[int] = mapped_column(ForeignKey("channels.id", ondelete="CASCADE"))
    kind: Mapped[MessageKind] = mapped_column(Named(MessageKind))
    state: Mapped[DeliveryState] = mapped_column(Named(DeliveryState))
    deals: Mapped[list[Any]] = mapped_column(JSON)
    """The first of them: domain, ASIN and what happened."""
    deal_count: Mapped[int] = mapped_column(default=0)
    """How many there were in all."""
    body: Mapped[str | None] = mapped_column(Text)
    """What a message says that is not about deals."""
    caused_at: Mapped[datetime]
    """When the first of what it tells happened."""
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    """When it was to leave."""
    retry_at: Mapped[datetime | None]
    """When it is tried again after it failed."""
    attempts: Mapped[int] = mapped_column(default=0)
    claimed_until: Mapped[datetime | None]
    """While it is being sent: whoever sends it is dead when this is over."""
    finished_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        Index(
            "ix_deliveries_open",
            *("channel_id", "due_at"),
            sqlite_where=text("finished_at IS NULL"),
            postgresql_where=text("finished_at IS NULL"),
        ),
        Index("ix_deliveries_finished_at", "finished_at"),
        Index("ix_deliveries_alert_state", "alert_id", "state"),
    )
