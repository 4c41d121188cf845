"""The jobs: what each remembers, its runs, and the state of the whole that maintenance samples."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from keepa_deals.db.models.base import Base


class JobState(Base):
    """The memory of one job: its fence, watermark and cursor. One row a job, named after its task."""

    __tablename__ = "job_states"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    fence: Mapped[int] = mapped_column(BigInteger, default=0)
    """Grows with every start; a transaction whose fence is no longer this one must roll back."""
    watermark: Mapped[datetime | None]
    cursor: Mapped[dict[str, Any] | None]
    last_started_at: Mapped[datetime | None]
    last_success_at: Mapped[datetime | None]
    last_finished_at: Mapped[datetime | None]
    last_outcome: Mapped[str | None] = mapped_column(String(32))
    last_error: Mapped[str | None] = mapped_column(Text)
    paused: Mapped[bool] = mapped_column(default=False)
    rows: Mapped[int] = mapped_column(BigInteger, default=0)
    """Rows written in all."""
    tokens_spent: Mapped[int] = mapped_column(BigInteger, default=0)
    """Tokens that Keepa charged in all."""


class JobRun(Base):
    """One run of a job, kept for the retention time."""

    __tablename__ = "job_runs"

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    name: Mapped[str] = mapped_column(String(64))
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[str] = mapped_column(String(32))
    rows: Mapped[int] = mapped_column(default=0)
    tokens_spent: Mapped[int] = mapped_column(default=0)
    detail: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (Index("ix_job_runs_name_started_at", "name", "started_at"),)


class Sample(Base):
    """The state of the whole once a minute: the "is it dwindling?" curve."""

    __tablename__ = "samples"

    at: Mapped[datetime] = mapped_column(primary_key=True)
    live: Mapped[int]
    stale: Mapped[int]
    ended: Mapped[int]
    matching: Mapped[int | None]
    """How many deals Keepa said that the selection has."""
    tokens: Mapped[int | None]
    """What could be spent at this moment; may be negative."""
    small_wait_ms: Mapped[int | None]
    """How long the longest-waiting request of the small lanes had waited at this moment."""
    bulk_wait_ms: Mapped[int | None]
    """The same for the bulk lane."""
