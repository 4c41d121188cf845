"""The searches: which deals of Keepa's this deployment keeps, and how far the reading of each has come."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from keepa_deals.db.models.base import Base, Named


class SearchState(StrEnum):
    """Whether a search is read."""

    ACTIVE = "active"
    PAUSED = "paused"
    REMOVED = "removed"
    """The next run ends its deals, and the row goes."""


class SearchOwner(StrEnum):
    """Who has the say over a search's settings."""

    FILE = "file"
    CLI = "cli"
    DASHBOARD = "dashboard"


class SearchRow(Base):
    """One deal query of one marketplace at one price type. An id is never given twice.

    ``watermark`` and ``cursor`` are the upserter's, ``crawl`` is the backfiller's. Of the first search
    ``job_states`` has them, where versions before this table left them, and look for them.
    """

    __tablename__ = "searches"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    is_first: Mapped[bool]
    name: Mapped[str] = mapped_column(String(60))
    domain_id: Mapped[int]
    price_type: Mapped[int]
    query: Mapped[dict[str, Any]]
    """The normalised deal query (``keepa.deal_query``), with its ``domainId``."""
    weight: Mapped[int]
    """1 to 10: its part of tokens that do not suffice for all."""
    fresh_minutes: Mapped[int | None]
    """Its deals are seen again within so many minutes; null: within ``DEAL_FRESH_MINUTES``."""
    state: Mapped[SearchState] = mapped_column(Named(SearchState))
    owner: Mapped[SearchOwner] = mapped_column(Named(SearchOwner))
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    """When somebody last changed what is above."""
    watermark: Mapped[datetime | None]
    cursor: Mapped[dict[str, Any] | None]
    crawl: Mapped[dict[str, Any] | None]
    file_problem: Mapped[str | None] = mapped_column(Text)
    """What is wrong with its file: it goes on with what the file said before."""
    error: Mapped[str | None] = mapped_column(Text)
    """Why it is not read, in Keepa's words; null while it is."""
    error_at: Mapped[datetime | None]
    tokens_spent: Mapped[int] = mapped_column(BigInteger, default=0)
    """Tokens that Keepa charged for it in all."""
    hour_at: Mapped[datetime | None]
    """The hour that the next two are about."""
    tokens_this_hour: Mapped[int] = mapped_column(default=0)
    tokens_last_hour: Mapped[int] = mapped_column(default=0)

    __table_args__ = ({"sqlite_autoincrement": True},)
