"""What people do on the dashboard: the views that they name, and what they ask of the service."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from keepa_deals.db.models.base import Base


class SavedView(Base):
    """A view of the dashboard that somebody gave a name, shared by everybody."""

    __tablename__ = "saved_views"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    query: Mapped[str] = mapped_column(Text)
    """The view's canonical query string, without ``?``."""
    created_at: Mapped[datetime]
    person_id: Mapped[int | None]
    """Who shared it: they and operators may change it. ``None``: nobody with a name. Ids are not reused."""


class OwnView(Base):
    """A view that a person gave a name and keeps to themselves."""

    __tablename__ = "own_views"

    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    query: Mapped[str] = mapped_column(Text)
    """As of a shared view."""
    created_at: Mapped[datetime]


class OperatorAction(Base):
    """What somebody asked of the service on the dashboard, and what came of it."""

    __tablename__ = "operator_actions"

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(64))
    """Who asked: a person's name, or an address where nobody has a name."""
    action: Mapped[str] = mapped_column(String(32))
    target: Mapped[str] = mapped_column(String(64))
    outcome: Mapped[str] = mapped_column(Text)
    """In words: done, or why it was refused."""

    __table_args__ = (Index("ix_operator_actions_at", "at"),)
