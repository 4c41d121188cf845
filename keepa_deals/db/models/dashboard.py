"""What people do on the dashboard: the views that they name, and what they ask of the service."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from keepa_deals.db.models.base import Base


class SavedView(Base):
    """A view of the dashboard that somebody gave a name."""

    __tablename__ = "saved_views"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    query: Mapped[str] = mapped_column(Text)
    """The view's canonical query string, without ``?``."""
    created_at: Mapped[datetime]


class OperatorAction(Base):
    """What somebody asked of the service on the dashboard, and what came of it."""

    __tablename__ = "operator_actions"

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(64))
    """Who asked: the address that the request came from."""
    action: Mapped[str] = mapped_column(String(32))
    target: Mapped[str] = mapped_column(String(64))
    outcome: Mapped[str] = mapped_column(Text)
    """In words: done, or why it was refused."""

    __table_args__ = (Index("ix_operator_actions_at", "at"),)
